//! People find conversations, ask to be let in, follow links, and find doors closed.

use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use http::Method;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tertulia_client::{ApiError, SocketError};
use tertulia_contracts::{
    ConversationId,
    frames::{ClientFrame, ServerFrame},
    messaging::{
        Conversation, ConversationKind, CreateConversation, Directory, InvitationPreview, JoinRequests,
        MadeInvitation, PostMessage, Visibility,
    },
};
use ulid::Ulid;

use crate::{journal::Journal, person::Person, system::System};

/// Bea finds a channel, asks and is let in; Cal comes by a link that lets one in, and Eve comes too late; Eve listens to a
/// channel until it becomes private; in the end one conversation is archived.
pub(super) async fn found_asked_and_invited(system: &System) -> Result<()> {
    let journal = Arc::new(Journal::default());
    let ana = Person::sign_up(system, 0, "ana", &journal).await?;
    let bea = Person::sign_up(system, 1, "bea", &journal).await?;
    let cal = Person::sign_up(system, 0, "cal", &journal).await?;
    let eve = Person::sign_up(system, 1, "eve", &journal).await?;
    asked(&ana, &bea).await?;
    let group = ana.start(ConversationKind::Group, &[]).await?;
    invited(&ana, &cal, &eve, group).await?;
    overheard(&ana, &eve).await?;
    archived(&ana, &cal, group).await
}

/// A request with a body.
async fn send<A: DeserializeOwned>(
    person: &Person,
    method: Method,
    path: &str,
    body: Value,
) -> Result<A, ApiError> {
    person.api.send(method, path, Some(&body)).await
}

/// A request without one.
async fn ask<A: DeserializeOwned>(person: &Person, method: Method, path: &str) -> Result<A, ApiError> {
    person.api.send::<(), A>(method, path, None).await
}

async fn channel(owner: &Person, title: &str, visibility: Visibility) -> Result<ConversationId> {
    let wish = CreateConversation {
        kind: ConversationKind::Channel,
        title: Some(title.to_owned()),
        handle: Some(format!("c-{}", owner.account.handle)),
        visibility: Some(visibility),
        members: Vec::new(),
    };
    Ok(owner.api.create(&wish).await.context("making a channel")?.id)
}

async fn asked(ana: &Person, bea: &Person) -> Result<()> {
    let id = channel(ana, "Philately weekly", Visibility::Paid).await?;
    let path = format!("/v1/conversations/{id}");
    let _: Conversation = send(ana, Method::PATCH, &path, json!({"tags": ["stamps"]})).await?;
    let found: Directory = ask(bea, Method::GET, "/v1/directory?q=philat&tag=stamps&limit=200").await?;
    let entry = found.items.into_iter().find(|entry| entry.id == id).context("it stands in the directory")?;
    ensure!(entry.member_count == Some(1) && entry.tags == ["stamps"], "{entry:?}");
    let by_handle = format!("/v1/directory/c-{}", ana.account.handle);
    ensure!(ask::<Value>(bea, Method::GET, &by_handle).await?["id"] == json!(id), "found by its handle");

    let requests = format!("{path}/requests");
    let _: Value = send(bea, Method::POST, &requests, json!({"note": "I collect"})).await?;
    let waiting: JoinRequests = ask(ana, Method::GET, &requests).await?;
    ensure!(waiting.items.len() == 1 && waiting.items[0].user_id == bea.id(), "{waiting:?}");
    let approve = format!("{requests}/{}/approve", bea.id());
    let _: Value = ask(ana, Method::POST, &approve).await?;
    let seen = bea.api.conversation(id).await?;
    ensure!(seen.membership.is_some() && seen.member_count == Some(2), "{seen:?}");
    Ok(())
}

async fn invited(ana: &Person, cal: &Person, eve: &Person, group: ConversationId) -> Result<()> {
    let invitations = format!("/v1/conversations/{group}/invitations");
    let made: MadeInvitation = send(ana, Method::POST, &invitations, json!({"max_uses": 1})).await?;
    let link = format!("/v1/invitations/{}", made.code);
    let seen: InvitationPreview = ask(cal, Method::GET, &link).await?;
    ensure!(seen.conversation_id == group && seen.invited_by == ana.id(), "{seen:?}");
    let accept = format!("{link}/accept");
    for gateway in &cal.gateways {
        let joined: Conversation = cal.api.at(gateway).send::<(), _>(Method::POST, &accept, None).await?;
        ensure!(joined.membership.is_some(), "{joined:?}");
    }
    let late = ask::<Value>(eve, Method::POST, &accept).await.err();
    ensure!(late.as_ref().and_then(ApiError::code) == Some("invitation_not_found"), "{late:?}");
    Ok(())
}

/// Whoever listens to a public channel as a stranger hears nothing more once it is private.
async fn overheard(ana: &Person, eve: &Person) -> Result<()> {
    let wish = CreateConversation {
        kind: ConversationKind::Channel,
        title: Some("Open for now".to_owned()),
        handle: None,
        visibility: Some(Visibility::Public),
        members: Vec::new(),
    };
    let id = ana.api.create(&wish).await?.id;
    let (mut socket, _ready) = eve.api.hello(None).await?;
    socket.say(&ClientFrame::Open { c: id, after: Some(0) }).await?;
    while !matches!(socket.hear().await?, ServerFrame::Opened { .. }) {}
    let path = format!("/v1/conversations/{id}");
    let _: Conversation = send(ana, Method::PATCH, &path, json!({"visibility": "private"})).await?;
    say(ana, id, "Among us").await?;
    loop {
        match socket.hear().await {
            Ok(frame) => {
                let told = serde_json::to_string(&frame)?;
                ensure!(!told.contains("Among us"), "a stranger heard {told}");
            }
            Err(SocketError::Closed(closed)) => {
                ensure!(closed.code == 4000, "{closed:?}");
                break;
            }
            Err(other) => bail!("{other}"),
        }
    }
    let (mut socket, _ready) = eve.api.hello(None).await?;
    socket.say(&ClientFrame::Open { c: id, after: Some(0) }).await?;
    let heard = socket.hear().await?;
    ensure!(matches!(heard, ServerFrame::Error { c: Some(c), .. } if c == id), "{heard:?}");
    Ok(())
}

async fn say(person: &Person, id: ConversationId, body: &str) -> Result<(), ApiError> {
    let post = PostMessage::new(Ulid::generate(), body.to_owned());
    person.api.post(id, &post).await.map(drop)
}

async fn archived(ana: &Person, cal: &Person, group: ConversationId) -> Result<()> {
    say(cal, group, "While it is open").await?;
    let archive = format!("/v1/conversations/{group}/archive");
    let seen: Conversation = ask(ana, Method::PUT, &archive).await?;
    ensure!(seen.archived_at.is_some(), "{seen:?}");
    let refused = say(cal, group, "Too late").await.err();
    ensure!(refused.as_ref().and_then(ApiError::code) == Some("not_allowed"), "{refused:?}");
    let _: Conversation = ask(ana, Method::DELETE, &archive).await?;
    say(cal, group, "Open again").await?;
    Ok(())
}
