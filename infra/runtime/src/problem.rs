//! What a failure looks like on the wire: problem details for HTTP APIs (RFC 9457), the only map from
//! [`Kind`] to a status, and the layers that make a problem of whatever else would go wrong in a router.
//!
//! Promise: every answer of a router under [`layers`] with a status of 400 or above is
//! `application/problem+json` with a stable `code`, and never quotes an internal cause.

use std::{
    any::Any,
    borrow::Cow,
    fmt::Write,
    ops::{Deref, DerefMut},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::openapi::{RefOr, schema::Schema};

use crate::{Fault, FieldError, Kind};

/// The media type of every error.
pub const CONTENT_TYPE: &str = "application/problem+json";

/// When a kind says "later" and the fault does not say when.
const DEFAULT_RETRY_AFTER: Duration = Duration::from_secs(1);

/// An error as a client sees it. Boxed, as it travels in the `Err` of every handler.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Problem(Box<Details>);

/// What a [`Problem`] says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Details {
    /// Names the sort of problem: `urn:tertulia:problem:` and the code.
    #[serde(rename = "type")]
    pub kind: String,
    /// What the status means, the same for every problem of that status.
    pub title: String,
    /// The HTTP status, again, for whoever lost the response's head.
    pub status: u16,
    /// A stable word that clients branch on: `handle_taken`.
    pub code: Cow<'static, str>,
    /// One sentence for the person who caused it.
    pub detail: Cow<'static, str>,
    /// Every wrong field, where the fault lies in fields.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// What else a client needs to go on (RFC 9457 §3.2), by names of the problem's own.
    #[serde(flatten)]
    #[schema(ignore)]
    pub extensions: Map<String, Value>,
    /// The request it answers, to be quoted to the operator, who finds it in the logs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Sent as `Retry-After`, rounded up to whole seconds.
    #[serde(skip)]
    #[schema(ignore)]
    pub retry_after: Option<Duration>,
}

/// The one map from a kind of failure to a status.
pub const fn status_of(kind: Kind) -> StatusCode {
    match kind {
        Kind::NotFound => StatusCode::NOT_FOUND,
        Kind::Conflict => StatusCode::CONFLICT,
        Kind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
        Kind::Unauthenticated => StatusCode::UNAUTHORIZED,
        Kind::Forbidden => StatusCode::FORBIDDEN,
        Kind::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Kind::Timeout => StatusCode::GATEWAY_TIMEOUT,
        Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl Problem {
    /// A problem that only HTTP knows of (a method, a media type); a service's own failures are
    /// [`Fault`]s and become problems by `?`.
    pub fn new(
        status: StatusCode,
        code: impl Into<Cow<'static, str>>,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        let code = code.into();
        let later = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
        Self(Box::new(Details {
            kind: format!("urn:tertulia:problem:{code}"),
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            status: status.as_u16(),
            code,
            detail: detail.into(),
            errors: Vec::new(),
            extensions: Map::new(),
            request_id: None,
            retry_after: later.then_some(DEFAULT_RETRY_AFTER),
        }))
    }

    /// A request that was understood and is wrong in these fields: 422 `invalid_fields`.
    pub fn invalid_fields(errors: Vec<FieldError>) -> Self {
        let detail = "Some fields are not as they should be; each is listed under errors.";
        let mut problem = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_fields", detail);
        problem.errors = errors;
        problem
    }

    /// Nothing is known of what this address names: 404 `not_found`.
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "There is nothing here by that name.")
    }

    /// The same, with the time after which trying again makes sense.
    #[must_use]
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn to_body(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a problem is plain strings and numbers and encodes")
    }

    /// What an answer without a problem of its own becomes, from its status alone.
    fn of_status(status: StatusCode) -> Self {
        let (code, detail) = match status {
            StatusCode::NOT_FOUND => ("route_not_found", "There is no such address here."),
            StatusCode::METHOD_NOT_ALLOWED => {
                ("method_not_allowed", "This address does not take that method; Allow lists those it takes.")
            }
            StatusCode::PAYLOAD_TOO_LARGE => {
                ("body_too_large", "The body is larger than this address takes.")
            }
            StatusCode::UNSUPPORTED_MEDIA_TYPE => {
                ("unsupported_media_type", "This address does not take a body of that media type.")
            }
            StatusCode::REQUEST_TIMEOUT | StatusCode::GATEWAY_TIMEOUT => {
                ("timeout", "It took longer than allowed and may or may not have happened.")
            }
            StatusCode::UPGRADE_REQUIRED => ("upgrade_required", "This address speaks WebSocket only."),
            status if status.is_client_error() => {
                ("bad_request", "The request is not one that can be answered.")
            }
            _ => ("internal", "Something went wrong on our side; it has been noted."),
        };
        Self::new(status, code, detail)
    }
}

