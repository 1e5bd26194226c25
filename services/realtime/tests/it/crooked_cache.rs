//! A cache that can be away.

use std::{
    sync::atomic::{AtomicBool, Ordering::SeqCst},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use tertulia_cache::{Admission, Cache, CacheStats, MemoryCache, MemoryConfig, Quota};

pub(crate) struct CrookedCache {
    straight: MemoryCache,
    pub is_away: AtomicBool,
}

impl Default for CrookedCache {
    fn default() -> Self {
        Self { straight: MemoryCache::new(&MemoryConfig::default()), is_away: AtomicBool::new(false) }
    }
}

#[async_trait]
impl Cache for CrookedCache {
    async fn get(&self, key: &str) -> Option<Bytes> {
        if self.is_away.load(SeqCst) { None } else { self.straight.get(key).await }
    }

    async fn set(&self, key: &str, value: Bytes, ttl: Duration) {
        if !self.is_away.load(SeqCst) {
            self.straight.set(key, value, ttl).await;
        }
    }

    async fn remove(&self, key: &str) {
        self.straight.remove(key).await;
    }

    async fn add(&self, key: &str, by: u64, ttl: Duration) -> Option<u64> {
        self.straight.add(key, by, ttl).await
    }

    async fn admit(&self, key: &str, quota: Quota) -> Admission {
        self.straight.admit(key, quota).await
    }

    fn stats(&self) -> CacheStats {
        self.straight.stats()
    }

    async fn check(&self) -> Result<(), String> {
        if self.is_away.load(SeqCst) { Err("it is away".to_owned()) } else { Ok(()) }
    }
}
