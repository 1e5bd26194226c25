//! Which answers are sent compressed to whoever takes that (RFC 9110 §8.4): long texts that hold no secret.
//!
//! How well a text is compressed tells of what it repeats: who can have their own words stand beside a secret, again and again,
//! reads it from the lengths (BREACH: Prado, Harris and Gluck, 2013). So nothing is compressed that answers a write, which is
//! where secrets are shown, and nothing of auth's but what everybody is shown.

use axum::extract::Request;
use http::{Extensions, HeaderMap, HeaderValue, Method, StatusCode, Version, header};
use tertulia_contracts::routes::{Route, role};
use tower_http::compression::{
    CompressionLayer,
    predicate::{Predicate as _, SizeAbove},
};

/// Below this, in bytes, it is not worth it: an answer fits into one packet anyway.
const WORTH_IT: u64 = 1_024;
const TEXTS: &[&str] = &[
    "application/json",
    "application/problem+json",
    "application/jsonl",
    "application/x-ndjson",
    "text/html",
    "text/css",
    "text/javascript",
    "application/javascript",
    "image/svg+xml",
];
/// What auth shows to everybody.
const SHOWN: &[&str] = &["/v1/users", "/v1/users/{id}", "/.well-known/jwks.json"];

/// Marks an answer that is sent as it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AsItIs;

/// Whether what this route answers may stand in the same text as a secret.
pub(crate) fn may_hold_secrets(route: &Route) -> bool {
    route.method != Method::GET || route.role == role::AUTH && !SHOWN.contains(&route.path)
}

/// Takes from a request all that it says of encodings but that it takes gzip, if it does. Who takes nothing that there is, not
/// even the text as it is, is sent that: the layer would answer 406 in the place of what was done (RFC 9110 §12.5.3 has it as
/// a SHOULD).
pub(crate) async fn simplify(mut request: Request) -> Request {
    let asked = request.headers().get_all(header::ACCEPT_ENCODING);
    let codings = asked.iter().filter_map(|value| value.to_str().ok()).flat_map(|text| text.split(','));
    let weights: Vec<(bool, f32)> = codings.filter_map(gzip_weight).collect();
    // What is said of gzip itself goes before what is said of anything.
    let by_name = weights.iter().find(|(by_name, _)| *by_name);
    if by_name.or(weights.first()).is_some_and(|(_, weight)| *weight > 0.0) {
        request.headers_mut().insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    } else {
        request.headers_mut().remove(header::ACCEPT_ENCODING);
    }
    request
}

/// How much gzip is wished for by one of the codings that a client lists, and whether by its name.
fn gzip_weight(coding: &str) -> Option<(bool, f32)> {
    let mut parts = coding.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default();
    let by_name = ["gzip", "x-gzip"].iter().any(|known| name.eq_ignore_ascii_case(known));
    let weight =
        parts.find_map(|part| part.split_once('=').filter(|(name, _)| name.eq_ignore_ascii_case("q")));
    // A weight that is none is a wish for nothing.
    let weight = weight.map_or(1.0, |(_, weight)| weight.parse().unwrap_or(0.0));
    (by_name || name == "*").then_some((by_name, weight))
}

/// Compresses what may be.
pub(crate) fn layer() -> CompressionLayer<impl tower_http::compression::Predicate> {
    let fits = |_: StatusCode, _: Version, headers: &HeaderMap, marks: &Extensions| {
        let kind =
            headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        TEXTS.contains(&kind) && marks.get::<AsItIs>().is_none()
    };
    CompressionLayer::new().compress_when(SizeAbove::new(WORTH_IT).and(fits))
}
