//! The relay between a service's outbox and the bus.
//!
//! Promises: every committed event is published at least once, whatever crashes; the first sight of the
//! events of one partition key is in the order they were committed; an event is forgotten only once the bus
//! has confirmed it. A commit nudges the relay, so an event usually leaves within a millisecond.
//!
//! Failures: while the bus (or the store) is away the relay tries the oldest event again with a growing
//! delay of at most [`MAX_DELAY`], for as long as it takes; what it could not publish before the process
//! ended is found by the next relay on the same store: at its start, or when it sweeps up what other handles
//! left behind.

mod stats;

use std::{sync::Arc, time::Duration};

pub use stats::RelayStats;
use tertulia_bus::Bus;
use tertulia_documents::{Documents, PendingScope};
use tertulia_runtime::{Ambient, Clock, Event};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The most events in hand at once.
const BATCH: usize = 128;
/// The delay after the first failure; it doubles from there.
const FIRST_DELAY: Duration = Duration::from_millis(50);
/// The longest delay between two attempts.
pub const MAX_DELAY: Duration = Duration::from_secs(5);
/// How old a pending event is when its writer is taken for dead, and how often the relay looks for such. One
/// published in error costs a duplicate, which every consumer expects.
pub const LEFT_BEHIND_AFTER: Duration = Duration::from_secs(10);
/// How long the last pass at shutdown may take: what it does not reach is left behind.
const LAST_PASS: Duration = Duration::from_secs(2);

/// Why an attempt failed.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("the outbox: {0}")]
    Documents(#[from] tertulia_documents::Error),
    #[error("the bus: {0}")]
    Bus(#[from] tertulia_bus::Error),
}

/// Publishes what a store has committed.
pub struct Relay {
    documents: Arc<dyn Documents>,
    bus: Arc<dyn Bus>,
    clock: Arc<dyn Clock>,
    stats: Arc<RelayStats>,
}

impl Relay {
    /// A relay from this store's outbox to this bus. One a store handle.
    pub fn new(documents: Arc<dyn Documents>, bus: Arc<dyn Bus>, ambient: &Ambient) -> Self {
        Self { documents, bus, clock: ambient.clock.clone(), stats: Arc::default() }
    }

    /// What it has done and how far it lags.
    pub fn stats(&self) -> Arc<RelayStats> {
        self.stats.clone()
    }

    /// Publishes until shutdown, then once more what is there by then.
    pub async fn run(&self, shutdown: CancellationToken) {
        tokio::select! {
            biased;
            () = shutdown.cancelled() => {}
            () = self.publish_for_ever() => {}
        }
        match tokio::time::timeout(LAST_PASS, self.publish_the_rest()).await {
            Ok(Ok(())) => {}
            Ok(Err(failure)) => tracing::warn!(%failure, "events are left for the next relay"),
            Err(_) => tracing::warn!("the last pass took too long; events are left for the next relay"),
        }
    }

    async fn publish_for_ever(&self) {
        let mut nudges = self.documents.committed();
        let mut pace = Pace::default();
        // What a process before this one left: that is dead, so there is no reason to wait.
        let mut left_behind = self.clock.now();
        let mut next_sweep = Instant::now();
        loop {
            if Instant::now() >= next_sweep {
                while self.step(PendingScope::LeftBehind(left_behind), &mut pace).await {}
                left_behind = self.clock.now();
                next_sweep = Instant::now() + LEFT_BEHIND_AFTER;
            }
            nudges.mark_unchanged();
            if !self.step(PendingScope::Mine, &mut pace).await {
                // Either a commit or the time of the next sweep ends the wait.
                let _ = tokio::time::timeout_at(next_sweep, nudges.changed()).await;
            }
        }
    }

    /// One attempt, with a rest after it if it failed. Answers whether there may be more.
    async fn step(&self, scope: PendingScope, pace: &mut Pace) -> bool {
        match self.publish_batch(scope, pace.limit).await {
            Ok(published) => {
                let more = published == pace.limit;
                pace.speed_up();
                more
            }
            Err(failure) => {
                self.stats.failed();
                let delay = pace.slow_down();
                tracing::warn!(%failure, ?delay, "events could not be published yet");
                tokio::time::sleep(delay).await;
                true
            }
        }
    }

    async fn publish_the_rest(&self) -> Result<(), Failure> {
        while self.publish_batch(PendingScope::Mine, BATCH).await? == BATCH {}
        Ok(())
    }

    /// Publishes the oldest events of the scope and forgets them once that is confirmed.
    async fn publish_batch(&self, scope: PendingScope, limit: usize) -> Result<usize, Failure> {
        let pending = self.documents.pending(scope, limit).await?;
        let Some(oldest) = pending.first() else {
            self.stats.nothing_waits();
            return Ok(0);
        };
        self.stats.waiting(pending.len(), self.clock.now().since(oldest.event.time));
        let (tokens, events): (Vec<String>, Vec<Event>) =
            pending.into_iter().map(|pending| (pending.token, pending.event)).unzip();
        self.bus.publish(&events).await?;
        self.documents.settle(&tokens).await?;
        self.stats.published(events.len());
        if events.len() < limit {
            self.stats.nothing_waits();
        }
        Ok(events.len())
    }
}

/// How many events an attempt takes and how long the rest after a failure is. After a failure the oldest
/// event goes alone, then two, four: a cheap probe of a bus that is away, and an event that the bus refuses
/// does not have the ones before it sent again and again.
struct Pace {
    limit: usize,
    delay: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { limit: BATCH, delay: FIRST_DELAY }
    }
}

impl Pace {
    fn speed_up(&mut self) {
        *self = Self { limit: (self.limit * 2).min(BATCH), delay: FIRST_DELAY };
    }

    /// The rest to take now.
    fn slow_down(&mut self) -> Duration {
        let delay = self.delay;
        *self = Self { limit: 1, delay: (delay * 2).min(MAX_DELAY) };
        delay
    }
}
