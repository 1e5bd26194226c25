//! A program takes part with a token of its own.

use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use http::{Method, StatusCode};
use serde_json::json;
use tertulia_client::{Api, ApiError, Closed, Socket, SocketError};
use tertulia_contracts::{
    ConversationId,
    auth::{Bot, CreateBot, CreateToken, IssuedToken, User},
    frames::{ClientFrame, ServerFrame},
    identity::Scope,
    messaging::{ConversationKind, ExportLine, IssuedHook, MAX_PAGE, PostMessage},
};
use tertulia_runtime::testkit::eventually_true;
use tokio::time::timeout;
use ulid::Ulid;

use crate::{
    journal::Journal,
    person::{PATIENCE, Person, bodies},
    system::System,
};

/// Ana's bot hears by its socket, at another gateway, what Bea asks, and answers as itself. Ana takes its token back: the
/// socket closes with 4001, and the token is good at no gateway any more.
pub(super) async fn a_bot_answers_until_its_token_is_revoked(system: &System) -> Result<()> {
    let journal = Arc::new(Journal::default());
    let ana = Person::sign_up(system, 0, "ana", &journal).await?;
    let bea = Person::sign_up(system, 0, "bea", &journal).await?;
    let chat = ana.start(ConversationKind::Group, &[&bea]).await?;
    let (bot, issued) = make_bot(&ana).await?;
    ana.api.put_member(chat, bot.id).await.context("letting the bot in")?;
    let shown: User = bea.api.send::<(), _>(Method::GET, &format!("/v1/users/{}", bot.id), None).await?;
    ensure!(shown.bot_of == Some(ana.id()), "others see whose bot it is: {shown:?}");

    let there = &ana.gateways[1 % ana.gateways.len()];
    let (mut socket, _ready) = ana.api.at(there).with_token(&issued.token).hello(None).await?;
    socket.say(&ClientFrame::Open { c: chat, after: Some(0) }).await?;
    let online = bea.come_online();
    online.say(chat, "!weather").await?;
    timeout(PATIENCE, answer(&mut socket, chat)).await.context("nothing was heard")??;
    let log = bea.api.messages(chat, 0, MAX_PAGE).await?.items;
    ensure!(bodies(&log) == ["!weather", "Sunny."], "{log:?}");
    ensure!(log[1].author_id == bot.id, "it speaks as itself: {log:?}");

    let faces: Vec<_> =
        ana.gateways.iter().map(|gateway| ana.api.at(gateway).with_token(&issued.token)).collect();
    for face in &faces {
        face.conversation(chat).await.context("the bot's token is good")?;
    }
    let path = format!("/v1/tokens/{}", issued.api_token.id);
    let _: serde_json::Value =
        ana.api.send::<(), _>(Method::DELETE, &path, None).await.context("revoking")?;
    let closed = timeout(PATIENCE, end_of(&mut socket)).await.context("the socket stays open")??;
    ensure!(closed.code == 4001, "{closed:?}");
    for face in &faces {
        let is_out = async || face.conversation(chat).await.is_err_and(|error| is_unauthorized(&error));
        eventually_true(PATIENCE, is_out).await;
    }
    Ok(())
}

/// How many messages there are: more than the parts in which a file is written.
const MANY: usize = 120;

