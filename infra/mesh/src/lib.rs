//! The mesh: how a service asks another what must be known now.
//!
//! [`Mesh::call`] hands an HTTP request to a role's own router: in this process when the role is mounted
//! here, over HTTP to a discovered instance when it is not. Promises:
//!
//! * **One code path.** The request that the router sees, its answer, upgrades (WebSocket) and failures are
//!   the same on both ways. Hop-by-hop headers (RFC 9110 §7.6.1) stop here, and so do extensions: what a
//!   caller wants known travels in a header.
//! * **Bounded.** The head of every answer comes within its [`Deadline`] or is [`MeshError::Timeout`]; the
//!   caller reads the body at its own pace, unless it uses [`Mesh::call_json`].
//! * **At most once**, unless it does not matter. A request of which nothing was sent is tried on another instance;
//!   one that only reads, or that its caller calls [`Repeatable`], also when the first instance broke off or was away
//!   (502, 503, 504), within a budget. At most three instances hear of one request.
//! * **Balanced.** An [`Affinity`] sends what belongs together to one instance; all else goes to the less
//!   busy of two instances drawn at random. One that refuses connections or fails is left alone for a while, until
//!   one request has tried it; when most fail, none is left alone for it.
//! * **In time.** The callee is told how much time is left; what it calls itself, within [`within_deadline`], gets
//!   no more than that.
//! * **Traced.** The current span's `traceparent` goes along; so does whatever `x-request-id` came in.

mod breaker;
mod choice;
mod counts;
mod deadline;
mod error;
mod headers;
mod json;
mod lent;
mod pool;
mod remote;

use std::{
    collections::HashMap,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::{Arc, PoisonError, RwLock},
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
};
use futures_util::{
    FutureExt as _,
    future::{BoxFuture, Shared},
};
use http::{Request, Response};
use tertulia_discovery::Discovery;
use tertulia_runtime::{Entropy, Metrics};
use tokio::time::Instant;
use tower::ServiceExt as _;

pub use deadline::{DEADLINE_MS, within_deadline};
pub use error::MeshError;
use remote::Terms;

/// A request extension: requests with the same text go to the same instance, as long as it is healthy. When
/// instances come or go, only what belonged to those moves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Affinity(pub String);

/// A request extension: how long the head of the answer may take, instead of [`MeshConfig::deadline`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline(pub Duration);

/// A request extension: doing the request twice has the effect of doing it once, and this is its whole body. What
/// only reads (RFC 9110 §9.2.1) and has no body needs no such word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repeatable(pub Bytes);

/// A request extension: what the answer began in another process and is still carried then, its body or the
/// connection that it was joined to, ends when this does. For a caller that leaves before what it carries has
/// ended; a role in this process leaves by itself.
#[derive(Clone)]
pub struct Until(Shared<BoxFuture<'static, ()>>);

impl Until {
    /// Until this future is done. It is dropped as soon as nothing is carried by it any more.
    pub fn new(end: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(end.boxed().shared())
    }
}

impl Future for Until {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.0.poll_unpin(context)
    }
}

/// How patient the mesh is.
#[derive(Debug, Clone)]
pub struct MeshConfig {
    /// How long the head of an answer may take when the request does not say.
    pub deadline: Duration,
    /// How long connecting to an instance may take before another is tried.
    pub connect_timeout: Duration,
    /// How long a call waits for discovery's first word about a role.
    pub discovery_wait: Duration,
    /// How long an instance that refused a connection or failed is left alone, if there are others; twice as long
    /// each time that it is found so again, up to 30 seconds.
    pub pass_over: Duration,
    /// Over this time answers are counted.
    pub failure_window: Duration,
    /// So many failures in that time (broken off, a status of 5xx, no answer in time), if they are at least half of
    /// the answers, have an instance left alone.
    pub failures: u32,
    /// An answer that had less time than this does not count as a failure when it does not come.
    pub fair_wait: Duration,
    /// This share of a role's requests of the last ten seconds may be retried,
    pub retry_share: f32,
    /// and so many each second however few they are.
    pub retries_per_second: u32,
    /// How long an idle connection is kept.
    pub idle_timeout: Duration,
    /// So many idle connections are kept for an instance.
    pub idle_connections: usize,
    /// The largest answer that [`Mesh::call_json`] reads, in bytes.
    pub json_limit_bytes: usize,
}

