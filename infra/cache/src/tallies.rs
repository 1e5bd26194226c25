//! Counters and quotas of one process: the whole of them when the cache is in memory, and what a node goes by
//! while its server is away.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use moka::{Expiry, future::Cache as Moka, policy::EvictionPolicy};
use tokio::time::Instant;

use crate::{Admission, Quota, gcra::Terms};

/// Counters and quotas, each at most so many. The one that was not touched for longest goes first, so
/// whoever hammers on a quota keeps it in place.
pub(crate) struct Tallies {
    started: Instant,
    counters: Moka<String, Counter>,
    quotas: Moka<String, Level>,
}

#[derive(Clone)]
struct Counter {
    value: Arc<AtomicU64>,
    ttl: Duration,
}

#[derive(Clone)]
struct Level {
    full_at_us: Arc<Mutex<u64>>,
    lifetime: Duration,
}

impl Tallies {
    pub(crate) fn new(capacity: u64) -> Self {
        let lru = EvictionPolicy::lru();
        Self {
            started: Instant::now(),
            counters: Moka::builder()
                .max_capacity(capacity)
                .eviction_policy(lru.clone())
                .expire_after(FromFirst)
                .build(),
            quotas: Moka::builder()
                .max_capacity(capacity)
                .eviction_policy(lru)
                .expire_after(FromLast)
                .build(),
        }
    }

    pub(crate) async fn add(&self, key: &str, by: u64, ttl: Duration) -> u64 {
        let first = async { Counter { value: Arc::default(), ttl } };
        let counter = self.counters.get_with_by_ref(key, first).await;
        let add = |value: u64| Some(value.saturating_add(by));
        let before = counter.value.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
        before.unwrap_or_else(|unchanged| unchanged).saturating_add(by)
    }

    pub(crate) async fn admit(&self, key: &str, quota: Quota) -> Admission {
        let terms = Terms::from(quota);
        let full = async { Level { full_at_us: Arc::default(), lifetime: terms.lifetime() } };
        let level = self.quotas.get_with_by_ref(key, full).await;
        let mut full_at_us = level.full_at_us.lock().unwrap_or_else(PoisonError::into_inner);
        // Read under the lock, so that time does not run backwards from one caller to the next.
        let now_us = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX);
        let (admission, next_full_us) = terms.admit(*full_at_us, now_us);
        *full_at_us = next_full_us;
        admission
    }
}

struct FromFirst;

impl Expiry<String, Counter> for FromFirst {
    fn expire_after_create(&self, _: &String, counter: &Counter, _: std::time::Instant) -> Option<Duration> {
        Some(counter.ttl)
    }
}

struct FromLast;

impl Expiry<String, Level> for FromLast {
    fn expire_after_create(&self, _: &String, level: &Level, _: std::time::Instant) -> Option<Duration> {
        Some(level.lifetime)
    }

    fn expire_after_read(
        &self,
        _: &String,
        level: &Level,
        _: std::time::Instant,
        _: Option<Duration>,
        _: std::time::Instant,
    ) -> Option<Duration> {
        Some(level.lifetime)
    }
}
