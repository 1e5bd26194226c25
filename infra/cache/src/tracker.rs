//! Counts what happened, for [`CacheStats`].

use std::sync::atomic::{AtomicU64, Ordering};

use crate::CacheStats;

#[derive(Default)]
pub(crate) struct Tracker {
    hits: AtomicU64,
    misses: AtomicU64,
    degraded: AtomicU64,
}

impl Tracker {
    pub(crate) fn read<T>(&self, found: Option<T>) -> Option<T> {
        let counter = if found.is_some() { &self.hits } else { &self.misses };
        counter.fetch_add(1, Ordering::Relaxed);
        found
    }

    pub(crate) fn degraded(&self) {
        self.degraded.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn stats(&self) -> CacheStats {
        CacheStats {
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            degraded: self.degraded.load(Ordering::Relaxed),
        }
    }
}
