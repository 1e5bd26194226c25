//! The cache that many nodes share, on Redis 6.2 or newer.
//!
//! * Each call has [`RedisConfig::timeout`]; after one that fails, the server is left alone for
//!   [`RedisConfig::retry_after`], so a dead server costs a request next to nothing. Then one call tries again.
//! * Quotas go by the server's clock, so that nodes agree; each is one script, so that it is atomic.
//! * Every key has an expiry. The bound on memory is the server's own: set `maxmemory` and
//!   `maxmemory-policy allkeys-lru`.

use std::{borrow::Cow, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use redis::{
    Client, Cmd, ErrorKind, FromRedisValue, RedisError, Script, ScriptInvocation,
    aio::{ConnectionManager, ConnectionManagerConfig},
};
use tertulia_runtime::{Fault, Kind};
use tracing::{info, warn};

use crate::{
    Admission, Cache, CacheStats, Quota, breaker::Breaker, gcra::Terms, tallies::Tallies, tracker::Tracker,
};

/// Adds, and lets a counter expire so long after it began.
const ADD: &str = r"
local value = redis.call('INCRBY', KEYS[1], ARGV[1])
if redis.call('PTTL', KEYS[1]) < 0 then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return value
";

/// What `gcra.rs` says, by the server's clock: whether, how many more, after how many microseconds.
const ADMIT: &str = r"
local period, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local full_at = tonumber(redis.call('GET', KEYS[1]) or 0)
local next_full = math.max(full_at, now) + period
local spare = now + period * burst - next_full
if spare < 0 then
  return {0, 0, -spare}
end
redis.call('SET', KEYS[1], string.format('%.0f', next_full), 'PX', math.ceil((next_full - now) / 1000))
return {1, math.floor(spare / period), 0}
";

/// Ten years: what is to be kept for longer is no cache entry, and Redis refuses expiries that overflow.
const EXPIRY_MAX_MS: u64 = 10 * 365 * 86_400_000;

/// Where the server is, and how patient to be with it.
#[derive(Debug, Clone)]
pub struct RedisConfig {
    /// `redis://[user:password@]host:port[/database]`.
    pub url: String,
    /// Stands before every key, so that several systems can share a server.
    pub prefix: String,
    /// How long a call may take before it degrades.
    pub timeout: Duration,
    /// How long the server is left alone after a call that failed.
    pub retry_after: Duration,
    /// So many quotas this node keeps for itself while the server is away.
    pub local_quotas: u64,
}

impl RedisConfig {
    /// The usual patience.
    pub fn new(url: impl Into<String>, prefix: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            prefix: prefix.into(),
            timeout: Duration::from_millis(250),
            retry_after: Duration::from_millis(500),
            local_quotas: 50_000,
        }
    }
}

/// Why a [`RedisCache`] could not be had at start. Later it never fails.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ConnectError {
    /// The URL, or what it asks for, can never work.
    #[error("the cache's configuration is wrong: {0}")]
    Configuration(String),
    /// Nobody answers there.
    #[error("the cache is unreachable: {0}")]
    Unreachable(String),
}

impl Fault for ConnectError {
    fn kind(&self) -> Kind {
        match self {
            Self::Configuration(_) => Kind::Internal,
            Self::Unreachable(_) => Kind::Unavailable,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Configuration(_) => "cache_misconfigured",
            Self::Unreachable(_) => "cache_unavailable",
        }
    }

    fn detail(&self) -> Cow<'static, str> {
        Cow::Borrowed("The service is not ready. Try again in a moment.")
    }
}

/// A cache on a Redis server. Clones share everything.
#[derive(Clone)]
pub struct RedisCache {
    inner: Arc<Inner>,
}

struct Inner {
    connection: ConnectionManager,
    prefix: String,
    timeout: Duration,
    breaker: Breaker,
    add: Script,
    admit: Script,
    local: Tallies,
    tracker: Tracker,
}

/// A call that the server did not answer.
struct Degraded;

impl RedisCache {
    /// Connects, and sees that the server answers.
    ///
    /// # Errors
    /// It does not, or the URL is none.
    pub async fn connect(config: RedisConfig) -> Result<Self, ConnectError> {
        let configuration = |error: RedisError| ConnectError::Configuration(error.to_string());
        let client = Client::open(config.url.as_str()).map_err(configuration)?;
        // The breaker says when to try again; the manager must not keep a call waiting with tries of its own.
        let patience = ConnectionManagerConfig::new()
            .set_number_of_retries(0)
            .set_connection_timeout(Some(config.timeout))
            .set_response_timeout(Some(config.timeout));
        let connection = ConnectionManager::new_lazy_with_config(client, patience).map_err(configuration)?;
        let inner = Inner {
            connection,
            prefix: config.prefix,
            timeout: config.timeout,
            breaker: Breaker::new(config.retry_after),
            add: Script::new(ADD),
            admit: Script::new(ADMIT),
            local: Tallies::new(config.local_quotas),
            tracker: Tracker::default(),
        };
        let cache = Self { inner: Arc::new(inner) };
        cache.check().await.map_err(ConnectError::Unreachable)?;
        Ok(cache)
    }

