//! Every process is killed with -9, one after the other, while people talk.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;
use tertulia_contracts::{ConversationId, messaging::ConversationKind};
use tertulia_runtime::testkit::eventually_true;

use crate::{
    journal::Journal,
    person::{Online, PATIENCE, Person},
    system::System,
};

const PEOPLE: usize = 4;
/// How much must be acknowledged between two blows, so that each falls under load.
const BETWEEN_BLOWS: usize = 40;

/// Four people write as fast as they are acknowledged; each process is killed and started again; nothing
/// acknowledged is lost, nothing stands or is shown twice, nothing is out of order.
pub(super) async fn each_process_under_load(system: &mut System) -> Result<()> {
    let journal = Arc::new(Journal::default());
    let mut people = Vec::new();
    for n in 0..PEOPLE {
        people.push(Person::sign_up(system, n, "talker", &journal).await?);
    }
    let others: Vec<&Person> = people.iter().skip(1).collect();
    let chat = people[0].start(ConversationKind::Group, &others).await?;
    let online: Vec<Online> = people.iter().map(Person::come_online).collect();
    for client in &online {
        client.session.open(chat, Some(0)).await;
    }
    let enough = AtomicBool::new(false);
    let talk = try_join_all(online.iter().map(|client| talk(client, chat, &enough)));
    let blows = async {
        let outcome = strike_each(system, &journal).await;
        enough.store(true, Ordering::Relaxed);
        outcome
    };
    let (said, ()) = tokio::try_join!(talk, blows)?;
    let total: usize = said.iter().sum();
    for client in &online {
        client.was_shown(total).await;
    }
    let readers: Vec<&Person> = people.iter().collect();
    let log = people[0].final_log(chat, &readers).await?;
    let verdict = journal.judge(&log);
    println!(
        "kill -9 of each process, {:?}: {total} messages acknowledged; {}",
        system.topology,
        verdict.counts()
    );
    ensure!(
        log.messages.len() >= total,
        "{} stand in the log, {total} were acknowledged",
        log.messages.len()
    );
    ensure!(verdict.is_clean(), "{verdict:#?}");
    Ok(())
}

async fn talk(client: &Online, chat: ConversationId, enough: &AtomicBool) -> Result<usize> {
    let mut said = 0;
    while !enough.load(Ordering::Relaxed) {
        client.say(chat, &format!("word {said}")).await?;
        said += 1;
    }
    Ok(said)
}

async fn strike_each(system: &mut System, journal: &Journal) -> Result<()> {
    let names: Vec<String> = system.processes.keys().cloned().collect();
    ensure!(!names.is_empty(), "there is nothing to kill");
    more_was_acked(journal).await;
    for name in names {
        let process = system.process(&name)?;
        process.kill().await.with_context(|| format!("killing {name}"))?;
        process.start_again().await.with_context(|| format!("starting {name} again"))?;
        more_was_acked(journal).await;
    }
    Ok(())
}

async fn more_was_acked(journal: &Journal) {
    let goal = journal.acked_count() + BETWEEN_BLOWS;
    eventually_true(PATIENCE, async || journal.acked_count() >= goal).await;
}
