//! The way to instances in other processes: HTTP/1.1 over kept connections.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use axum::body::{Body, Bytes, HttpBody as _};
use futures_util::future::OptionFuture;
use http::{Request, Response, StatusCode, Uri, request::Parts, uri::Scheme};
use http_body_util::BodyExt as _;
use hyper::{body::Incoming, upgrade::OnUpgrade};
use hyper_util::{
    client::legacy::{Client, Error, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo, TokioTimer},
};
use tertulia_discovery::{Discovery, Instance};
use tertulia_runtime::{Entropy, Metrics};
use tokio::time::Instant;
use tracing::{debug, warn};

use crate::{
    Affinity, MeshConfig, MeshError, Repeatable, Until,
    breaker::{Rules, Verdict},
    counts::Counts,
    deadline,
    lent::{Held, Home},
    pool::{InFlight, Pool},
};

/// The most instances that one request is sent to.
const MAX_ATTEMPTS: usize = 3;

pub(crate) struct Remote {
    discovery: Arc<dyn Discovery>,
    entropy: Arc<dyn Entropy>,
    client: Client<HttpConnector, Body>,
    /// One for each role ever called; roles are words of this program, not of its users.
    pools: RwLock<HashMap<String, Arc<Pool>>>,
    counts: Counts,
    config: MeshConfig,
}

/// What a caller wants known of a request, besides the request.
pub(crate) struct Terms {
    pub(crate) affinity: Option<Affinity>,
    pub(crate) until: Option<Until>,
    pub(crate) repeatable: Option<Repeatable>,
    pub(crate) due: Instant,
    /// How long that is from the beginning.
    pub(crate) patience: Duration,
}

/// What became of one attempt.
enum Attempt {
    Answered(Response<Incoming>, InFlight),
    /// Nothing of it was sent.
    Refused(MeshError),
    /// Some of it may have been done.
    Broken(MeshError),
    Late(MeshError),
}

impl Remote {
    pub(crate) fn new(
        discovery: Arc<dyn Discovery>,
        entropy: Arc<dyn Entropy>,
        config: MeshConfig,
        metrics: &Metrics,
    ) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(config.connect_timeout));
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(config.idle_timeout)
            .pool_max_idle_per_host(config.idle_connections)
            .build(connector);
        let counts = Counts::new(metrics);
        Self { discovery, entropy, client, pools: RwLock::default(), counts, config }
    }

    /// Asks one instance. Another one when nothing was sent to the first, or when it failed and the request may be
    /// done twice: that within the budget.
    pub(crate) async fn call(
        &self,
        role: &str,
        terms: Terms,
        request: Request<Body>,
    ) -> Result<Response<Body>, MeshError> {
        let pool = self.pool(role);
        pool.earn();
        let instances = pool.instances(terms.due.min(Instant::now() + self.config.discovery_wait)).await;
        let (mut parts, body) = request.into_parts();
        let upgrade = parts.extensions.remove::<OnUpgrade>();
        let copy = whole_body(&parts, &body, terms.repeatable.as_ref(), upgrade.as_ref());
        let home = Home::new(body);
        let mut tried: Vec<Instance> = Vec::new();
        let mut last = None;
        while tried.len() < MAX_ATTEMPTS {
            let entered = pool.enter(&instances, terms.affinity.as_ref(), &tried, self.random());
            let Some((instance, in_flight)) = entered else { break };
            if last.as_ref().is_some_and(|last| !matches!(last, Attempt::Refused(_))) {
                let is_allowed = pool.spend();
                self.counts.retry(role, is_allowed);
                if !is_allowed {
                    break;
                }
            }
            let body = home.lend().or_else(|| copy.clone().map(Body::from));
            let body =
                body.expect("a body is read only where it was sent, and is sent again only from a copy");
            deadline::tell(&mut parts.headers, terms.due);
            let request = addressed(&parts, body, &instance);
            let attempt = self.attempt(role, &instance, in_flight, request, &terms).await;
            let goes_on = match &attempt {
                Attempt::Refused(_) => true,
                Attempt::Broken(_) => copy.is_some(),
                Attempt::Answered(answer, _) => copy.is_some() && is_away(answer.status()),
                Attempt::Late(_) => false,
            };
            last = Some(attempt);
            if !goes_on {
                break;
            }
            tried.push(instance);
        }
        match last {
            Some(Attempt::Answered(answer, in_flight)) => join(role, answer, upgrade, terms.until, in_flight),
            Some(Attempt::Refused(error) | Attempt::Broken(error) | Attempt::Late(error)) => Err(error),
            None => Err(MeshError::NoInstance { role: role.to_owned() }),
        }
    }

    async fn attempt(
        &self,
        role: &str,
        instance: &Instance,
        mut in_flight: InFlight,
        request: Request<Body>,
        terms: &Terms,
    ) -> Attempt {
        let begin = Instant::now();
        let answer = tokio::time::timeout_at(terms.due, self.client.request(request)).await;
        let (outcome, verdict) = match &answer {
            Ok(Ok(answer)) if answer.status().is_server_error() => ("server_error", Some(Verdict::Failed)),
            Ok(Ok(_)) => ("answered", Some(Verdict::Good)),
            Ok(Err(error)) if error.is_connect() => ("refused", Some(Verdict::Refused)),
            Ok(Err(_)) => ("broken", Some(Verdict::Failed)),
            // Who had no time to answer has not failed.
            Err(_) => ("late", (begin.elapsed() >= self.config.fair_wait).then_some(Verdict::Failed)),
        };
        self.counts.attempt(role, outcome);
        if let Some(cause) = verdict.and_then(|verdict| in_flight.judge(verdict)) {
            self.counts.ejection(role, cause);
            warn!(role, instance = instance.id, outcome, "an instance is left alone for a while");
        }
        let role = role.to_owned();
        match answer {
            Ok(Ok(answer)) => Attempt::Answered(answer, in_flight),
            Ok(Err(error)) if error.is_connect() => {
                Attempt::Refused(MeshError::Unreachable { role, cause: chain(&error) })
            }
            Ok(Err(error)) => Attempt::Broken(broken(role, &error)),
            Err(_) => Attempt::Late(MeshError::Timeout { role, after: terms.patience }),
        }
    }

    fn pool(&self, role: &str) -> Arc<Pool> {
        if let Some(pool) = self.pools.read().unwrap_or_else(PoisonError::into_inner).get(role) {
            return pool.clone();
        }
        let mut pools = self.pools.write().unwrap_or_else(PoisonError::into_inner);
        let pool = pools.entry(role.to_owned());
        let rules = Rules {
            pass_over: self.config.pass_over,
            window: self.config.failure_window,
            failures: self.config.failures,
        };
        let (floor, share) = (self.config.retries_per_second, self.config.retry_share);
        pool.or_insert_with(|| Pool::new(self.discovery.watch(role), rules, floor, share)).clone()
    }

    fn random(&self) -> [u32; 2] {
        let mut halves = [[0; 4]; 2];
        self.entropy.fill(halves.as_flattened_mut());
        halves.map(u32::from_le_bytes)
    }
}

