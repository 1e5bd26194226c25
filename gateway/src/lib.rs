//! The gateway is the edge: everything from outside comes through it. It is built from the contracts' route
//! table and knows no service but by its role; it keeps no state and understands no body.
//!
//! Promises:
//! * **Nothing but the table.** A path that is not in the route table, or the gateway's own, reaches nobody:
//!   the services' internal paths do not exist here.
//! * **Known or refused.** A member's route is forwarded only with a valid token that is good for it; the service
//!   verifies it again.
//! * **Bounded.** A body is read whole, up to its route's limit and within its route's time, before a service hears
//!   of it; an answer begins within the route's time or is 504.
//! * **Not worn out.** Members are limited by who they are, others by their address, for all gateways together.
//! * **Not drowned.** When answers take long, fewer requests of their class are let in at a time, and the rest is told
//!   at once to come back.
//! * **Not to be fooled.** Headers that only the inside may set (`x-forwarded-*`, `forwarded`, `tertulia-*`) are
//!   taken off; the client's address is believed of a listed proxy alone.
//! * **Leaves in order.** What it carries for long ends spread over a time when it leaves, so that those clients do
//!   not come to the other gateways in one moment.
//! * **One language.** Every failure is `application/problem+json` with a stable code and the request's id.

mod address;
mod compression;
mod cors;
mod docs;
mod edge;
mod headers;
mod leaving;
mod limits;
mod load;
pub mod openapi;

use std::{net::IpAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    routing::{MethodFilter, MethodRouter, on},
};
use serde::{Deserialize, Serialize};
use tertulia_cache::Cache;
use tertulia_contracts::{
    identity::Verifier,
    routes::{ROUTES, Route, role},
};
use tertulia_mesh::Mesh;
use tertulia_runtime::{Ambient, Metrics, Supervisor, lifecycle::Health, problem, telemetry::trace_requests};

pub use cors::Origin;
use edge::Edge;
use leaving::Leaving;
use limits::Limits;
use load::Load;

/// What an operator may set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Proxies in front of the gateway, whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpAddr>,
    /// So many requests of one address to register, to sign in and to refresh are let through at once (each
    /// counted for itself); at least 1.
    pub stranger_burst: u32,
    /// And one more each such time.
    pub stranger_period_ms: u64,
    /// So many reads of one user, or of one address without a good token, are let through at once; at least 1.
    pub read_burst: u32,
    /// And one more each such time.
    pub read_period_ms: u64,
    /// So many writes of one user are let through at once; at least 1.
    pub write_burst: u32,
    /// And one more each such time.
    pub write_period_ms: u64,
    /// Other sites whose pages may ask: `https://app.example`.
    pub cors_origins: Vec<Origin>,
    /// At shutdown, the sockets and streams that go through to other processes end spread over this time.
    pub drain_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            trusted_proxies: Vec::new(),
            stranger_burst: 60,
            stranger_period_ms: 1000,
            read_burst: 2_000,
            read_period_ms: 5,
            write_burst: 1_000,
            write_period_ms: 10,
            cors_origins: Vec::new(),
            drain_ms: 2_000,
        }
    }
}

/// What the gateway stands on.
pub struct Deps {
    /// Clock, ids and randomness.
    pub ambient: Ambient,
    /// The stage that the gateway leaves with.
    pub supervisor: Supervisor,
    /// The way to the services.
    pub mesh: Mesh,
    /// Tells who asks.
    pub verifier: Arc<Verifier>,
    /// Where quotas are kept, for all gateways together.
    pub cache: Arc<dyn Cache>,
    /// Answers `/health/*`.
    pub health: Health,
    /// Answers `/metrics`, and counts.
    pub metrics: Metrics,
    /// The services' parts of the OpenAPI document.
    pub openapi: Vec<utoipa::openapi::OpenApi>,
    /// The `AsyncAPI` document.
    pub asyncapi: serde_json::Value,
}

/// The public router, with every layer it needs: tracing, metrics and problems.
///
/// # Panics
/// When the services' OpenAPI documents describe one operation twice, which a test of every build excludes.
pub fn build(config: Config, deps: Deps) -> Router {
    let stopping = deps.supervisor.stopping_token();
    let spread = Duration::from_millis(config.drain_ms);
    let leaving = Arc::new(Leaving::new(stopping, deps.ambient.entropy.clone(), spread));
    let left = leaving.clone();
    deps.supervisor.spawn("gateway.leaving", async move { left.done().await });
    let edge = Edge {
        mesh: deps.mesh,
        verifier: deps.verifier,
        limits: Limits::new(&config, deps.cache, &deps.metrics),
        trusted_proxies: config.trusted_proxies,
        leaving,
        load: Load::new(&deps.metrics),
        entropy: deps.ambient.entropy.clone(),
    };
    let document = openapi::merge(deps.openapi);
    let router = forwarding(&Arc::new(edge))
        .merge(docs::router(&document, &deps.asyncapi))
        .merge(deps.health.router())
        .merge(deps.metrics.router())
        .fallback(edge::no_such_route);
    let router = problem::layers(router)
        .layer(axum::middleware::map_response(headers::secure))
        .layer(compression::layer())
        .layer(axum::middleware::map_request(compression::simplify));
    let router =
        if config.cors_origins.is_empty() { router } else { router.layer(cors::layer(&config.cors_origins)) };
    let router = deps.metrics.observe(role::GATEWAY, router);
    trace_requests(role::GATEWAY, deps.ambient.ids, router)
}

/// The route table as a router.
fn forwarding(edge: &Arc<Edge>) -> Router {
    ROUTES
        .iter()
        .fold(Router::new(), |router, route| router.route(route.path, forwarded(route, edge.clone())))
}

fn forwarded(route: &'static Route, edge: Arc<Edge>) -> MethodRouter {
    let forward = move |request| {
        let edge = edge.clone();
        async move { edge.forward(route, request).await }
    };
    let method = MethodFilter::try_from(route.method.clone());
    on(method.expect("the table holds methods that axum routes by"), forward)
}
