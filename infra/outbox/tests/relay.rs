//! The relay on a real file and a bus that can be cut off and that remembers what it was told.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use tempfile::TempDir;
use tertulia_bus::{
    Broadcast, Bus, Consumer, DeadLetter, DeadLetterId, Error, Handler, Listener, Subscription,
};
use tertulia_documents::{
    Documents, PendingScope, SqliteDocuments, Write,
    conformance::{COLLECTIONS, THINGS, event, thing},
};
use tertulia_outbox::{LEFT_BEHIND_AFTER, Relay};
use tertulia_runtime::{
    Ambient, Event, Timestamp,
    testkit::{eventually_true, frozen},
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const DEADLINE: Duration = Duration::from_secs(20);

/// Remembers the numbers of the events it confirmed, and of those it took without saying so.
#[derive(Default)]
struct RecordingBus {
    is_cut_off: AtomicBool,
    /// Takes the events and loses the confirm.
    is_deaf: AtomicBool,
    refuses: Mutex<Option<u64>>,
    told: Mutex<Vec<u64>>,
}

fn number(event: &Event) -> u64 {
    let data: serde_json::Value = serde_json::from_str(event.data.get()).unwrap();
    data["number"].as_u64().unwrap()
}

impl RecordingBus {
    fn told(&self) -> Vec<u64> {
        self.told.lock().unwrap().clone()
    }

    /// What was told, each at its first sight.
    fn first_sights(&self) -> Vec<u64> {
        let mut seen = std::collections::BTreeSet::new();
        self.told().into_iter().filter(|number| seen.insert(*number)).collect()
    }
}

fn away() -> Error {
    Error::Unavailable("cut off".to_owned())
}

#[async_trait]
impl Bus for RecordingBus {
    async fn publish(&self, events: &[Event]) -> Result<(), Error> {
        if self.is_cut_off.load(Ordering::SeqCst) {
            return Err(away());
        }
        let refused = *self.refuses.lock().unwrap();
        if events.iter().any(|event| Some(number(event)) == refused) {
            return Err(Error::Unroutable { topic: events[0].kind.clone() });
        }
        self.told.lock().unwrap().extend(events.iter().map(number));
        if self.is_deaf.load(Ordering::SeqCst) { Err(away()) } else { Ok(()) }
    }

    async fn subscribe(&self, _: Subscription, _: Arc<dyn Handler>) -> Result<Box<dyn Consumer>, Error> {
        Err(away())
    }

    async fn broadcast(&self, _: Broadcast) -> Result<(), Error> {
        Err(away())
    }

    async fn listen(&self) -> Result<Arc<dyn Listener>, Error> {
        Err(away())
    }

    async fn dead_letters(&self, _: &str, _: usize) -> Result<Vec<DeadLetter>, Error> {
        Err(away())
    }

    async fn replay(&self, _: &str, _: &DeadLetterId) -> Result<(), Error> {
        Err(away())
    }

    async fn drop_letter(&self, _: &str, _: &DeadLetterId) -> Result<(), Error> {
        Err(away())
    }

    async fn depths(&self) -> Result<Vec<(String, u64)>, Error> {
        Err(away())
    }

    async fn check(&self) -> Result<(), Error> {
        Ok(())
    }
}

struct Running {
    relay: Arc<Relay>,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

#[expect(clippy::disallowed_methods, reason = "the test is what supervises it")]
fn run(documents: &Arc<dyn Documents>, bus: &Arc<RecordingBus>, ambient: &Ambient) -> Running {
    let relay = Arc::new(Relay::new(documents.clone(), bus.clone(), ambient));
    let shutdown = CancellationToken::new();
    let (running, stop) = (relay.clone(), shutdown.clone());
    let task = tokio::spawn(async move { running.run(stop).await });
    Running { relay, shutdown, task }
}

impl Running {
    async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.unwrap();
    }
}

async fn open(path: &Path, ambient: &Ambient) -> Arc<dyn Documents> {
    Arc::new(SqliteDocuments::open(path, COLLECTIONS, ambient).await.unwrap())
}

async fn commit(documents: &Arc<dyn Documents>, ambient: &Ambient, numbers: impl IntoIterator<Item = u64>) {
    for number in numbers {
        let write = Write::Insert(thing(&number.to_string(), number));
        documents.commit(&THINGS, write, vec![event(ambient, number)]).await.unwrap();
    }
}

async fn is_settled(documents: &Arc<dyn Documents>) -> bool {
    let everything = PendingScope::LeftBehind(Timestamp::from_millis(i64::MAX));
    documents.pending(everything, 1).await.unwrap().is_empty()
}

async fn settled(documents: &Arc<dyn Documents>) {
    eventually_true(DEADLINE, || is_settled(documents)).await;
}

struct Fixture {
    folder: TempDir,
    ambient: Ambient,
    bus: Arc<RecordingBus>,
}

impl Fixture {
    fn new() -> Self {
        Self { folder: TempDir::new().unwrap(), ambient: Ambient::system(), bus: Arc::default() }
    }

    async fn open(&self) -> Arc<dyn Documents> {
        open(&self.folder.path().join("documents.db"), &self.ambient).await
    }
}

#[tokio::test]
async fn what_is_committed_is_published_once_and_in_order_and_then_forgotten() {
    let fixture = Fixture::new();
    let documents = fixture.open().await;
    let running = run(&documents, &fixture.bus, &fixture.ambient);
    commit(&documents, &fixture.ambient, 0..300).await;
    settled(&documents).await;
    assert_eq!(fixture.bus.told(), (0..300).collect::<Vec<_>>());
    eventually_true(DEADLINE, || async { running.relay.stats().published_total() == 300 }).await;
    eventually_true(DEADLINE, || async { running.relay.stats().oldest_age() == Duration::ZERO }).await;
    running.stop().await;
}

#[tokio::test]
async fn while_the_bus_is_away_nothing_is_lost_and_the_order_is_kept() {
    let fixture = Fixture::new();
    let documents = fixture.open().await;
    fixture.bus.is_cut_off.store(true, Ordering::SeqCst);
    let running = run(&documents, &fixture.bus, &fixture.ambient);
    commit(&documents, &fixture.ambient, 0..200).await;
    let stats = running.relay.stats();
    eventually_true(DEADLINE, || async { stats.failures_total() >= 3 && stats.waiting_at_least() > 0 }).await;
    assert!(fixture.bus.told().is_empty());
    fixture.bus.is_cut_off.store(false, Ordering::SeqCst);
    settled(&documents).await;
    assert_eq!(fixture.bus.told(), (0..200).collect::<Vec<_>>());
    running.stop().await;
}

#[tokio::test]
async fn a_lost_confirm_costs_a_duplicate_and_never_an_event() {
    let fixture = Fixture::new();
    let documents = fixture.open().await;
    fixture.bus.is_deaf.store(true, Ordering::SeqCst);
    let running = run(&documents, &fixture.bus, &fixture.ambient);
    commit(&documents, &fixture.ambient, 0..50).await;
    eventually_true(DEADLINE, || async { running.relay.stats().failures_total() >= 2 }).await;
    fixture.bus.is_deaf.store(false, Ordering::SeqCst);
    settled(&documents).await;
    assert!(fixture.bus.told().len() > 50, "the ones without a confirm came again");
    assert_eq!(fixture.bus.first_sights(), (0..50).collect::<Vec<_>>());
    running.stop().await;
}

#[tokio::test]
async fn an_event_that_the_bus_refuses_holds_up_only_what_comes_after() {
    let fixture = Fixture::new();
    let documents = fixture.open().await;
    *fixture.bus.refuses.lock().unwrap() = Some(30);
    commit(&documents, &fixture.ambient, 0..60).await;
    let running = run(&documents, &fixture.bus, &fixture.ambient);
    eventually_true(DEADLINE, || async { fixture.bus.told().len() == 30 }).await;
    let failures = running.relay.stats().failures_total();
    eventually_true(DEADLINE, || async { running.relay.stats().failures_total() > failures + 2 }).await;
    assert_eq!(fixture.bus.told(), (0..30).collect::<Vec<_>>(), "those before it are not sent again");
    *fixture.bus.refuses.lock().unwrap() = None;
    settled(&documents).await;
    assert_eq!(fixture.bus.told(), (0..60).collect::<Vec<_>>());
    running.stop().await;
}

#[tokio::test]
async fn what_a_dead_process_left_is_published_at_the_start_of_the_next() {
    let fixture = Fixture::new();
    let dead = fixture.open().await;
    commit(&dead, &fixture.ambient, 0..300).await;
    drop(dead);
    let documents = fixture.open().await;
    let running = run(&documents, &fixture.bus, &fixture.ambient);
    settled(&documents).await;
    assert_eq!(fixture.bus.told(), (0..300).collect::<Vec<_>>());
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_another_handle_leaves_later_is_swept_up() {
    let (ambient, clock) = frozen(1);
    let fixture = Fixture { ambient, ..Fixture::new() };
    let documents = fixture.open().await;
    let running = run(&documents, &fixture.bus, &fixture.ambient);
    let dead = fixture.open().await;
    commit(&dead, &fixture.ambient, 0..3).await;
    drop(dead);
    clock.advance(LEFT_BEHIND_AFTER * 2);
    // Tokio's time is paused, so waiting for two sweeps takes no time.
    eventually_true(LEFT_BEHIND_AFTER * 4, async || fixture.bus.told().len() == 3).await;
    running.stop().await;
}

#[tokio::test]
async fn a_relay_that_is_told_to_stop_publishes_what_is_there() {
    let fixture = Fixture::new();
    let documents = fixture.open().await;
    commit(&documents, &fixture.ambient, 0..200).await;
    let running = run(&documents, &fixture.bus, &fixture.ambient);
    running.stop().await;
    assert_eq!(fixture.bus.first_sights(), (0..200).collect::<Vec<_>>());
    assert!(is_settled(&documents).await);
}
