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
use tertulia_contracts::{
    UserId,
    identity::{Verifier, bearer},
    routes::{Access, Route},
};
use tertulia_mesh::{Affinity, Deadline, Mesh, Repeatable};
use tertulia_runtime::{Entropy, Problem, entropy::random_part};

use crate::{
    address::client_address,
    compression::{AsItIs, may_hold_secrets},
    headers,
    leaving::Leaving,
    limits::{Limits, Standing, Who},
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
    pub(crate) limits: Limits,
    pub(crate) trusted_proxies: Vec<IpAddr>,
    pub(crate) leaving: Arc<Leaving>,
    pub(crate) load: Load,
    pub(crate) entropy: Arc<dyn Entropy>,
}

impl Edge {
    /// Answers a request to one route of the table.
    pub(crate) async fn forward(&self, route: &'static Route, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        let client = client_address(&parts, &self.trusted_proxies);
        let known = self.known(route, &parts).await;
        let who = known.as_ref().ok().copied().flatten().map_or(Who::From(client), Who::Member);
        let standing = self.limits.take(route, who).await;
        let within = standing.as_ref().map_or(Ok(()), Standing::check);
        let answer = match within.and(known) {
            Ok(_) => self.answer(route, (parts, body), client).await,
            Err(problem) => Err(problem),
        };
        let mut answer = answer.unwrap_or_else(IntoResponse::into_response);
        if let Some(standing) = standing {
            standing.show(&mut answer);
        }
        if may_hold_secrets(route) {
            answer.extensions_mut().insert(AsItIs);
        }
        if route.access == Access::Member || route.method != Method::GET {
            headers::keep_private(answer.headers_mut());
        }
        answer
    }

    /// Who asks, of a route that asks who that is.
    async fn known(&self, route: &Route, parts: &Parts) -> Result<Option<UserId>, Problem> {
        if route.access != Access::Member {
            return Ok(None);
        }
        let identity = self.verifier.verify(bearer(&parts.headers)?).await?;
        identity.permit(route.scope)?;
        Ok(Some(identity.user_id))
    }

    async fn answer(
        &self,
        route: &'static Route,
        (parts, body): (Parts, Body),
        client: Option<IpAddr>,
    ) -> Result<Response, Problem> {
        let request = self.admit(route, (parts, body), client).await?;
        self.pass_on(route, request).await
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
    async fn admit(
        &self,
        route: &'static Route,
        (mut parts, body): (Parts, Body),
        client: Option<IpAddr>,
    ) -> Result<Request, Problem> {
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
