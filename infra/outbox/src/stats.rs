//! What a relay has done and how far it lags: for metrics, readiness and the doctor.

use std::time::Duration;

use tertulia_runtime::metrics::{Counter, Gauge, Metrics};

/// Counters of a relay. Cheap to read at any time.
#[derive(Debug, Default)]
pub struct RelayStats {
    published: Counter,
    failures: Counter,
    waiting: Gauge,
    oldest_age_ms: Gauge,
}

impl RelayStats {
    /// Shows them on the metrics page, under the prefix of the service whose outbox it is.
    pub fn show_on(&self, metrics: &Metrics) {
        let metrics = metrics.sub("outbox");
        metrics.metric("published", "Events that the bus has confirmed", || self.published.clone());
        metrics.metric("failures", "Attempts to publish that failed", || self.failures.clone());
        metrics.metric("waiting", "Events that wait, of one batch at most", || self.waiting.clone());
        metrics.metric("oldest_age_ms", "Age of the oldest event that waits", || self.oldest_age_ms.clone());
    }

    /// How many events the bus has confirmed.
    pub fn published_total(&self) -> u64 {
        self.published.get()
    }

    /// How many attempts failed.
    pub fn failures_total(&self) -> u64 {
        self.failures.get()
    }

    /// How many events wait, as far as the relay has looked: at most one batch.
    pub fn waiting_at_least(&self) -> u64 {
        self.waiting.get().unsigned_abs()
    }

    /// The age of the oldest event that waits; zero when none does.
    pub fn oldest_age(&self) -> Duration {
        Duration::from_millis(self.oldest_age_ms.get().unsigned_abs())
    }

    pub(crate) fn published(&self, events: usize) {
        self.published.inc_by(events as u64);
    }

    pub(crate) fn failed(&self) {
        self.failures.inc();
    }

    pub(crate) fn waiting(&self, events: usize, oldest_age: Duration) {
        self.waiting.set(i64::try_from(events).unwrap_or(i64::MAX));
        self.oldest_age_ms.set(i64::try_from(oldest_age.as_millis()).unwrap_or(i64::MAX));
    }

    pub(crate) fn nothing_waits(&self) {
        self.waiting(0, Duration::ZERO);
    }
}