/// Makes the instance's answer ours: its body streams on, or its upgraded connection is joined to the caller's.
fn join(
    role: &str,
    mut answer: Response<Incoming>,
    upgrade: Option<OnUpgrade>,
    until: Option<Until>,
    in_flight: InFlight,
) -> Result<Response<Body>, MeshError> {
    if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
        let Some(caller) = upgrade else {
            let cause = "it switched protocols unasked".to_owned();
            return Err(MeshError::Malformed { role: role.to_owned(), cause });
        };
        tunnel(caller, hyper::upgrade::on(&mut answer), until, in_flight);
        return Ok(answer.map(|_| Body::empty()));
    }
    Ok(answer.map(|body| {
        if body.is_end_stream() {
            return Body::empty();
        }
        let body = body.map_err(axum::Error::new).boxed_unsync();
        Body::new(Held { body, until, _in_flight: in_flight })
    }))
}

/// Carries bytes both ways until both sides have ended, one has failed, or the caller leaves.
#[expect(
    clippy::disallowed_methods,
    reason = "it lives and ends with the caller's connection, as hyper's own task does"
)]
fn tunnel(caller: OnUpgrade, instance: OnUpgrade, until: Option<Until>, in_flight: InFlight) {
    tokio::spawn(async move {
        let _in_flight = in_flight;
        let (caller, instance) = match futures_util::future::try_join(caller, instance).await {
            Ok(both) => both,
            Err(error) => return debug!(%error, "an upgrade was not completed"),
        };
        let (mut caller, mut instance) = (TokioIo::new(caller), TokioIo::new(instance));
        tokio::select! {
            carried = tokio::io::copy_bidirectional(&mut caller, &mut instance) => {
                if let Err(error) = carried {
                    debug!(%error, "a tunnel broke");
                }
            }
            Some(()) = OptionFuture::from(until) => {}
        }
    });
}

/// The request's whole body, when it may be sent twice. What only reads may (RFC 9110 §9.2.1), unless it is to become
/// something else than an answer; all else when its caller says so.
fn whole_body(
    parts: &Parts,
    body: &Body,
    repeatable: Option<&Repeatable>,
    upgrade: Option<&OnUpgrade>,
) -> Option<Bytes> {
    let only_reads = parts.method.is_safe() && body.is_end_stream() && upgrade.is_none();
    repeatable.map(|repeatable| repeatable.0.clone()).or(only_reads.then(Bytes::new))
}

/// Whether an answer says that this instance cannot answer now, so that another one might.
fn is_away(status: StatusCode) -> bool {
    matches!(status, StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT)
}

fn addressed(parts: &Parts, body: Body, instance: &Instance) -> Request<Body> {
    let mut parts = parts.clone();
    let mut uri = parts.uri.into_parts();
    uri.scheme = Some(Scheme::HTTP);
    uri.authority = instance.address.to_string().parse().ok();
    parts.uri = Uri::from_parts(uri).expect("a scheme, a socket address and a path make a URI");
    Request::from_parts(parts, body)
}

fn broken(role: String, error: &Error) -> MeshError {
    MeshError::Broken { role, cause: chain(error) }
}

/// An error with its causes, which the client's own text leaves out.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