impl Default for MeshConfig {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(15),
            connect_timeout: Duration::from_secs(1),
            discovery_wait: Duration::from_secs(1),
            pass_over: Duration::from_secs(3),
            failure_window: Duration::from_secs(10),
            failures: 5,
            fair_wait: Duration::from_secs(1),
            retry_share: 0.1,
            retries_per_second: 1,
            idle_timeout: Duration::from_secs(30),
            idle_connections: 32,
            json_limit_bytes: 4 << 20,
        }
    }
}

/// The way to every role. Clones share everything.
#[derive(Clone)]
pub struct Mesh {
    inner: Arc<Inner>,
}

struct Inner {
    mounted: RwLock<HashMap<String, Router>>,
    remote: remote::Remote,
    config: MeshConfig,
}

impl Mesh {
    /// A mesh with nothing mounted: every role is found through discovery. Must be called within a tokio
    /// runtime.
    pub fn new(discovery: Arc<dyn Discovery>, entropy: Arc<dyn Entropy>, config: MeshConfig) -> Self {
        Self::counted(discovery, entropy, config, &Metrics::new())
    }

    /// The same, which counts what it does with instances elsewhere.
    pub fn counted(
        discovery: Arc<dyn Discovery>,
        entropy: Arc<dyn Entropy>,
        config: MeshConfig,
        metrics: &Metrics,
    ) -> Self {
        let remote = remote::Remote::new(discovery, entropy, config.clone(), metrics);
        Self { inner: Arc::new(Inner { mounted: RwLock::default(), remote, config }) }
    }

    /// Serves a role in this process from now on.
    pub fn mount(&self, role: &str, router: Router) {
        let mut mounted = self.inner.mounted.write().unwrap_or_else(PoisonError::into_inner);
        mounted.insert(role.to_owned(), router);
    }

    /// Sends a request to a role and returns the answer, whatever its status. The request's URI counts from
    /// its path on; its [`Affinity`], [`Deadline`], [`Repeatable`] and [`Until`] extensions are heeded.
    ///
    /// An answer of 101 joins the caller's connection to the role's: the request must then be one that hyper
    /// served, and the answer must be returned to it.
    ///
    /// # Errors
    /// No answer came. [`MeshError::Refused`] is not among the errors: that is an answer.
    pub async fn call(&self, role: &str, mut request: Request<Body>) -> Result<Response<Body>, MeshError> {
        let extensions = request.extensions_mut();
        let patience = extensions.get::<Deadline>().map_or(self.inner.config.deadline, |it| it.0);
        let terms = Terms {
            affinity: extensions.remove(),
            until: extensions.remove(),
            repeatable: extensions.remove(),
            due: deadline::due(patience),
            patience,
        };
        let late = || MeshError::Timeout { role: role.to_owned(), after: patience };
        if terms.due <= Instant::now() {
            return Err(late());
        }
        let mut request = headers::forward(request);
        let answer = match self.mounted(role) {
            Some(router) => {
                deadline::tell(request.headers_mut(), terms.due);
                let answer = tokio::time::timeout_at(terms.due, call_here(role, router, request)).await;
                answer.unwrap_or_else(|_| Err(late()))
            }
            None => self.inner.remote.call(role, terms, request).await,
        };
        answer.map(headers::backward)
    }

    fn mounted(&self, role: &str) -> Option<Router> {
        self.inner.mounted.read().unwrap_or_else(PoisonError::into_inner).get(role).cloned()
    }
}

/// A router that panics breaks the connection when it is remote; here it must not take its caller along.
async fn call_here(role: &str, router: Router, request: Request<Body>) -> Result<Response<Body>, MeshError> {
    match AssertUnwindSafe(router.oneshot(request)).catch_unwind().await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(never)) => match never {},
        Err(_) => Err(MeshError::Broken { role: role.to_owned(), cause: "its handler panicked".to_owned() }),
    }
}
