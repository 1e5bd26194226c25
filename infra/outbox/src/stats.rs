//! What a relay has done and how far it lags: for metrics, readiness and the doctor.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// Counters of a relay. Cheap to read at any time.
#[derive(Debug, Default)]
pub struct RelayStats {
    published: AtomicU64,
    failures: AtomicU64,
    waiting: AtomicU64,
    oldest_age_ms: AtomicU64,
}

impl RelayStats {
    /// How many events the bus has confirmed.
    pub fn published_total(&self) -> u64 {
        self.published.load(Ordering::Relaxed)
    }

    /// How many attempts failed.
    pub fn failures_total(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// How many events wait, as far as the relay has looked: at most one batch.
    pub fn waiting_at_least(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// The age of the oldest event that waits; zero when none does.
    pub fn oldest_age(&self) -> Duration {
        Duration::from_millis(self.oldest_age_ms.load(Ordering::Relaxed))
    }

    pub(crate) fn published(&self, events: usize) {
        self.published.fetch_add(events as u64, Ordering::Relaxed);
    }

    pub(crate) fn failed(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn waiting(&self, events: usize, oldest_age: Duration) {
        let oldest_age_ms = u64::try_from(oldest_age.as_millis()).unwrap_or(u64::MAX);
        self.waiting.store(events as u64, Ordering::Relaxed);
        self.oldest_age_ms.store(oldest_age_ms, Ordering::Relaxed);
    }

    pub(crate) fn nothing_waits(&self) {
        self.waiting(0, Duration::ZERO);
    }
}
