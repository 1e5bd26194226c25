//! The cache as one process reaches it: one for all of them, on a way that takes its time.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use tertulia_cache::{Admission, Cache, CacheStats, MemoryCache, Quota};

use crate::world::{Life, World};

/// One process's handle.
pub(crate) struct SimulatedCache {
    world: Arc<World>,
    life: Arc<Life>,
    /// It forgets by the machine's clock, on which no time passes in a run.
    server: MemoryCache,
}

impl SimulatedCache {
    pub(crate) fn new(world: Arc<World>, life: Arc<Life>, server: MemoryCache) -> Arc<Self> {
        Arc::new(Self { world, life, server })
    }

    async fn reach<T>(&self, asking: impl Future<Output = T>) -> T {
        self.life
            .uses(async {
                self.world.delay().await;
                let answer = asking.await;
                // What was read is old by the time it arrives.
                self.world.delay().await;
                answer
            })
            .await
    }
}

#[async_trait]
impl Cache for SimulatedCache {
    async fn get(&self, key: &str) -> Option<Bytes> {
        self.reach(self.server.get(key)).await
    }

    async fn set(&self, key: &str, value: Bytes, ttl: Duration) {
        self.reach(self.server.set(key, value, ttl)).await;
    }

    async fn remove(&self, key: &str) {
        self.reach(self.server.remove(key)).await;
    }

    async fn add(&self, key: &str, by: u64, ttl: Duration) -> Option<u64> {
        self.reach(self.server.add(key, by, ttl)).await
    }

    async fn admit(&self, key: &str, quota: Quota) -> Admission {
        self.reach(self.server.admit(key, quota)).await
    }

    fn stats(&self) -> CacheStats {
        self.server.stats()
    }

    async fn check(&self) -> Result<(), String> {
        self.reach(self.server.check()).await
    }
}
