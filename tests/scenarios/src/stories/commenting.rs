//! A channel's comments are switched off and on again.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use http::Method;
use serde_json::json;
use tertulia_client::{Api, ApiError};
use tertulia_contracts::messaging::{Comments, Conversation, ConversationKind, Fact, Message, PostMessage};
use ulid::Ulid;

use crate::{
    heard::Listener,
    journal::Journal,
    person::{Person, bodies},
    system::System,
};

async fn comment(api: &Api, root: &Message, post: &PostMessage) -> Result<Message, ApiError> {
    let post = PostMessage { thread_id: Some(root.id), ..post.clone() };
    Ok(api.post(root.conversation_id, &post).await?.message)
}

fn saying(body: &str) -> PostMessage {
    PostMessage::new(Ulid::generate(), body.to_owned())
}

fn switched(to: Comments) -> impl Fn(&Fact) -> bool {
    move |fact| matches!(fact, Fact::ConversationUpdated { comments, .. } if *comments == Some(to))
}

/// Bea comments on Ana's news until Ana switches that off through another gateway: from then on no gateway takes a comment
/// of hers, while what she said stands, is hers to edit and its repeat is no comment; Ana herself still comments. Bea
/// is told live of both switches, and comments again.
pub(super) async fn switched_off_and_on(system: &System) -> Result<()> {
    let journal = Arc::new(Journal::default());
    let ana = Person::sign_up(system, 0, "ana", &journal).await?;
    let bea = Person::sign_up(system, 1, "bea", &journal).await?;
    let channel = ana.start(ConversationKind::Channel, &[&bea]).await?;
    let listener = Listener::open(&bea.api, bea.gateways.clone(), channel).await;
    let faces: Vec<Api> = bea.gateways.iter().map(|gateway| bea.api.at(gateway)).collect();
    let elsewhere = ana.api.at(&ana.gateways[1 % ana.gateways.len()]);
    let path = format!("/v1/conversations/{channel}");
    let switch = async |to: Comments| {
        let seen: Conversation = elsewhere
            .send(Method::PATCH, &path, Some(&json!({"comments": to})))
            .await
            .context("switching")?;
        ensure!(seen.comments == Some(to), "{seen:?}");
        listener.was_told(switched(to)).await;
        Ok(())
    };

    let root = ana.api.post(channel, &saying("News")).await.context("posting")?.message;
    let first = saying("Well said");
    let said = comment(&bea.api, &root, &first).await.context("while they are on")?;
    switch(Comments::Off).await?;
    for face in &faces {
        let refused = comment(face, &root, &saying("And more")).await.err();
        ensure!(refused.as_ref().and_then(ApiError::code) == Some("not_allowed"), "{refused:?}");
        ensure!(comment(face, &root, &first).await?.id == said.id, "a repeat is none");
    }
    bea.api.edit(channel, said.id, "Very well said").await.context("what is hers stays so")?;
    comment(&ana.api, &root, &saying("Thank you")).await.context("who may post comments")?;
    for face in &faces {
        let below = face.thread(channel, root.id).await.context("all read on")?.items;
        ensure!(bodies(&below) == ["Very well said", "Thank you"], "{below:?}");
    }
    switch(Comments::On).await?;
    for face in &faces {
        comment(face, &root, &saying("Welcome")).await.context("they are on again")?;
    }
    let below = ana.api.thread(channel, root.id).await?.items;
    ensure!(below.len() == 2 + faces.len(), "{below:?}");
    Ok(())
}
