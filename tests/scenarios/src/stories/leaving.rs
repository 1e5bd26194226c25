//! A gateway is stopped in good order while people are connected through it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use tertulia_client::EventStream;
use tertulia_contracts::messaging::ConversationKind;

use crate::{
    journal::Journal,
    person::{PATIENCE, Person},
    system::System,
};

const BEFORE: usize = 5;
/// Well within the time after which a process drops whatever is late.
const IN_GOOD_ORDER: Duration = Duration::from_secs(15);

/// Bea listens through a gateway by socket and by stream; it is told to stop, and stops without waiting for what
/// would never end; her client goes on elsewhere, or there when it is back, and misses nothing.
pub(super) async fn a_gateway_stops(system: &mut System) -> Result<()> {
    let journal = Arc::new(Journal::default());
    // The first gateway is the first one's: see `System`.
    let name = if system.processes.contains_key("gateway-1") { "gateway-1" } else { "tertulia" };
    let ana = Person::sign_up(system, 1, "ana", &journal).await?;
    let bea = Person::sign_up(system, 0, "bea", &journal).await?;
    let chat = ana.start(ConversationKind::Group, &[&bea]).await?;
    let (writer, reader) = (ana.come_online(), bea.come_online());
    writer.session.open(chat, Some(0)).await;
    reader.session.open(chat, Some(0)).await;
    let mut stream = EventStream::open(&bea.api, &format!("open={chat}"), None).await?;
    for n in 0..BEFORE {
        writer.say(chat, &format!("before {n}")).await?;
    }
    reader.was_shown(BEFORE).await;

    let began = Instant::now();
    let process = system.process(name)?;
    let ends = async {
        while stream.next().await.is_some() {}
        Ok(())
    };
    let ends = async { tokio::time::timeout(PATIENCE, ends).await.context("the stream goes on")? };
    tokio::try_join!(process.stop(), ends)?;
    let took = began.elapsed();
    ensure!(took < IN_GOOD_ORDER, "{name} took {took:?} to stop");
    process.start_again().await?;

    writer.say(chat, "and on").await?;
    reader.was_shown(BEFORE + 1).await;
    let verdict = journal.judge(&ana.final_log(chat, &[&bea]).await?);
    ensure!(verdict.is_clean(), "{verdict:?}");
    Ok(())
}
