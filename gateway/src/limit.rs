//! How fast one address may knock: sign-ups, sign-ins and refreshes are what strangers try in bulk, and
//! each costs a password hash.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    extract::{ConnectInfo, Request, State},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::MethodRouter,
};
use http::StatusCode;
use tertulia_cache::{Cache, Quota};
use tertulia_contracts::routes::{Access, Route};
use tertulia_runtime::problem::Problem;

/// A quota by address, shared by every gateway through the cache.
#[derive(Clone)]
pub(crate) struct Limit {
    cache: Arc<dyn Cache>,
    quota: Quota,
}

impl Limit {
    pub(crate) fn new(cache: Arc<dyn Cache>, quota: Quota) -> Self {
        Self { cache, quota }
    }

    /// Public routes that change something.
    pub(crate) fn applies_to(&self, route: &Route) -> bool {
        route.access == Access::Public && !route.method.is_safe()
    }

    pub(crate) fn layer(&self, routes: MethodRouter) -> MethodRouter {
        routes.layer(from_fn_with_state(self.clone(), admit))
    }
}

async fn admit(State(limit): State<Limit>, request: Request, next: Next) -> Response {
    // Without an address (a router called in process) there is nobody to limit.
    if let Some(ConnectInfo(peer)) = request.extensions().get::<ConnectInfo<SocketAddr>>() {
        let admission = limit.cache.admit(&format!("knock/{}", peer.ip()), limit.quota).await;
        if !admission.allowed {
            let detail = "Too many attempts from this address. Try again later.";
            let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", detail);
            return problem.retry_after(admission.retry_after).into_response();
        }
    }
    next.run(request).await
}
