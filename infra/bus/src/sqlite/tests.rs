//! What only this adapter promises.

use std::{path::Path, time::Duration};

use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use tertulia_runtime::{
    EventBody,
    testkit::{eventually, eventually_true, frozen},
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::*;
use crate::{Group, Outcome, RetryPolicy};

const PATIENCE: Duration = Duration::from_secs(20);
const HOUR: Duration = Duration::from_hours(1);
const TOPOLOGY: Topology =
    Topology { topics: &[Noted::TYPE], groups: &[Group { name: "readers", topics: &[Noted::TYPE] }] };

#[derive(Serialize, Deserialize)]
struct Noted;

impl EventBody for Noted {
    const TYPE: &'static str = "noted";
    fn partition_key(&self) -> String {
        "key".to_owned()
    }
}

/// Answers the same each time and tells of each call.
struct Answering(Outcome, UnboundedSender<()>);

#[async_trait]
impl Handler for Answering {
    async fn handle(&self, _: &Event) -> Outcome {
        self.1.send(()).unwrap();
        self.0.clone()
    }
}

fn answering(outcome: Outcome) -> (Arc<Answering>, UnboundedReceiver<()>) {
    let (calls, called) = unbounded_channel();
    (Arc::new(Answering(outcome, calls)), called)
}

fn patiently(attempts: u32) -> Subscription {
    let retry = RetryPolicy { attempts, first_delay: HOUR, max_delay: HOUR };
    Subscription { group: "readers", prefetch: 4, retry }
}

fn count(path: &Path, condition: &str) -> i64 {
    let file = Connection::open(path).unwrap();
    file.query_row(&format!("SELECT count(*) FROM queue WHERE {condition}"), [], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn a_file_of_a_newer_release_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bus.db");
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let refused = SqliteBus::open(&path, TOPOLOGY, frozen(1).0).await.err();
    assert!(matches!(refused, Some(Error::NewerSchema { found: 99, known: 1 })), "{refused:?}");
    let nowhere = SqliteBus::open(&folder.path().join("none/bus.db"), TOPOLOGY, frozen(1).0).await.err();
    assert!(matches!(nowhere, Some(Error::Unavailable(_))), "{nowhere:?}");
}

#[tokio::test]
async fn attempts_and_their_delays_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bus.db");
    let (ambient, clock) = frozen(1);
    let bus = SqliteBus::open(&path, TOPOLOGY, ambient.clone()).await.unwrap();
    let (failing, mut calls) = answering(Outcome::Retry("not now".to_owned()));
    let consumer = bus.subscribe(patiently(2), failing.clone()).await.unwrap();
    bus.publish(&[Event::new(&ambient, "/test", &Noted)]).await.unwrap();
    calls.recv().await.unwrap();
    eventually_true(PATIENCE, async || count(&path, "failed = 1") == 1).await;
    drop((consumer, bus));

    // Half of the delay is over: it is in hand, and waits.
    clock.advance(HOUR / 2);
    let bus = SqliteBus::open(&path, TOPOLOGY, ambient.clone()).await.unwrap();
    let consumer = bus.subscribe(patiently(2), failing.clone()).await.unwrap();
    eventually_true(PATIENCE, async || bus.depths().await.unwrap()[0].1 == 0).await;
    assert!(calls.try_recv().is_err(), "it was tried before its time");
    drop((consumer, bus));

    clock.advance(HOUR);
    let bus = SqliteBus::open(&path, TOPOLOGY, ambient).await.unwrap();
    let _consumer = bus.subscribe(patiently(2), failing).await.unwrap();
    let letter = eventually(PATIENCE, async || bus.dead_letters("readers", 9).await.unwrap().pop()).await;
    assert_eq!((letter.attempts, letter.at), (2, clock_now(&clock)));
}

fn clock_now(clock: &tertulia_runtime::testkit::FrozenClock) -> tertulia_runtime::Timestamp {
    tertulia_runtime::Clock::now(clock)
}

#[tokio::test]
async fn what_was_settled_while_the_file_could_not_be_written_is_written_later() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bus.db");
    let (ambient, _) = frozen(1);
    let bus = SqliteBus::open(&path, TOPOLOGY, ambient.clone()).await.unwrap();
    let note = Event::new(&ambient, "/test", &Noted);
    bus.publish(&[note.clone(), Event::new(&ambient, "/test", &Noted)]).await.unwrap();
    let meddler = Connection::open(&path).unwrap();
    meddler.execute_batch("BEGIN IMMEDIATE").unwrap();
    let (content, mut calls) = answering(Outcome::Done);
    let _consumer = bus.subscribe(patiently(2), content).await.unwrap();
    calls.recv().await.unwrap();
    let refused = bus.publish(&[note]).await;
    assert!(matches!(refused, Err(Error::Unavailable(_))), "{refused:?}");
    assert!(calls.try_recv().is_err(), "events were given out while settlements could not be kept");
    meddler.execute_batch("ROLLBACK").unwrap();
    calls.recv().await.unwrap();
    eventually_true(PATIENCE, async || count(&path, "true") == 0).await;
}
