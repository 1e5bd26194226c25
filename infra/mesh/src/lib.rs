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
//! * **At most once.** A request is tried on a second instance only when no connection to the first could be
//!   made, so that nothing of it was sent. Retrying for other reasons is for who knows what is idempotent.
//! * **Balanced.** An [`Affinity`] sends what belongs together to one instance; all else goes to the less
//!   busy of two instances drawn at random. One that refused a connection is passed over for a while.
//! * **Traced.** The current span's `traceparent` goes along; so does whatever `x-request-id` came in.

mod choice;
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

use axum::{Router, body::Body};
use futures_util::{
    FutureExt as _,
    future::{BoxFuture, Shared},
};
use http::{Request, Response};
use tertulia_discovery::Discovery;
use tertulia_runtime::Entropy;
use tower::ServiceExt as _;

pub use error::MeshError;

/// A request extension: requests with the same text go to the same instance, as long as it is healthy. When
/// instances come or go, only what belonged to those moves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Affinity(pub String);

/// A request extension: how long the head of the answer may take, instead of [`MeshConfig::deadline`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline(pub Duration);

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
    /// How long an instance that refused a connection is passed over, if there are others.
    pub pass_over: Duration,
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
        let remote = remote::Remote::new(discovery, entropy, &config);
        Self { inner: Arc::new(Inner { mounted: RwLock::default(), remote, config }) }
    }

    /// Serves a role in this process from now on.
    pub fn mount(&self, role: &str, router: Router) {
        let mut mounted = self.inner.mounted.write().unwrap_or_else(PoisonError::into_inner);
        mounted.insert(role.to_owned(), router);
    }

    /// Sends a request to a role and returns the answer, whatever its status. The request's URI counts from
    /// its path on; its [`Affinity`], [`Deadline`] and [`Until`] extensions are heeded.
    ///
    /// An answer of 101 joins the caller's connection to the role's: the request must then be one that hyper
    /// served, and the answer must be returned to it.
    ///
    /// # Errors
    /// No answer came. [`MeshError::Refused`] is not among the errors: that is an answer.
    pub async fn call(&self, role: &str, mut request: Request<Body>) -> Result<Response<Body>, MeshError> {
        let affinity = request.extensions_mut().remove::<Affinity>();
        let until = request.extensions_mut().remove::<Until>();
        let deadline = request.extensions().get::<Deadline>().map_or(self.inner.config.deadline, |it| it.0);
        let request = headers::forward(request);
        let answer = async {
            match self.mounted(role) {
                Some(router) => call_here(role, router, request).await,
                None => self.inner.remote.call(role, affinity.as_ref(), until, request).await,
            }
        };
        let answer = tokio::time::timeout(deadline, answer).await;
        answer
            .unwrap_or_else(|_| Err(MeshError::Timeout { role: role.to_owned(), after: deadline }))
            .map(headers::backward)
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
