//! The way to instances in other processes: HTTP/1.1 over kept connections.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use axum::body::{Body, HttpBody as _};
use futures_util::future::OptionFuture;
use http::{Request, Response, StatusCode, Uri, request::Parts, uri::Scheme};
use http_body_util::BodyExt as _;
use hyper::{body::Incoming, upgrade::OnUpgrade};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo, TokioTimer},
};
use tertulia_discovery::{Discovery, Instance};
use tertulia_runtime::Entropy;
use tracing::{debug, warn};

use crate::{
    Affinity, MeshConfig, MeshError, Until,
    lent::{Held, Home},
    pool::{InFlight, Pool},
};

pub(crate) struct Remote {
    discovery: Arc<dyn Discovery>,
    entropy: Arc<dyn Entropy>,
    client: Client<HttpConnector, Body>,
    /// One for each role ever called; roles are words of this program, not of its users.
    pools: RwLock<HashMap<String, Arc<Pool>>>,
    discovery_wait: Duration,
    pass_over: Duration,
}

impl Remote {
    pub(crate) fn new(discovery: Arc<dyn Discovery>, entropy: Arc<dyn Entropy>, config: &MeshConfig) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(config.connect_timeout));
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(config.idle_timeout)
            .pool_max_idle_per_host(config.idle_connections)
            .build(connector);
        let (discovery_wait, pass_over) = (config.discovery_wait, config.pass_over);
        Self { discovery, entropy, client, pools: RwLock::default(), discovery_wait, pass_over }
    }

    /// Asks one instance; a second one when the first could not be connected to.
    pub(crate) async fn call(
        &self,
        role: &str,
        affinity: Option<&Affinity>,
        until: Option<Until>,
        request: Request<Body>,
    ) -> Result<Response<Body>, MeshError> {
        let pool = self.pool(role);
        let instances = pool.instances(self.discovery_wait).await;
        let (mut parts, body) = request.into_parts();
        let upgrade = parts.extensions.remove::<OnUpgrade>();
        let home = Home::new(body);
        let Some((first, in_flight)) = pool.enter(&instances, affinity, None, self.random()) else {
            return Err(MeshError::NoInstance { role: role.to_owned() });
        };
        let error = match self.send(&first, &parts, &home).await {
            Ok(answer) => return join(role, answer, upgrade, until, in_flight),
            Err(error) => error,
        };
        drop(in_flight);
        if !error.is_connect() {
            return Err(broken(role, &error));
        }
        pool.pass_over(&first);
        warn!(role, instance = first.id, error = chain(&error), "cannot connect to an instance");
        let Some((second, in_flight)) = pool.enter(&instances, affinity, Some(&first), self.random()) else {
            return Err(unreachable(role, &error));
        };
        match self.send(&second, &parts, &home).await {
            Ok(answer) => join(role, answer, upgrade, until, in_flight),
            Err(error) if error.is_connect() => {
                pool.pass_over(&second);
                Err(unreachable(role, &error))
            }
            Err(error) => Err(broken(role, &error)),
        }
    }

    async fn send(
        &self,
        instance: &Instance,
        parts: &Parts,
        home: &Home,
    ) -> Result<Response<Incoming>, hyper_util::client::legacy::Error> {
        let body = home.lend().expect("the client reads of a body only once it has a connection");
        let mut parts = parts.clone();
        let mut uri = parts.uri.into_parts();
        uri.scheme = Some(Scheme::HTTP);
        uri.authority = instance.address.to_string().parse().ok();
        parts.uri = Uri::from_parts(uri).expect("a scheme, a socket address and a path make a URI");
        self.client.request(Request::from_parts(parts, body)).await
    }

    fn pool(&self, role: &str) -> Arc<Pool> {
        if let Some(pool) = self.pools.read().unwrap_or_else(PoisonError::into_inner).get(role) {
            return pool.clone();
        }
        let mut pools = self.pools.write().unwrap_or_else(PoisonError::into_inner);
        let pool = pools.entry(role.to_owned());
        pool.or_insert_with(|| Pool::new(self.discovery.watch(role), self.pass_over)).clone()
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

fn unreachable(role: &str, error: &hyper_util::client::legacy::Error) -> MeshError {
    MeshError::Unreachable { role: role.to_owned(), cause: chain(error) }
}

fn broken(role: &str, error: &hyper_util::client::legacy::Error) -> MeshError {
    MeshError::Broken { role: role.to_owned(), cause: chain(error) }
}

/// An error with its causes, which the client's own text leaves out.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
