//! Which other sites' pages may ask (the Fetch standard, CORS protocol). Who they are is for their token to say, which their
//! script sends itself: no cookie goes along, so a page that nobody listed gains nothing by its visitors.

use std::time::Duration;

use http::{HeaderName, HeaderValue, Method, Uri, header};
use serde::{Deserialize, Serialize};
use tertulia_runtime::telemetry::REQUEST_ID;
use tower_http::cors::{AllowOrigin, CorsLayer};

/// How long a browser need not ask again.
const MAX_AGE: Duration = Duration::from_hours(1);

/// The origin of a site's pages, `https://chat.example`, as browsers write it (RFC 6454 §6.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Origin(HeaderValue);

impl TryFrom<String> for Origin {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong =
            || format!("{text:?} is no origin such as \"https://chat.example\", as browsers write it");
        let uri: Uri = text.parse().map_err(|_| wrong())?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(wrong());
        };
        let usual_port = match scheme {
            "https" => 443,
            "http" => 80,
            _ => return Err(wrong()),
        };
        // Nobody is ever matched by what a browser would not send: a user, a path, capital letters, the usual port.
        let written = format!("{scheme}://{authority}");
        let is_usual = authority.port_u16() == Some(usual_port);
        if authority.as_str().contains('@') || is_usual || written != text || text != text.to_lowercase() {
            return Err(wrong());
        }
        HeaderValue::try_from(&text).map(Self).map_err(|_| wrong())
    }
}

impl From<Origin> for String {
    fn from(Origin(value): Origin) -> Self {
        value.to_str().expect("an origin is made of a string").to_owned()
    }
}

/// Lets these sites' pages ask. Every `OPTIONS` is then a preflight.
pub(crate) fn layer(origins: &[Origin]) -> CorsLayer {
    let header = HeaderName::from_static;
    let allowed = [
        header::AUTHORIZATION,
        header::CONTENT_TYPE,
        header::IF_NONE_MATCH,
        header("idempotency-key"),
        header("last-event-id"),
        header("traceparent"),
        REQUEST_ID,
    ];
    let exposed = [
        header::CONTENT_DISPOSITION,
        header::ETAG,
        header::RETRY_AFTER,
        header::WWW_AUTHENTICATE,
        header("idempotency-replayed"),
        header("ratelimit"),
        header("ratelimit-policy"),
        REQUEST_ID,
    ];
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins.iter().map(|Origin(value)| value.clone())))
        .allow_methods([Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers(allowed)
        .expose_headers(exposed)
        .max_age(MAX_AGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_what_a_browser_sends() {
        for fine in ["https://chat.example", "http://localhost:5173", "https://[2001:db8::1]:8443"] {
            let origin: Origin = serde_json::from_value(fine.into()).unwrap();
            assert_eq!(String::from(origin), fine);
        }
        for wrong in [
            "",
            "*",
            "null",
            "chat.example",
            "https://",
            "https://chat.example/",
            "https://chat.example/path",
            "https://chat.example?q",
            "https://user@chat.example",
            "https://Chat.example",
            "HTTPS://chat.example",
            "https://chat.example:443",
            "http://chat.example:80",
            "ftp://chat.example",
            "https://*.chat.example/",
            "https://a.example, https://b.example",
            "file:///tmp",
        ] {
            serde_json::from_value::<Origin>(wrong.into()).expect_err(wrong);
        }
    }
}
