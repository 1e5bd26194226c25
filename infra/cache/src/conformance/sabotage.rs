//! Adapters that break a promise on purpose.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::BoxFuture;

use super::{LONG, Loss, ReadThrough, Rig};
use crate::{Admission, Cache, CacheStats, Quota};

/// What is wrong with an adapter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Keeps no value.
    ForgetsAtOnce,
    /// Leaves what it is asked to remove.
    RemovesNothing,
    /// Finds a counter under a value's key.
    MixesKeys,
    /// Takes no notice of expiries.
    NeverExpires,
    /// Keeps all values.
    Unbounded,
    /// Its stats stay zero.
    CountsNothing,
    /// Lets every caller fill.
    FillsEach,
    /// Reads a counter, and writes it later.
    LosesUpdates,
    /// Gives each node a quota of its own.
    QuotaPerNode,
    /// Takes periods for half as long as they are.
    RefillsTooFast,
    /// Does not say after how long to come back.
    SaysNothingOfWhen,
    /// Goes by no quota while the server is away.
    AllowsAllWhileAway,
    /// Waits for the server at each call.
    WaitsWhileAway,
    /// Never tries a server again that it has lost.
    StaysAway,
}

/// A rig whose nodes have a fault, over one whose nodes have none.
pub struct SabotagedRig {
    inner: Arc<dyn Rig>,
    fault: Fault,
    nodes: Mutex<usize>,
    wrong: Arc<Wrong>,
}

/// What a faulty adapter keeps in the sound one's stead.
#[derive(Default)]
struct Wrong {
    values: Mutex<HashMap<String, Bytes>>,
    counters: Mutex<HashMap<String, u64>>,
    is_away: AtomicBool,
    was_away: AtomicBool,
}

impl SabotagedRig {
    /// Breaks a rig.
    pub fn new(inner: Arc<dyn Rig>, fault: Fault) -> Self {
        Self { inner, fault, nodes: Mutex::default(), wrong: Arc::default() }
    }
}

#[async_trait]
impl Rig for SabotagedRig {
    async fn node(&self) -> Arc<dyn Cache> {
        let number = {
            let mut nodes = self.nodes.lock().expect("no holder panics");
            *nodes += 1;
            *nodes
        };
        let inner = self.inner.node().await;
        Arc::new(Saboteur { inner, fault: self.fault, number, wrong: self.wrong.clone() })
    }

    fn capacity_bytes(&self) -> usize {
        self.inner.capacity_bytes()
    }

    async fn lose_server(&self, loss: Loss) {
        self.wrong.is_away.store(true, Ordering::SeqCst);
        self.wrong.was_away.store(true, Ordering::SeqCst);
        self.inner.lose_server(loss).await;
    }

    async fn return_server(&self) {
        self.wrong.is_away.store(false, Ordering::SeqCst);
        self.inner.return_server().await;
    }

    /// Long enough for a sound adapter on most days; a faulty one is not worth more.
    fn patience(&self) -> Duration {
        Duration::from_secs(3)
    }

    fn read_through(&self, cache: Arc<dyn Cache>) -> Arc<dyn ReadThrough> {
        match self.fault {
            Fault::FillsEach => Arc::new(FillsEach(cache)),
            _ => self.inner.read_through(cache),
        }
    }
}

struct FillsEach(Arc<dyn Cache>);

#[async_trait]
impl ReadThrough for FillsEach {
    async fn get_or_fill(&self, key: &str, fill: BoxFuture<'static, Bytes>) -> Bytes {
        if let Some(kept) = self.0.get(key).await {
            return kept;
        }
        let made = fill.await;
        self.0.set(key, made.clone(), LONG).await;
        made
    }
}

struct Saboteur {
    inner: Arc<dyn Cache>,
    fault: Fault,
    number: usize,
    wrong: Arc<Wrong>,
}

impl Saboteur {
    fn is_away(&self) -> bool {
        self.wrong.is_away.load(Ordering::SeqCst)
    }

    fn has_given_up(&self) -> bool {
        self.fault == Fault::StaysAway && self.wrong.was_away.load(Ordering::SeqCst)
    }

    fn ttl(&self, ttl: Duration) -> Duration {
        if self.fault == Fault::NeverExpires { LONG } else { ttl }
    }
}

#[async_trait]
impl Cache for Saboteur {
    async fn get(&self, key: &str) -> Option<Bytes> {
        if self.fault == Fault::WaitsWhileAway && self.is_away() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        if self.fault == Fault::Unbounded {
            return self.wrong.values.lock().expect("no holder panics").get(key).cloned();
        }
        if self.fault == Fault::MixesKeys && self.inner.add(key, 0, LONG).await > Some(0) {
            return Some(Bytes::from_static(b"a counter"));
        }
        self.inner.get(key).await.filter(|_| !self.has_given_up())
    }

    async fn set(&self, key: &str, value: Bytes, ttl: Duration) {
        match self.fault {
            Fault::ForgetsAtOnce => {}
            Fault::Unbounded => {
                self.wrong.values.lock().expect("no holder panics").insert(key.to_owned(), value);
            }
            _ => self.inner.set(key, value, self.ttl(ttl)).await,
        }
    }

    async fn remove(&self, key: &str) {
        if self.fault != Fault::RemovesNothing {
            self.inner.remove(key).await;
        }
    }

    async fn add(&self, key: &str, by: u64, ttl: Duration) -> Option<u64> {
        if self.fault != Fault::LosesUpdates {
            return self.inner.add(key, by, self.ttl(ttl)).await;
        }
        let counters = || self.wrong.counters.lock().expect("no holder panics");
        let read = counters().get(key).copied().unwrap_or(0);
        tokio::task::yield_now().await;
        counters().insert(key.to_owned(), read + by);
        Some(read + by)
    }

    async fn admit(&self, key: &str, quota: Quota) -> Admission {
        let allowed = Admission { allowed: true, remaining: quota.burst, retry_after: Duration::ZERO };
        match self.fault {
            Fault::AllowsAllWhileAway if self.is_away() => allowed,
            Fault::QuotaPerNode => self.inner.admit(&format!("{}{key}", self.number), quota).await,
            Fault::RefillsTooFast => self.inner.admit(key, Quota { period: quota.period / 2, ..quota }).await,
            Fault::SaysNothingOfWhen => {
                Admission { retry_after: Duration::ZERO, ..self.inner.admit(key, quota).await }
            }
            _ => self.inner.admit(key, quota).await,
        }
    }

    fn stats(&self) -> CacheStats {
        if self.fault == Fault::CountsNothing { CacheStats::default() } else { self.inner.stats() }
    }

    async fn check(&self) -> Result<(), String> {
        self.inner.check().await
    }
}