    fn key(&self, kind: char, key: &str) -> String {
        format!("{}:{kind}:{key}", self.inner.prefix)
    }

    async fn run<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Degraded> {
        let mut connection = self.inner.connection.clone();
        self.guard(command.query_async(&mut connection)).await
    }

    async fn invoke<T: FromRedisValue>(&self, script: &ScriptInvocation<'_>) -> Result<T, Degraded> {
        let mut connection = self.inner.connection.clone();
        self.guard(script.invoke_async(&mut connection)).await
    }

    /// Every call goes through here: at most for the timeout, not at all while the breaker is open, and what
    /// the server did not answer is counted.
    async fn guard<T>(&self, call: impl Future<Output = Result<T, RedisError>>) -> Result<T, Degraded> {
        let Inner { breaker, timeout, tracker, .. } = &*self.inner;
        if !breaker.permits() {
            tracker.degraded();
            return Err(Degraded);
        }
        let error = match tokio::time::timeout(*timeout, call).await {
            Ok(Ok(value)) => {
                if breaker.succeeded() {
                    info!("the cache answers again");
                }
                return Ok(value);
            }
            Ok(Err(error)) => error,
            Err(_) => RedisError::from((ErrorKind::Io, "timed out")),
        };
        tracker.degraded();
        if is_refusal(&error) {
            breaker.succeeded();
            warn!(%error, "the cache refused a call");
        } else if breaker.failed() {
            warn!(%error, "the cache does not answer: going on without it");
        }
        Err(Degraded)
    }
}

/// Whether the server is there and has said no to this one call.
fn is_refusal(error: &RedisError) -> bool {
    matches!(error.kind(), ErrorKind::Server(_) | ErrorKind::Extension | ErrorKind::UnexpectedReturnType)
}

/// Redis takes whole milliseconds, and zero for an error.
fn expiry_ms(ttl: Duration) -> u64 {
    u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX).clamp(1, EXPIRY_MAX_MS)
}

#[async_trait]
impl Cache for RedisCache {
    async fn get(&self, key: &str) -> Option<Bytes> {
        let found = self.run::<Option<Bytes>>(Cmd::new().arg("GET").arg(self.key('v', key))).await;
        self.inner.tracker.read(found.ok().flatten())
    }

    async fn set(&self, key: &str, value: Bytes, ttl: Duration) {
        let mut command = Cmd::new();
        command.arg("SET").arg(self.key('v', key)).arg(&value[..]).arg("PX").arg(expiry_ms(ttl));
        // What could not be kept is filled again; `guard` has counted it.
        let _ = self.run::<()>(&command).await;
    }

    async fn remove(&self, key: &str) {
        // While the server is away the entry lives on until it expires, which is why each one does.
        let _ = self.run::<()>(Cmd::new().arg("DEL").arg(self.key('v', key))).await;
    }

    async fn add(&self, key: &str, by: u64, ttl: Duration) -> Option<u64> {
        let mut script = self.inner.add.prepare_invoke();
        script.key(self.key('c', key)).arg(by).arg(expiry_ms(ttl));
        self.invoke(&script).await.ok()
    }

    async fn admit(&self, key: &str, quota: Quota) -> Admission {
        let terms = Terms::from(quota);
        let mut script = self.inner.admit.prepare_invoke();
        script.key(self.key('q', key)).arg(terms.period_us).arg(terms.burst);
        match self.invoke::<(bool, u32, u64)>(&script).await {
            Ok((allowed, remaining, retry_after_us)) => {
                Admission { allowed, remaining, retry_after: Duration::from_micros(retry_after_us) }
            }
            Err(Degraded) => self.inner.local.admit(key, quota).await,
        }
    }

    fn stats(&self) -> CacheStats {
        self.inner.tracker.stats()
    }

    async fn check(&self) -> Result<(), String> {
        let mut connection = self.inner.connection.clone();
        let ping = redis::cmd("PING");
        match tokio::time::timeout(self.inner.timeout, ping.query_async::<()>(&mut connection)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("no answer within {:?}", self.inner.timeout)),
        }
    }
}
