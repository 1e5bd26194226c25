//! What clients may not say to the inside, and what browsers are told with every answer.

use std::net::IpAddr;

use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use tertulia_contracts::address::FORWARDED_FOR;

/// Takes off what only the inside may say, and says where the request comes from.
pub(crate) fn admit(headers: &mut HeaderMap, client: Option<IpAddr>) {
    let inside: Vec<HeaderName> = headers.keys().filter(|name| is_inside(name.as_str())).cloned().collect();
    for name in inside {
        headers.remove(name);
    }
    if let Some(client) = client.and_then(|client| HeaderValue::try_from(client.to_string()).ok()) {
        headers.insert(FORWARDED_FOR, client);
    }
}

fn is_inside(name: &str) -> bool {
    name.starts_with("x-forwarded-")
        || name.starts_with("tertulia-")
        || matches!(name, "forwarded" | "x-real-ip")
}

/// What browsers need to be told about an answer that does not speak for itself: it is data, not a page, and
/// belongs in no frame.
const SECURITY: [(HeaderName, HeaderValue); 3] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'; base-uri 'none'"),
    ),
];

/// Adds the security headers that an answer does not have yet.
pub(crate) async fn secure(mut answer: Response) -> Response {
    for (name, value) in SECURITY {
        answer.headers_mut().entry(name).or_insert(value);
    }
    answer
}

/// What a member is shown, and what signing in returns (RFC 6749 §5.1), is for them alone: no cache keeps it
/// unless the service says it may.
pub(crate) fn keep_private(headers: &mut HeaderMap) {
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}
