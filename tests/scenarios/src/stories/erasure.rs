//! Somebody erases their account, and it is as if they had never written.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tertulia_client::{Api, ApiError, SocketError};
use tertulia_contracts::{
    ConversationId,
    auth::{Erasure, ErasureStarted},
    messaging::{ConversationKind, Fact, MAX_PAGE, MemberRole, Members, PostMessage},
};
use tertulia_runtime::testkit::{eventually, eventually_true};
use tokio::time::timeout;
use ulid::Ulid;

use crate::{
    journal::Journal,
    person::{PATIENCE, Person},
    system::System,
};

const WORDS: &str = "what nobody is to read any more";

/// Ana owns a group with Ben and writes to him. She erases her account through one gateway, while every process that could
/// go on with it dies: no gateway lets her in, her socket is closed, what she wrote is gone at all gateways, the group is Ben's,
/// nobody gets her name, and the receipt shows that every service has forgotten her.
pub(super) async fn forgotten_by_every_service(system: &mut System) -> Result<()> {
    let journal: Arc<Journal> = Arc::default();
    let ana = Person::sign_up(system, 0, "ana", &journal).await?;
    let ben = Person::sign_up(system, 1, "ben", &journal).await?;
    let group = ana.start(ConversationKind::Group, &[&ben]).await?;
    let direct = ana.start(ConversationKind::Direct, &[&ben]).await?;
    for conversation in [group, direct] {
        for n in 0..3 {
            let message = PostMessage::new(Ulid::generate(), format!("{WORDS} {n}"));
            ana.api.post(conversation, &message).await.context("writing")?;
        }
        ben.api.post(conversation, &PostMessage::new(Ulid::generate(), "stays".to_owned())).await?;
    }
    let (mut socket, _ready) = ana.api.hello(None).await?;
    let started: ErasureStarted =
        ana.api.send::<(), _>(Method::DELETE, "/v1/me", None).await.context("erasing")?;
    ensure!(started.erasure.completed_at.is_none() && !started.receipt.is_empty(), "{started:?}");
    system.kill_and_start_again(|name| name == "tertulia" || name.starts_with("messaging")).await?;

    let closed = async {
        loop {
            if let Err(error) = socket.hear().await {
                return error;
            }
        }
    };
    // With the one program all sockets died.
    let _: SocketError = timeout(PATIENCE, closed).await.context("the socket stays open")?;
    let gateways = ana.gateways.iter().map(|gateway| system.stranger(gateway));
    let gateways: Vec<Api> = gateways.collect::<Result<_>>()?;
    let handle = &ana.account.handle;
    for gateway in &gateways {
        is_out(&gateway.with_token(&ana.api.token())).await;
        let wish = json!({"handle": handle, "password": "another horse battery staple"});
        let taken = gateway.send::<_, Value>(Method::POST, "/v1/accounts", Some(&wish)).await;
        ensure!(taken.as_ref().err().and_then(ApiError::code) == Some("handle_taken"), "{taken:?}");
    }
    let receipt = json!({"receipt": started.receipt});
    let report = async || {
        let report = gateways[0].send::<_, Erasure>(Method::POST, "/v1/erasures/report", Some(&receipt));
        report.await.ok().filter(|report| report.completed_at.is_some())
    };
    let report = eventually(PATIENCE, report).await;
    let messages = report.services.iter().find_map(|done| done.removed.get("messages"));
    ensure!(messages.is_some_and(|removed| *removed <= 6) && report.waiting_for.is_empty(), "{report:?}");
    for gateway in &gateways {
        let ben = gateway.with_token(&ben.api.token());
        for conversation in [group, direct] {
            is_as_if_never_written(&ben, conversation, &ana).await?;
        }
        let path = format!("/v1/conversations/{group}/members");
        let members: Members = ben.send::<(), _>(Method::GET, &path, None).await?;
        ensure!(members.items.len() == 1 && members.items[0].role == MemberRole::Owner, "{members:?}");
        let profile = format!("/v1/users/{}", ana.id());
        let profile = ben.send::<(), Value>(Method::GET, &profile, None).await;
        ensure!(profile.as_ref().err().and_then(ApiError::code) == Some("user_not_found"), "{profile:?}");
    }
    Ok(())
}

/// Waits until this gateway lets nobody in by that token.
async fn is_out(api: &Api) {
    let refused = async || match api.conversations().await {
        Err(ApiError::Refused { status, .. }) => status == StatusCode::UNAUTHORIZED,
        _ => false,
    };
    eventually_true(PATIENCE, refused).await;
}

async fn is_as_if_never_written(ben: &Api, conversation: ConversationId, ana: &Person) -> Result<()> {
    let log = ben.log(conversation, 0, MAX_PAGE).await?;
    let text = serde_json::to_string(&log)?;
    ensure!(!text.contains(WORDS) && text.contains("stays"), "{text}");
    let deleted =
        log.items.iter().filter(|it| matches!(it.e, Fact::MessageDeleted { by, .. } if by == ana.id()));
    ensure!(deleted.count() == 3, "each once: {text}");
    Ok(())
}
