//! The adapters under test, each with its server.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use redis::Client;
use tertulia_cache::{
    Cache, MemoryCache, MemoryConfig, RedisCache, RedisConfig,
    conformance::{Loss, Rig},
};
use tertulia_testbed::{Server, Testbed};
use tokio::sync::Mutex;

const MEMORY_BYTES: usize = 1 << 20;
/// An idle server holds about one already.
const REDIS_BYTES: usize = 4 << 20;

/// A cache in this process; its nodes are the parts of the process.
pub(crate) struct MemoryRig(MemoryCache);

impl MemoryRig {
    pub(crate) fn new() -> Self {
        let config = MemoryConfig { capacity_bytes: MEMORY_BYTES as u64, tallies: 1_000 };
        Self(MemoryCache::new(&config))
    }
}

#[async_trait]
impl Rig for MemoryRig {
    async fn node(&self) -> Arc<dyn Cache> {
        Arc::new(self.0.clone())
    }

    fn capacity_bytes(&self) -> usize {
        MEMORY_BYTES
    }

    async fn lose_server(&self, _: Loss) {
        panic!("it has no server");
    }

    async fn return_server(&self) {}
}

/// A Redis server of its own, so that losing it disturbs no other case.
pub(crate) struct RedisRig {
    url: String,
    server: Mutex<(Server, Option<Loss>)>,
}

impl RedisRig {
    pub(crate) async fn start() -> Self {
        let bed = Testbed::new().expect("a temporary folder");
        let server = tertulia_testbed::redis::start(&bed).await.expect("Redis starts");
        let client = Client::open(server.url()).expect("the test bed's URL is one");
        let mut connection = client.get_multiplexed_async_connection().await.expect("Redis answers");
        for (name, value) in
            [("maxmemory", REDIS_BYTES.to_string()), ("maxmemory-policy", "allkeys-lru".into())]
        {
            let command = redis::cmd("CONFIG").arg("SET").arg(name).arg(value).to_owned();
            command.query_async::<()>(&mut connection).await.expect("Redis is configured");
        }
        Self { url: server.url().to_owned(), server: Mutex::new((server, None)) }
    }
}

#[async_trait]
impl Rig for RedisRig {
    async fn node(&self) -> Arc<dyn Cache> {
        let config =
            RedisConfig { timeout: Duration::from_secs(1), ..RedisConfig::new(&self.url, "conformance") };
        Arc::new(RedisCache::connect(config).await.expect("Redis answers"))
    }

    fn capacity_bytes(&self) -> usize {
        REDIS_BYTES
    }

    async fn lose_server(&self, loss: Loss) {
        let (server, state) = &mut *self.server.lock().await;
        *state = Some(loss);
        match loss {
            Loss::Killed => server.kill().await.expect("Redis is killed"),
            Loss::Silent => server.pause().expect("Redis is paused"),
        }
    }

    async fn return_server(&self) {
        let (server, state) = &mut *self.server.lock().await;
        match state.take().expect("it was lost before") {
            Loss::Killed => server.start_again().await.expect("Redis starts again"),
            Loss::Silent => server.resume().expect("Redis goes on"),
        }
    }
}
