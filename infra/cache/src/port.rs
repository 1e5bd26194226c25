//! The port itself: what a cache promises.
//!
//! * **Losing it loses no truth.** No call fails: when the server is away a read is a miss, a write does
//!   nothing, and quotas are kept by each node for itself; how often that happened is in [`CacheStats`].
//! * **Bounded.** Every entry expires, and an adapter holds at most what it is configured to. What it has no
//!   room for it forgets early.
//! * **Atomic.** Counters and quotas are exact under any number of callers on any number of nodes while the
//!   server is there.
//! * **Single flight.** Of the callers that miss one key at the same time on one node, one fills it: see [`SingleFlight`](crate::SingleFlight), which does so over every adapter.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

/// How often something may be done: the generic cell rate algorithm (ITU-T I.371), which is a token bucket
/// that stores one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// So many at once; at least 1.
    pub burst: u32,
    /// One more each such time.
    pub period: Duration,
}

/// Whether one more was within the quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admission {
    /// Whether it may be done.
    pub allowed: bool,
    /// So many more would be allowed now.
    pub remaining: u32,
    /// When refused: after this long one is allowed again. Zero otherwise.
    pub retry_after: Duration,
}

/// What happened so far, for metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CacheStats {
    /// Reads that found something.
    pub hits: u64,
    /// Reads that found nothing.
    pub misses: u64,
    /// Calls that the server did not answer.
    pub degraded: u64,
}

/// A shared, bounded, expiring store of what can be computed again. Values, counters and quotas each have
/// keys of their own: a counter `x` and a value `x` are two things.
#[async_trait]
pub trait Cache: Send + Sync {
    /// What is kept under this key, if it is there and has not expired.
    async fn get(&self, key: &str) -> Option<Bytes>;

    /// Keeps a value for so long.
    async fn set(&self, key: &str, value: Bytes, ttl: Duration);

    /// Forgets a key.
    async fn remove(&self, key: &str);

    /// Adds to a counter that starts at zero and expires so long after it was first touched; its new value,
    /// or none when the server is away.
    async fn add(&self, key: &str, by: u64, ttl: Duration) -> Option<u64>;

    /// Takes one from a quota. When the server is away, from one that this node keeps for itself.
    async fn admit(&self, key: &str, quota: Quota) -> Admission;

    /// What happened so far.
    fn stats(&self) -> CacheStats;

    /// Whether the server answers, for readiness. A cache that is away degrades and does not make a node
    /// unready.
    async fn check(&self) -> Result<(), String>;
}