/// A program posts at one gateway through a hook that was made at another; what it posted and all that was said before is in
/// the file that Ana takes along, whole. Then the hook is ended, and nothing comes through it at any gateway.
pub(super) async fn a_hook_posts_and_the_export_holds_it(system: &System) -> Result<()> {
    let journal = Arc::new(Journal::default());
    let ana = Person::sign_up(system, 0, "ana", &journal).await?;
    let chat = ana.start(ConversationKind::Group, &[]).await?;
    for number in 0..MANY {
        let post = PostMessage::new(Ulid::generate(), format!("Number {number}"));
        ana.api.post(chat, &post).await.context("posting")?;
    }
    let path = format!("/v1/conversations/{chat}/hooks");
    let hook: IssuedHook = ana.api.send(Method::POST, &path, Some(&json!({"name": "CI"}))).await?;
    // Whoever posts through it signs in nowhere.
    let programs: Vec<Api> =
        ana.gateways.iter().map(|gateway| system.stranger(gateway)).collect::<Result<_>>()?;
    let payload = json!({"text": "*Build 7* failed"});
    for program in &programs {
        let answer = program.send_for_text(Method::POST, &hook.path, Some(&payload)).await?;
        ensure!(answer == "ok", "{answer}");
    }

    let file = format!("/v1/conversations/{chat}/export");
    let lines = ana.api.send_for_text::<()>(Method::GET, &file, None).await.context("exporting")?;
    let lines: Vec<ExportLine> = lines.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let count = MANY + programs.len();
    ensure!(lines.len() == 1 + 1 + count + 1, "{} lines", lines.len());
    ensure!(lines.last() == Some(&ExportLine::End { messages: count as u64 }), "{:?}", lines.last());
    let through = lines.iter().filter(|line| match line {
        ExportLine::Message(line) => {
            let via = line.message.via.as_ref().is_some_and(|via| via.hook_id == hook.hook.id);
            via && line.message.body == "**Build 7** failed" && line.message.author_id != ana.id()
        }
        _ => false,
    });
    ensure!(through.count() == programs.len(), "what came through the hook is the hook's");
    let page = ana.api.send_for_text::<()>(Method::GET, &format!("{file}?format=html"), None).await?;
    ensure!(page.contains("<strong>Build 7</strong>") && page.ends_with("</html>\n"), "{page}");

    let _: serde_json::Value =
        ana.api.send::<(), _>(Method::DELETE, &format!("{path}/{}", hook.hook.id), None).await?;
    for program in &programs {
        let refused = program.send_for_text(Method::POST, &hook.path, Some(&payload)).await.err();
        let gone =
            matches!(&refused, Some(ApiError::Refused { status, .. }) if *status == StatusCode::NOT_FOUND);
        ensure!(gone, "{refused:?}");
    }
    Ok(())
}

async fn make_bot(ana: &Person) -> Result<(Bot, IssuedToken)> {
    let wish = CreateBot { handle: format!("bot-{}", ana.account.handle), display_name: None };
    let bot: Bot = ana.api.send(Method::POST, "/v1/bots", Some(&wish)).await.context("making a bot")?;
    let wish = CreateToken {
        name: "A story".to_owned(),
        scopes: vec![Scope::Read, Scope::Write],
        bot_id: Some(bot.id),
        expires_at: None,
    };
    let issued = ana.api.send(Method::POST, "/v1/tokens", Some(&wish)).await.context("making a token")?;
    Ok((bot, issued))
}

/// What the bot does: it waits to be asked, and answers once.
async fn answer(socket: &mut Socket, chat: ConversationId) -> Result<()> {
    loop {
        match socket.hear().await? {
            ServerFrame::Event { e, .. } if e.get().contains("!weather") => {
                let (reference, client_id) = ("1".to_owned(), Ulid::generate());
                let body = "Sunny.".to_owned();
                let send = ClientFrame::Send {
                    reference,
                    c: chat,
                    client_id,
                    body,
                    reply_to: None,
                    thread_id: None,
                    silent: false,
                };
                socket.say(&send).await?;
            }
            ServerFrame::Ack { .. } => return Ok(()),
            ServerFrame::Error { code, detail, .. } => bail!("{code}: {detail}"),
            _ => {}
        }
    }
}

async fn end_of(socket: &mut Socket) -> Result<Closed> {
    loop {
        match socket.hear().await {
            Ok(_) => {}
            Err(SocketError::Closed(closed)) => return Ok(closed),
            Err(error) => return Err(error.into()),
        }
    }
}

fn is_unauthorized(error: &ApiError) -> bool {
    matches!(error, ApiError::Refused { status, .. } if *status == StatusCode::UNAUTHORIZED)
}
