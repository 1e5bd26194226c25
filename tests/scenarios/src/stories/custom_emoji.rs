//! A conversation's own emoji: what a message says and what stands below it stays what it was.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use http::Method;
use serde_json::{Value, json};
use tertulia_client::{Api, ApiError};
use tertulia_contracts::{
    ConversationId, MediaId,
    messaging::{ConversationKind, EntityKind, Fact, Message, PostMessage},
};
use ulid::Ulid;

use crate::{heard::Listener, journal::Journal, person::Person, system::System};

const WORD: &str = ":party:";

/// Ana gives the word a picture, Bea says it and reacts with it through whichever gateway. Then it is another picture, and
/// then none: what was said and done before shows the first, to who was there and to who asks now.
pub(super) async fn stays_what_it_was(system: &System) -> Result<()> {
    let journal = Arc::new(Journal::default());
    let ana = Person::sign_up(system, 0, "ana", &journal).await?;
    let bea = Person::sign_up(system, 1, "bea", &journal).await?;
    let group = ana.start(ConversationKind::Group, &[&bea]).await?;
    let listener = Listener::open(&ana.api, ana.gateways.clone(), group).await;
    let [first, second] = [(); 2].map(|()| MediaId::from_ulid(Ulid::generate()));
    let faces: Vec<Api> = bea.gateways.iter().map(|gateway| bea.api.at(gateway)).collect();
    let emoji = format!("/v1/conversations/{group}/emoji/party");
    let put = async |picture: MediaId| -> Result<Value, ApiError> {
        ana.api.send(Method::PUT, &emoji, Some(&json!({"media_id": picture}))).await
    };

    put(first).await.context("a picture for the word")?;
    let mut before = Vec::new();
    for face in &faces {
        let message = say(face, group).await?;
        face.react(group, message.id, WORD).await.context("reacting with it")?;
        before.push(message);
    }
    put(second).await.context("another picture")?;
    let after = say(&bea.api, group).await?;
    ana.api.react(group, after.id, WORD).await.context("reacting with the other")?;
    let _: Value = ana.api.send::<(), _>(Method::DELETE, &emoji, None).await.context("removing it")?;

    for (message, picture) in before.iter().map(|message| (message, first)).chain([(&after, second)]) {
        for face in faces.iter().chain([&ana.api]) {
            let shown = seen(face, message).await?;
            ensure!(pictures(&shown) == [Some(picture)], "{shown:?}");
            let [reaction] = &shown.reactions[..] else { anyhow::bail!("one reacted: {shown:?}") };
            ensure!((reaction.media_id, reaction.count) == (Some(picture), 1), "{reaction:?}");
        }
        let posted = |fact: &Fact| matches!(fact, Fact::MessagePosted { message: told } if told.id == message.id && pictures(told) == [Some(picture)]);
        listener.was_told(posted).await;
        let reacted = |fact: &Fact| matches!(fact, Fact::ReactionSet { message_id, media_id, .. } if (*message_id, *media_id) == (message.id, Some(picture)));
        listener.was_told(reacted).await;
    }
    listener.was_told(|fact| matches!(fact, Fact::EmojiRemoved { name, .. } if name == "party")).await;

    // From now on they are words, and nobody reacts with them anew; who did takes it back.
    for (face, message) in faces.iter().zip(&before) {
        ensure!(pictures(&say(face, group).await?).is_empty(), "the word has no picture any more");
        let refused = face.react(group, after.id, WORD).await.err();
        ensure!(refused.as_ref().and_then(ApiError::code) == Some("invalid_fields"), "{refused:?}");
        face.unreact(group, message.id, WORD).await.context("taking it back")?;
        ensure!(seen(&ana.api, message).await?.reactions.is_empty());
    }
    Ok(())
}

async fn say(api: &Api, group: ConversationId) -> Result<Message> {
    let post = PostMessage::new(Ulid::generate(), format!("Now {WORD}"));
    Ok(api.post(group, &post).await.context("saying it")?.message)
}

async fn seen(api: &Api, message: &Message) -> Result<Message> {
    let page = api.messages(message.conversation_id, message.seq - 1, 1).await?;
    page.items.into_iter().next().context("it stands where it stood")
}

fn pictures(message: &Message) -> Vec<Option<MediaId>> {
    let emoji = message.entities.iter().filter_map(|entity| match entity.what {
        EntityKind::Emoji { media_id } => Some(media_id),
        _ => None,
    });
    emoji.collect()
}
