//! From a client's request to the role that serves it.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{RawPathParams, Request, State},
    handler::Handler,
    response::{IntoResponse, Response},
    routing::{MethodFilter, MethodRouter},
};
use http::{HeaderMap, HeaderName, StatusCode, header};
use http_body_util::Limited;
use tertulia_contracts::{
    identity::{Verifier, bearer},
    routes::{Access, Route},
};
use tertulia_mesh::{Affinity, Deadline, Mesh};
use tertulia_runtime::problem::Problem;

use crate::limit::Limit;

/// What a forwarded request needs.
#[derive(Clone)]
pub(crate) struct Edge {
    mesh: Mesh,
    verifier: Arc<Verifier>,
}

impl Edge {
    pub(crate) fn new(mesh: Mesh, verifier: Arc<Verifier>) -> Self {
        Self { mesh, verifier }
    }
}

/// A router that takes exactly the table's routes.
pub(crate) fn router(table: &'static [Route], edge: &Edge, knocking: &Limit) -> Router {
    let mut router = Router::new();
    for route in table {
        let filter = MethodFilter::try_from(route.method.clone()).expect("the table names methods of HTTP");
        let state = Forwarding { edge: edge.clone(), route };
        let handler = forward.with_state(state);
        let mut method = MethodRouter::new().on_service(filter, handler);
        if knocking.applies_to(route) {
            method = knocking.layer(method);
        }
        router = router.route(route.path, method);
    }
    router
}

#[derive(Clone)]
struct Forwarding {
    edge: Edge,
    route: &'static Route,
}

async fn forward(
    State(Forwarding { edge, route }): State<Forwarding>,
    parameters: RawPathParams,
    mut request: Request,
) -> Result<Response, Problem> {
    if route.access == Access::Member {
        edge.verifier.verify(bearer(request.headers())?).await?;
    }
    take_off_claims(request.headers_mut());
    let mut request = bounded(request, route.body_limit_bytes)?;
    let parameter = route.affinity.and_then(|name| parameters.iter().find(|(key, _)| *key == name));
    if let Some((_, value)) = parameter {
        request.extensions_mut().insert(Affinity(value.to_owned()));
    }
    if let Some(timeout) = route.timeout {
        request.extensions_mut().insert(Deadline(timeout));
    }
    Ok(edge.mesh.call(route.role, request).await?.into_response())
}

/// Headers by which one hop tells the next what it knows. A client's word for them counts nothing.
fn take_off_claims(headers: &mut HeaderMap) {
    let claims: Vec<HeaderName> = headers
        .keys()
        .filter(|name| {
            let name = name.as_str();
            name.starts_with("x-forwarded-") || name.starts_with("tertulia-") || name == "x-real-ip"
        })
        .cloned()
        .chain([header::FORWARDED])
        .collect();
    for name in claims {
        headers.remove(name);
    }
}

/// Refuses a body that says it is too large, and cuts off one that is without saying so.
fn bounded(request: Request, limit_bytes: usize) -> Result<Request, Problem> {
    let length = request.headers().get(header::CONTENT_LENGTH);
    let length = length.and_then(|value| value.to_str().ok()).and_then(|text| text.parse::<usize>().ok());
    if length.is_some_and(|length| length > limit_bytes) {
        let detail = format!("The body is larger than the {limit_bytes} bytes that this address takes.");
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail));
    }
    Ok(request.map(|body| Body::new(Limited::new(body, limit_bytes))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_cannot_claim_what_only_a_hop_knows() {
        let mut headers = HeaderMap::new();
        for name in
            ["x-forwarded-for", "x-forwarded-host", "forwarded", "x-real-ip", "tertulia-user", "accept"]
        {
            headers.insert(HeaderName::from_static(name), "1".parse().unwrap());
        }
        take_off_claims(&mut headers);
        assert_eq!(headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["accept"]);
    }
}
