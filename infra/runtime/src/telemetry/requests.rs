use std::sync::Arc;

use axum::{
    Router,
    extract::{MatchedPath, Request, State},
    middleware::{Next, from_fn_with_state},
    response::Response,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::trace::Status;
use tracing::{Instrument, Span, field::Empty};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::{Ids, problem::name_request, trace};

/// Names a request, in it and in its answer.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const MAX_REQUEST_ID_BYTES: usize = 64;

/// The id of the request being answered, among the request's extensions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(pub Arc<str>);

/// Gives every request of a role a span and an id: those its headers name if they are well formed, fresh
/// ones otherwise. The id is passed on in the request's headers and returned in the answer's, and in its
/// body when that is a problem. Put it on outermost, after the last merge.
pub fn trace_requests<S>(role: &'static str, ids: Arc<Ids>, router: Router<S>) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    router.layer(from_fn_with_state((role, ids), follow))
}

async fn follow(
    State((role, ids)): State<(&'static str, Arc<Ids>)>,
    mut request: Request,
    next: Next,
) -> Response {
    let id = request_id(request.headers(), &ids);
    let Ok(header) = HeaderValue::from_str(&id) else { unreachable!("a request id is visible ASCII") };
    request.headers_mut().insert(REQUEST_ID, header.clone());
    let span = span(role, &request, &id);
    if let Some(parent) = request.headers().get(TRACEPARENT).and_then(|value| value.to_str().ok()) {
        trace::set_parent(&span, parent);
    }
    trace::note_trace_id(&span);
    request.extensions_mut().insert(RequestId(id.clone()));
    let mut response = next.run(request).instrument(span.clone()).await;
    let status = response.status();
    // For the trace alone: a field recorded late is written into the log lines' prefix anew each time.
    span.set_attribute("http.response.status_code", i64::from(status.as_u16()));
    if status.is_server_error() {
        span.set_status(Status::error(""));
    }
    response.headers_mut().insert(REQUEST_ID, header);
    name_request(&mut response, &id);
    response
}

fn request_id(headers: &HeaderMap, ids: &Ids) -> Arc<str> {
    let given = headers.get(REQUEST_ID).map(HeaderValue::as_bytes);
    let well_formed = given
        .filter(|id| (1..=MAX_REQUEST_ID_BYTES).contains(&id.len()) && id.iter().all(u8::is_ascii_graphic));
    match well_formed.and_then(|id| std::str::from_utf8(id).ok()) {
        Some(id) => id.into(),
        None => ids.next_ulid().to_string().into(),
    }
}

/// At the level of errors, so that a line logged within it names the request however little is logged.
fn span(role: &'static str, request: &Request, id: &str) -> Span {
    let route = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    tracing::error_span!(
        "request",
        role,
        method = %request.method(),
        route,
        request_id = id,
        trace_id = Empty,
        otel.kind = "server",
    )
}
