//! Somebody whose network lets no WebSocket through.

use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use tertulia_client::EventStream;
use tertulia_contracts::{
    ConversationId,
    frames::ServerFrame,
    messaging::{ConversationKind, PostMessage},
};
use tokio::time::timeout;
use ulid::Ulid;

use crate::{
    journal::Journal,
    person::{PATIENCE, Person},
    system::System,
};

const MISSED: usize = 150;

/// Bea hears what Ana posts the moment it is posted; her stream is cut; she comes back through the other gateway with
/// the last id alone and has missed nothing and hears nothing twice.
pub(super) async fn heard_and_resumed(system: &System) -> Result<()> {
    let journal = Arc::new(Journal::default());
    let ana = Person::sign_up(system, 0, "ana", &journal).await?;
    let bea = Person::sign_up(system, 0, "bea", &journal).await?;
    let chat = ana.start(ConversationKind::Group, &[&bea]).await?;
    let query = format!("open={chat}");
    let mut stream = EventStream::open(&bea.api, &query, None).await.context("opening a stream")?;
    let first = until_opened(&mut stream, chat).await?.1 + 1;
    for n in 0..3 {
        say(&ana, chat, &format!("live {n}")).await?;
        let heard = hear(&mut stream).await?;
        ensure!(matches!(heard, ServerFrame::Event { seq, .. } if seq == first + n), "{heard:?}");
    }
    let id = stream.reader.last_id.clone().context("what moves the stream has an id")?;
    drop(stream);

    for n in 0..MISSED {
        say(&ana, chat, &format!("missed {n}")).await?;
    }
    let elsewhere = bea.api.at(&system.gateways_from(1)[0]);
    let mut stream = EventStream::open(&elsewhere, &query, Some(&id)).await.context("coming back")?;
    let (told, newest) = until_opened(&mut stream, chat).await?;
    let missed: Vec<u64> = (first + 3..first + 3 + MISSED as u64).collect();
    ensure!(told == missed && Some(&newest) == missed.last(), "{told:?}, opened at {newest}");
    say(&ana, chat, "live again").await?;
    let heard = hear(&mut stream).await?;
    ensure!(matches!(heard, ServerFrame::Event { seq, .. } if seq == newest + 1), "{heard:?}");
    Ok(())
}

async fn say(person: &Person, chat: ConversationId, body: &str) -> Result<()> {
    let message = PostMessage::new(Ulid::generate(), body.to_owned());
    person.api.post(chat, &message).await?;
    Ok(())
}

/// The next frame that is not of the user's own log, which may speak at any moment.
async fn hear(stream: &mut EventStream) -> Result<ServerFrame> {
    loop {
        let heard = timeout(PATIENCE, stream.hear()).await.context("nothing is heard")?;
        match heard.context("the stream ended")?? {
            ServerFrame::User { .. } | ServerFrame::Ready { .. } => {}
            frame => return Ok(frame),
        }
    }
}

/// The positions told before the conversation is open, and its head.
async fn until_opened(stream: &mut EventStream, chat: ConversationId) -> Result<(Vec<u64>, u64)> {
    let mut seqs = Vec::new();
    loop {
        match hear(stream).await? {
            ServerFrame::Event { seq, .. } => seqs.push(seq),
            ServerFrame::Opened { c, head } if c == chat => return Ok((seqs, head)),
            other => bail!("{other:?}"),
        }
    }
}
