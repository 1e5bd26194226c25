//! What clients may not say to the inside, and what browsers are told with every answer.

use std::net::IpAddr;

use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use tertulia_contracts::address::FORWARDED_FOR;
use tertulia_runtime::trace::is_traceparent;

/// Takes off what only the inside may say, and says where the request comes from.
pub(crate) fn admit(headers: &mut HeaderMap, client: Option<IpAddr>) {
    // First: what is said from here on, no wish of the client's takes off again (RFC 9110 §7.6.1).
    let mut ends_here = of_the_connection(headers);
    ends_here.extend(headers.keys().filter(|name| is_inside(name.as_str())).cloned());
    for name in ends_here {
        headers.remove(name);
    }
    let traceparent = headers.get(TRACEPARENT).map(|it| it.to_str().is_ok_and(is_traceparent));
    if traceparent == Some(false) {
        headers.remove(TRACEPARENT);
        headers.remove(TRACESTATE);
    }
    if let Some(client) = client.and_then(|client| HeaderValue::try_from(client.to_string()).ok()) {
        headers.insert(FORWARDED_FOR, client);
    }
}

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// What ends with the client's connection, as it says itself. Its wish for another protocol is the mesh's to judge.
fn of_the_connection(headers: &mut HeaderMap) -> Vec<HeaderName> {
    let said = headers.get_all(header::CONNECTION).into_iter().filter_map(|value| value.to_str().ok());
    let said: Vec<&str> = said.flat_map(|value| value.split(',')).map(str::trim).collect();
    let upgrades = said.iter().any(|option| option.eq_ignore_ascii_case("upgrade"));
    let others = said.iter().filter(|option| !option.eq_ignore_ascii_case("upgrade"));
    let others = others.filter_map(|option| HeaderName::try_from(*option).ok()).collect();
    headers.remove(header::CONNECTION);
    if upgrades {
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    }
    others
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
