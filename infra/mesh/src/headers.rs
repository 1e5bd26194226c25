//! What of a request and of an answer goes on, and what ends with the connection it came by.

use axum::body::Body;
use http::{
    Extensions, HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Uri, Version, header,
};
use hyper::upgrade::OnUpgrade;
use tertulia_runtime::trace::current_traceparent;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Those that RFC 9110 §7.6.1 names, besides the ones that `Connection` lists.
const HOP_BY_HOP: [HeaderName; 8] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// The request as the role's router is to see it, wherever that runs. Of its extensions only a wished-for
/// upgrade is kept: an outer router's path parameters and matched path would mix with the inner one's.
pub(crate) fn forward(request: Request<Body>) -> Request<Body> {
    let (mut parts, body) = request.into_parts();
    let upgrade = parts.extensions.remove::<OnUpgrade>();
    parts.extensions = Extensions::new();
    let protocol = wished_protocol(&parts.headers);
    strip(&mut parts.headers);
    if let (Some(protocol), Some(upgrade)) = (protocol, upgrade) {
        restore_upgrade(&mut parts.headers, protocol);
        parts.extensions.insert(upgrade);
    }
    if let Some(traceparent) = current_traceparent().and_then(|text| HeaderValue::try_from(text).ok()) {
        parts.headers.insert(TRACEPARENT, traceparent);
    }
    parts.version = Version::HTTP_11;
    parts.uri = parts.uri.into_parts().path_and_query.map_or_else(|| Uri::from_static("/"), Uri::from);
    Request::from_parts(parts, body)
}

/// The answer as the caller is to see it.
pub(crate) fn backward(mut answer: Response<Body>) -> Response<Body> {
    let protocol = wished_protocol(answer.headers());
    strip(answer.headers_mut());
    if answer.status() == StatusCode::SWITCHING_PROTOCOLS
        && let Some(protocol) = protocol
    {
        restore_upgrade(answer.headers_mut(), protocol);
    }
    answer
}

/// What `Upgrade` asks for, provided that `Connection` says that it means this connection.
fn wished_protocol(headers: &HeaderMap) -> Option<HeaderValue> {
    let is_meant = connection_options(headers).any(|option| option.eq_ignore_ascii_case("upgrade"));
    headers.get(header::UPGRADE).filter(|_| is_meant).cloned()
}

fn restore_upgrade(headers: &mut HeaderMap, protocol: HeaderValue) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, protocol);
}

fn strip(headers: &mut HeaderMap) {
    let listed: Vec<HeaderName> =
        connection_options(headers).filter_map(|option| HeaderName::try_from(option).ok()).collect();
    for name in listed.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

fn connection_options(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = headers.get_all(header::CONNECTION).into_iter();
    values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(headers: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn headers_of_one_connection_end_with_it() {
        let request = Request::builder()
            .uri("http://elsewhere:80/v1/me?a=b")
            .header("connection", "close, X-Private")
            .header("x-private", "1")
            .header("keep-alive", "timeout=5")
            .header("transfer-encoding", "chunked")
            .header("upgrade", "websocket")
            .header("x-request-id", "r-1")
            .header("authorization", "Bearer t")
            .body(Body::empty())
            .unwrap();
        let forwarded = forward(request);
        assert_eq!(names(forwarded.headers()), ["authorization", "x-request-id"]);
        assert_eq!(forwarded.uri(), "/v1/me?a=b");
    }

    #[test]
    fn an_extension_of_an_outer_router_does_not_reach_an_inner_one() {
        let mut request = Request::new(Body::empty());
        request.extensions_mut().insert("path parameters");
        assert!(forward(request).extensions().is_empty());
    }

    #[test]
    fn an_answer_keeps_its_upgrade_only_when_it_switches() {
        for (status, expected) in [(101, vec!["connection", "upgrade"]), (426, vec![])] {
            let answer = Response::builder()
                .status(status)
                .header("connection", "Upgrade")
                .header("upgrade", "websocket")
                .body(Body::empty())
                .unwrap();
            assert_eq!(names(backward(answer).headers()), expected, "{status}");
        }
    }
}
