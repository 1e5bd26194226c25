//! The operator keeps somebody out for a while.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use http::Method;
use serde_json::{Value, json};
use tertulia_client::{Api, ApiError, Socket, SocketError};
use tertulia_contracts::{
    auth::{AuditEntries, AuditVerification, Bot, CreateBot, CreateToken, IssuedToken},
    identity::Scope,
};
use tertulia_runtime::testkit::eventually_true;
use tokio::time::timeout;

use crate::{
    journal::Journal,
    person::{PATIENCE, Person},
    system::System,
};

const PASSWORD: &str = "correct horse battery staple";

/// Ana is online, and so is her bot. She is suspended: her socket and the bot's are closed, at no gateway is her token, her
/// password or the bot's token good, and whoever knows her password is told why. She is given her account back: she signs in
/// anew, and the bot goes on with the token it has. Both deeds stand in the audit trail, which is whole.
pub(super) async fn suspended_everywhere_and_given_back(system: &System) -> Result<()> {
    let journal: Arc<Journal> = Arc::default();
    let operator = system.operator().await?;
    let ana = Person::sign_up(system, 0, "ana", &journal).await?;
    let wish =
        CreateBot { handle: format!("bot-{}", system.next_number()), display_name: Some("Bot".to_owned()) };
    let bot: Bot = ana.api.send(Method::POST, "/v1/bots", Some(&wish)).await.context("making a bot")?;
    let wish = CreateToken {
        name: "A program".to_owned(),
        scopes: vec![Scope::Read],
        bot_id: Some(bot.id),
        expires_at: None,
    };
    let issued: IssuedToken = ana.api.send(Method::POST, "/v1/tokens", Some(&wish)).await?;
    let gateways: Vec<Api> =
        ana.gateways.iter().map(|gateway| system.stranger(gateway)).collect::<Result<_>>()?;
    let faces = |token: &str| gateways.iter().map(|gateway| gateway.with_token(token)).collect::<Vec<Api>>();
    let (anas, bots) = (faces(&ana.api.token()), faces(&issued.token));
    for face in anas.iter().chain(&bots) {
        face.conversations().await.context("before anything happened")?;
    }
    let (anas_socket, _) = ana.api.hello(None).await?;
    let (bots_socket, _) = bots[1 % bots.len()].hello(None).await?;

    let path = format!("/v1/operator/accounts/{}/suspension", ana.id());
    let _: Value = operator.send(Method::PUT, &path, Some(&json!({"reason": "Spam."}))).await?;
    for socket in [anas_socket, bots_socket] {
        let closed = timeout(PATIENCE, end_of(socket)).await.context("a socket stays open")?;
        ensure!(matches!(&closed, SocketError::Closed(closed) if closed.code == 4001), "{closed}");
    }
    for face in anas.iter().chain(&bots) {
        let is_out = async || face.conversations().await.is_err_and(|error| error.code().is_some());
        eventually_true(PATIENCE, is_out).await;
    }
    for gateway in &gateways {
        match gateway.sign_in(&ana.account.handle, PASSWORD).await {
            Err(ApiError::Refused { code, detail, .. }) if code == "account_suspended" => {
                ensure!(detail.contains("Spam."), "{detail}");
            }
            other => anyhow::bail!("signing in: {other:?}"),
        }
    }
    let _: Value = operator.send::<(), _>(Method::DELETE, &path, None).await.context("giving it back")?;
    for (gateway, bot) in gateways.iter().zip(&bots) {
        gateway.sign_in(&ana.account.handle, PASSWORD).await.context("signing in again")?;
        eventually_true(PATIENCE, async || bot.conversations().await.is_ok()).await;
    }
    let trail = format!("/v1/operator/audit?subject={}", ana.id());
    let noted = async || {
        let page = operator.send::<(), AuditEntries>(Method::GET, &trail, None).await;
        let kinds: Vec<String> =
            page.map(|page| page.items.into_iter().map(|entry| entry.kind).collect()).unwrap_or_default();
        ["account.suspended", "account.restored"].iter().all(|kind| kinds.iter().any(|noted| noted == kind))
    };
    eventually_true(PATIENCE, noted).await;
    let whole: AuditVerification =
        operator.send::<(), _>(Method::GET, "/v1/operator/audit/verification", None).await?;
    ensure!(whole.complete && whole.broken.is_none(), "{whole:?}");
    Ok(())
}

async fn end_of(
    mut socket: Socket<impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin>,
) -> SocketError {
    loop {
        if let Err(error) = socket.hear().await {
            return error;
        }
    }
}
