//! The cache of one process, on moka. It is never away, and is gone when the process ends.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use moka::{Expiry, future::Cache as Moka};

use crate::{Admission, Cache, CacheStats, Quota, tallies::Tallies, tracker::Tracker};

/// What an entry costs besides its key and value: moka's own book-keeping, measured at about this.
const ENTRY_OVERHEAD_BYTES: usize = 200;

/// How much a [`MemoryCache`] holds.
#[derive(Debug, Clone)]
pub struct MemoryConfig {
    /// All values with their keys, in bytes.
    pub capacity_bytes: u64,
    /// So many counters, and as many quotas.
    pub tallies: u64,
}

impl Default for MemoryConfig {
    fn default() -> Self {
        Self { capacity_bytes: 32 << 20, tallies: 50_000 }
    }
}

/// A cache in this process's memory. Clones share everything.
#[derive(Clone)]
pub struct MemoryCache {
    inner: Arc<Inner>,
}

struct Inner {
    values: Moka<String, Stored>,
    tallies: Tallies,
    tracker: Tracker,
}

#[derive(Clone)]
struct Stored {
    value: Bytes,
    ttl: Duration,
}

impl MemoryCache {
    /// An empty cache.
    pub fn new(config: &MemoryConfig) -> Self {
        let values = Moka::builder()
            .max_capacity(config.capacity_bytes)
            .weigher(|key: &String, stored| weight(key, stored))
            .expire_after(FromWrite);
        let (tallies, tracker) = (Tallies::new(config.tallies), Tracker::default());
        Self { inner: Arc::new(Inner { values: values.build(), tallies, tracker }) }
    }
}

fn weight(key: &str, stored: &Stored) -> u32 {
    u32::try_from(key.len() + stored.value.len() + ENTRY_OVERHEAD_BYTES).unwrap_or(u32::MAX)
}

#[async_trait]
impl Cache for MemoryCache {
    async fn get(&self, key: &str) -> Option<Bytes> {
        let stored = self.inner.values.get(key).await;
        self.inner.tracker.read(stored.map(|stored| stored.value))
    }

    async fn set(&self, key: &str, value: Bytes, ttl: Duration) {
        self.inner.values.insert(key.to_owned(), Stored { value, ttl }).await;
    }

    async fn remove(&self, key: &str) {
        self.inner.values.invalidate(key).await;
    }

    async fn add(&self, key: &str, by: u64, ttl: Duration) -> Option<u64> {
        Some(self.inner.tallies.add(key, by, ttl).await)
    }

    async fn admit(&self, key: &str, quota: Quota) -> Admission {
        self.inner.tallies.admit(key, quota).await
    }

    fn stats(&self) -> CacheStats {
        self.inner.tracker.stats()
    }

    async fn check(&self) -> Result<(), String> {
        Ok(())
    }
}

struct FromWrite;

impl Expiry<String, Stored> for FromWrite {
    fn expire_after_create(&self, _: &String, stored: &Stored, _: std::time::Instant) -> Option<Duration> {
        Some(stored.ttl)
    }

    fn expire_after_update(
        &self,
        _: &String,
        stored: &Stored,
        _: std::time::Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(stored.ttl)
    }
}
