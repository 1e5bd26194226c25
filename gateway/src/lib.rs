//! The edge: the one address that clients know.
//!
//! It owns nothing. Its router is built from the contracts' route table: it says who asks (and the service
//! verifies that again), bounds the body and the time, limits how fast strangers may knock, takes
//! off what a client must not claim, and hands the request to the role's own router through the mesh. It knows
//! contracts, not services. Every answer that is not a success is problem+json.

mod api_page;
mod document;
mod forward;
mod limit;

use std::{sync::Arc, time::Duration};

use axum::Router;
use tertulia_cache::{Cache, Quota};
use tertulia_contracts::{identity::Verifier, routes::ROUTES};
use tertulia_mesh::Mesh;
use tertulia_runtime::problem;
use utoipa::openapi::OpenApi;

pub use document::merge;

/// What an operator decides about the edge.
#[derive(Debug, Clone)]
pub struct Config {
    /// How fast one address may call the public routes that change something.
    pub knock: Quota,
}

impl Default for Config {
    /// Thirty at once, then one every two seconds.
    fn default() -> Self {
        Self { knock: Quota { burst: 30, period: Duration::from_secs(2) } }
    }
}

/// What the edge is given.
#[derive(Clone)]
pub struct Deps {
    /// The way to every role.
    pub mesh: Mesh,
    /// Tells who asks.
    pub verifier: Arc<Verifier>,
    /// Keeps the quotas.
    pub cache: Arc<dyn Cache>,
}

/// The edge's router. `documents` are the services' parts of the API's description.
pub fn build(config: &Config, deps: &Deps, documents: Vec<OpenApi>) -> Router {
    let edge = forward::Edge::new(deps.mesh.clone(), deps.verifier.clone());
    let knocking = limit::Limit::new(deps.cache.clone(), config.knock);
    let routes = forward::router(ROUTES, &edge, &knocking);
    problem::layers(routes.merge(api_page::router(merge(documents))))
}