impl Deref for Problem {
    type Target = Details;

    fn deref(&self) -> &Details {
        &self.0
    }
}

impl DerefMut for Problem {
    fn deref_mut(&mut self) -> &mut Details {
        &mut self.0
    }
}

impl utoipa::PartialSchema for Problem {
    fn schema() -> RefOr<Schema> {
        Details::schema()
    }
}

impl utoipa::ToSchema for Problem {
    fn name() -> Cow<'static, str> {
        "Problem".into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        Details::schemas(schemas);
    }
}

impl<E: Fault> From<E> for Problem {
    /// Logs the whole chain of causes, here and nowhere else, and keeps only what a user may know.
    fn from(fault: E) -> Self {
        let kind = fault.kind();
        let causes = chain(&fault);
        match kind {
            Kind::Internal => tracing::error!(code = fault.code(), error = %causes, "the request failed"),
            Kind::Unavailable | Kind::Timeout => {
                tracing::warn!(code = fault.code(), error = %causes, "the request failed");
            }
            _ => tracing::debug!(code = fault.code(), error = %causes, "the request was refused"),
        }
        let mut problem = Self::new(status_of(kind), fault.code(), fault.detail());
        problem.errors = fault.fields();
        problem.extensions = fault.extensions();
        problem.retry_after = fault.retry_after().or(problem.retry_after);
        problem
    }
}

/// An error and its causes on one line. A cause that the error's own text already ends with is not repeated.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.ends_with(&next) {
            let _ = write!(text, ": {next}");
        }
        cause = error.source();
    }
    text
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.to_body()));
        *response.status_mut() = self.status_code();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
        if let Some(after) = self.retry_after {
            let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        if self.status_code() == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        // RFC 6750 §3.1: what it lacks is said where programs look for it.
        if self.code == "insufficient_scope" {
            let challenge = HeaderValue::from_static("Bearer error=\"insufficient_scope\"");
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        // Kept beside its text, so that a layer can add the request's id without parsing it again.
        response.extensions_mut().insert(self);
        response
    }
}

/// Writes the request's id into an answer that is a problem of this process; others stay as they are.
pub fn name_request(response: &mut Response, request_id: &str) {
    let Some(problem) = response.extensions_mut().get_mut::<Problem>() else { return };
    problem.request_id = Some(request_id.to_owned());
    let body = problem.to_body();
    response.headers_mut().remove(header::CONTENT_LENGTH);
    *response.body_mut() = Body::from(body);
}

/// Makes a problem of whatever else a router answers with a status of 400 or above: unmatched routes,
/// wrong methods (with `Allow`), refusals of axum's own extractors, and panics. Put it on after the last
/// merge: a router merged later brings its own fallback.
pub fn layers<S: Clone + Send + Sync + 'static>(router: Router<S>) -> Router<S> {
    router.layer(CatchPanicLayer::custom(of_panic)).layer(axum::middleware::map_response(ensure))
}

#[expect(clippy::needless_pass_by_value, reason = "the signature is the layer's")]
fn of_panic(panic: Box<dyn Any + Send>) -> Response {
    tracing::error!(panic = panic_text(panic.as_ref()), "a handler panicked");
    Problem::of_status(StatusCode::INTERNAL_SERVER_ERROR).into_response()
}

/// What a panic said, if it said it in text.
pub fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("(no text)")
}

/// Only empty and plain text answers are replaced: those are axum's, never a service's.
async fn ensure(response: Response) -> Response {
    let status = response.status();
    let media_type = response.headers().get(header::CONTENT_TYPE);
    let is_plain = media_type.is_none_or(|value| value.as_bytes().starts_with(b"text/plain"));
    if !(status.is_client_error() || status.is_server_error()) || !is_plain {
        return response;
    }
    let mut replaced = Problem::of_status(status).into_response();
    for (name, value) in response.headers() {
        if name != header::CONTENT_TYPE && name != header::CONTENT_LENGTH {
            replaced.headers_mut().insert(name, value.clone());
        }
    }
    replaced
}

#[cfg(test)]
mod tests;
