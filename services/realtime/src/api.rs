//! The one public route: the handshake that turns a request into a socket.

use std::sync::Arc;

use axum::{
    extract::{State, WebSocketUpgrade, ws::rejection::WebSocketUpgradeRejection},
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, StatusCode, Uri, header};
use tertulia_contracts::frames::{MAX_CLIENT_FRAME_BYTES, SUBPROTOCOL};
use tertulia_runtime::problem::Problem;

use crate::{connection::serve, error::Error, hub::Hub, session::Session};

/// Clients send little and seldom: a large buffer a socket would be most of its memory.
const READ_BUFFER_BYTES: usize = 1 << 10;
/// Frames are gathered up to here before they are written, and a busy socket keeps this much.
const WRITE_BUFFER_BYTES: usize = 16 << 10;

/// Opens a socket of the protocol `tertulia.v1`.
///
/// docs/protocol.md is its specification. The first frame authenticates, so the handshake needs no token.
#[utoipa::path(
    get,
    path = "/v1/realtime",
    tag = "realtime",
    params(("Sec-WebSocket-Protocol" = String, Header, description = "Offers `tertulia.v1`.")),
    responses(
        (status = 101, description = "A WebSocket of the subprotocol `tertulia.v1`."),
        (status = 400, description = "Not a WebSocket handshake.", body = Problem),
        (status = 403, description = "`origin_refused`: the page is of another site.", body = Problem),
        (status = 422, description = "`subprotocol_required`: the client does not offer `tertulia.v1`.", body = Problem),
        (status = 503, description = "`node_full` or `node_draining`: try again, another node answers.", body = Problem),
    )
)]
pub(crate) async fn open(
    State(hub): State<Arc<Hub>>,
    headers: HeaderMap,
    handshake: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let handshake = handshake.map_err(|rejection| {
        Problem::new(
            rejection.into_response().status(),
            "not_a_websocket_handshake",
            "Open a WebSocket here (RFC 6455).",
        )
    })?;
    check_origin(&headers, &hub.config.allowed_origins)?;
    let handshake = handshake.protocols([SUBPROTOCOL]);
    if handshake.selected_protocol().is_none() {
        return Err(Error::NoSubprotocol.into());
    }
    let seat = hub.admit()?;
    let response = handshake
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .max_frame_size(MAX_CLIENT_FRAME_BYTES)
        .max_message_size(MAX_CLIENT_FRAME_BYTES)
        .on_upgrade(|ws| {
            // Each future keeps its arguments twice, before and after its first step: here, pointers.
            let session = Box::new(Session::new(seat));
            serve(Box::new(ws), hub, session)
        });
    debug_assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
    Ok(response)
}

/// A browser tells which page opens the socket and lets any page try (RFC 6455 §10.2): only pages of this host
/// and those configured may. Other clients send no Origin, or could send whatever they like.
fn check_origin(headers: &HeaderMap, allowed: &[String]) -> Result<(), Error> {
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
    let refused = || Error::ForeignOrigin(String::from_utf8_lossy(origin.as_bytes()).into_owned());
    let text = origin.to_str().map_err(|_| refused())?;
    if allowed.iter().any(|allowed| allowed.eq_ignore_ascii_case(text)) {
        return Ok(());
    }
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let origin = text.parse::<Uri>().ok();
    let origin_host = origin.as_ref().and_then(Uri::authority).map(http::uri::Authority::as_str);
    match (origin_host, host) {
        (Some(origin), Some(host)) if origin.eq_ignore_ascii_case(host) => Ok(()),
        _ => Err(refused()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_of_this_host_and_those_configured_may_open_a_socket() {
        let allowed = ["https://chat.example".to_owned()];
        let check = |origin: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, "localhost:8080".parse().unwrap());
            headers.insert(header::ORIGIN, origin.parse().unwrap());
            check_origin(&headers, &allowed).is_ok()
        };
        assert!(check_origin(&HeaderMap::new(), &allowed).is_ok(), "not a browser");
        for good in ["http://localhost:8080", "http://LOCALHOST:8080", "https://chat.example"] {
            assert!(check(good), "{good} was refused");
        }
        for bad in [
            "null",
            "",
            "http://localhost",
            "http://localhost:8081",
            "https://chat.example.evil",
            "https://evil",
        ] {
            assert!(!check(bad), "{bad} was accepted");
        }
    }
}
