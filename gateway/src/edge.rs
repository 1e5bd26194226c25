//! One request on its way in: known, within bounds, and handed to the role that serves it.

use std::{net::IpAddr, sync::Arc, time::Duration};

use axum::{
    body::{Body, HttpBody as _},
    extract::{FromRequestParts as _, RawPathParams, Request},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{Method, StatusCode, header, request::Parts};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use tertulia_cache::{Cache, Quota};
use tertulia_contracts::{
    address::network,
    identity::{Verifier, bearer},
    routes::{Access, Route},
};
use tertulia_mesh::{Affinity, Deadline, Mesh, Repeatable};
use tertulia_runtime::{Entropy, Problem, entropy::random_part};

use crate::{
    address::client_address,
    headers,
    leaving::Leaving,
    load::{Full, Load},
};

/// How long a body may take on routes that name no time of their own.
const BODY_TIMEOUT: Duration = Duration::from_secs(15);

/// Those who are sent away are told to come back spread over this time.
const RETURN_SPREAD: Duration = Duration::from_secs(3);

/// What every route is forwarded with.
pub(crate) struct Edge {
    pub(crate) mesh: Mesh,
    pub(crate) verifier: Arc<Verifier>,
    pub(crate) cache: Arc<dyn Cache>,
    pub(crate) quota: Quota,
    pub(crate) trusted_proxies: Vec<IpAddr>,
    pub(crate) leaving: Arc<Leaving>,
    pub(crate) load: Load,
    pub(crate) entropy: Arc<dyn Entropy>,
}

impl Edge {
    /// Answers a request to one route of the table.
    pub(crate) async fn forward(&self, route: &'static Route, request: Request) -> Response {
        let mut answer = match self.admit(route, request).await {
            Ok(request) => self.pass_on(route, request).await.unwrap_or_else(IntoResponse::into_response),
            Err(problem) => problem.into_response(),
        };
        if route.access == Access::Member || route.method != Method::GET {
            headers::keep_private(answer.headers_mut());
        }
        answer
    }

    async fn pass_on(&self, route: &'static Route, request: Request) -> Result<Response, Problem> {
        let place = self.load.enter(route).map_err(|Full| self.overloaded())?;
        let answer = self.mesh.call(route.role, request).await;
        if let (Some(place), Ok(answer)) = (place, &answer)
            && !answer.status().is_server_error()
        {
            place.answered();
        }
        Ok(answer?)
    }

    /// Who is sent away comes back at a moment of their own.
    fn overloaded(&self) -> Problem {
        let detail = "Too much is being asked of the service just now. Try again in a moment.";
        let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", detail);
        problem.retry_after(Duration::from_secs(1) + random_part(&*self.entropy, RETURN_SPREAD))
    }

    /// The request as the service is to see it, if it is to see it at all.
    async fn admit(&self, route: &'static Route, request: Request) -> Result<Request, Problem> {
        let (mut parts, body) = request.into_parts();
        let client = client_address(&parts, &self.trusted_proxies);
        match route.access {
            Access::Public if route.method == Method::POST => self.within_quota(route, client).await?,
            Access::Public | Access::InBand => {}
            Access::Member => {
                self.verifier.verify(bearer(&parts.headers)?).await?.permit(route.scope)?;
            }
        }
        headers::admit(&mut parts.headers, client);
        if let Some(parameter) = route.affinity {
            let affinity = path_parameter(&mut parts, parameter).await?;
            parts.extensions.insert(Affinity(affinity));
        }
        match route.timeout {
            Some(timeout) => drop(parts.extensions.insert(Deadline(timeout))),
            None => drop(parts.extensions.insert(self.leaving.until())),
        }
        // A socket's request has no body, and what comes on its connection is not to be waited for.
        if route.access == Access::InBand {
            return Ok(Request::from_parts(parts, Body::empty()));
        }
        let body = read(&parts, body, route).await?;
        // The body is whole now, however it came.
        parts.headers.remove(header::TRANSFER_ENCODING);
        if !body.is_empty() {
            parts.headers.insert(header::CONTENT_LENGTH, body.len().into());
        }
        if route.repeatable {
            parts.extensions.insert(Repeatable(body.clone()));
        }
        Ok(Request::from_parts(parts, Body::from(body)))
    }

    async fn within_quota(&self, route: &Route, client: Option<IpAddr>) -> Result<(), Problem> {
        let client = client.map_or_else(|| "unknown".to_owned(), |client| network(client).to_string());
        let admission = self.cache.admit(&format!("edge:{}:{client}", route.path), self.quota).await;
        if admission.allowed {
            return Ok(());
        }
        let detail = "Too many attempts from your address. Try again a little later.";
        let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", detail);
        Err(problem.retry_after(admission.retry_after))
    }
}

/// The whole body, up to the route's limit.
async fn read(parts: &Parts, body: Body, route: &Route) -> Result<Bytes, Problem> {
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    let too_large = || {
        let detail = format!("This address takes a body of at most {} bytes.", route.body_limit_bytes);
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail)
    };
    let announced =
        parts.headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|announced| announced > route.body_limit_bytes as u64) {
        return Err(too_large());
    }
    let whole = Limited::new(body, route.body_limit_bytes).collect();
    match tokio::time::timeout(route.timeout.unwrap_or(BODY_TIMEOUT), whole).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(Problem::new(StatusCode::BAD_REQUEST, "incomplete_body", "The body ended early.")),
        Err(_) => {
            let detail = "The body did not arrive in time.";
            Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "body_timeout", detail))
        }
    }
}

async fn path_parameter(parts: &mut Parts, name: &str) -> Result<String, Problem> {
    // What is not UTF-8 names nothing.
    let parameters = RawPathParams::from_request_parts(parts, &()).await.map_err(|_| Problem::not_found())?;
    let value = parameters.iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_owned());
    Ok(value.expect("the route's path has the parameter that its affinity names"))
}

/// What is neither in the table nor the gateway's own.
pub(crate) async fn no_such_route() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "route_not_found", "There is no such address here.")
}
