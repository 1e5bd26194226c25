//! People who talk as fast as they are acknowledged while something happens to the product, and what must be true
//! after it: nothing acknowledged is lost, nothing stands or is shown twice, nothing is out of order.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use anyhow::{Result, ensure};
use futures_util::future::{BoxFuture, try_join_all};
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

/// What happens meanwhile.
pub(super) type Meanwhile = for<'a> fn(&'a mut System, &'a Journal) -> BoxFuture<'a, Result<()>>;

/// Has people talk meanwhile, and judges.
pub(super) async fn talk_through(name: &str, meanwhile: Meanwhile, system: &mut System) -> Result<()> {
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
    let troubled = async {
        more_is_acked(&journal).await;
        let outcome = meanwhile(system, &journal).await;
        enough.store(true, Ordering::Relaxed);
        outcome
    };
    let (said, ()) = tokio::try_join!(talk, troubled)?;
    let total: usize = said.iter().sum();
    for client in &online {
        client.was_shown(total).await;
    }
    let readers: Vec<&Person> = people.iter().collect();
    let log = people[0].final_log(chat, &readers).await?;
    let verdict = journal.judge(&log);
    println!("{name}, {:?}: {total} messages acknowledged; {}", system.topology, verdict.counts());
    ensure!(
        log.messages.len() >= total,
        "{} stand in the log, {total} were acknowledged",
        log.messages.len()
    );
    ensure!(verdict.is_clean(), "{verdict:#?}");
    Ok(())
}

/// Waits until the crowd has talked on.
pub(super) async fn more_is_acked(journal: &Journal) {
    let goal = journal.acked_count() + BETWEEN_BLOWS;
    eventually_true(PATIENCE, async || journal.acked_count() >= goal).await;
}

async fn talk(client: &Online, chat: ConversationId, enough: &AtomicBool) -> Result<usize> {
    let mut said = 0;
    while !enough.load(Ordering::Relaxed) {
        client.say(chat, &format!("word {said}")).await?;
        said += 1;
    }
    Ok(said)
}
