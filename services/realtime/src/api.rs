//! The one public route: the handshake that turns a request into a socket.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Request, State},
    response::Response,
};
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tertulia_contracts::{
    address::client_address,
    frames::{MAX_CLIENT_FRAME_BYTES, SUBPROTOCOL},
};
use tertulia_runtime::problem::Problem;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        handshake::server::create_response,
        protocol::{Role, WebSocketConfig},
    },
};

use crate::{
    connection::serve,
    error::Error,
    hub::{Hub, Seat},
    session::Session,
    websocket::Ws,
};

/// Clients send little and seldom: a large buffer a socket would be most of its memory. A hello and a message of some
/// sentences fit.
const READ_BUFFER_BYTES: usize = 512;

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
        (status = 400, description = "Not a WebSocket handshake.", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "`origin_refused`: the page is of another site.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`subprotocol_required`: the client does not offer `tertulia.v1`.", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "`too_many_sockets` of the client's address.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`node_full` or `node_draining`: try again, another node answers.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn open(State(hub): State<Arc<Hub>>, mut request: Request) -> Result<Response, Problem> {
    let mut response = handshake(&request)?;
    check_origin(request.headers(), &hub.config.allowed_origins)?;
    if !offers(request.headers(), SUBPROTOCOL) {
        return Err(Error::NoSubprotocol.into());
    }
    response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    let seat = hub.admit(client_address(request.headers()))?;
    serve_when_open(hyper::upgrade::on(&mut request), hub, seat);
    Ok(response)
}

/// Serves the connection once the response is sent and it speaks WebSocket.
#[expect(
    clippy::disallowed_methods,
    reason = "a socket's task ends with its connection, and the hub drains them all"
)]
fn serve_when_open(upgrade: OnUpgrade, hub: Arc<Hub>, seat: Seat) {
    tokio::spawn(async move {
        let upgraded = match upgrade.await {
            Ok(upgraded) => TokioIo::new(upgraded),
            Err(error) => return tracing::debug!(%error, "a connection ended within its handshake"),
        };
        let mut limits = WebSocketConfig::default().read_buffer_size(READ_BUFFER_BYTES).write_buffer_size(0);
        limits.max_frame_size = Some(MAX_CLIENT_FRAME_BYTES);
        limits.max_message_size = Some(MAX_CLIENT_FRAME_BYTES);
        let ws: Ws = Box::new(WebSocketStream::from_raw_socket(upgraded, Role::Server, Some(limits)).await);
        let session = Box::new(Session::new(seat));
        serve(ws, hub, session).await;
    });
}

/// The answer to a WebSocket handshake (RFC 6455 §4.2), without its body.
fn handshake(request: &Request) -> Result<Response, Problem> {
    let refused = || {
        let detail = "Open a WebSocket here (RFC 6455).";
        Problem::new(StatusCode::BAD_REQUEST, "not_a_websocket_handshake", detail)
    };
    if request.extensions().get::<OnUpgrade>().is_none() {
        return Err(refused());
    }
    let mut asked = http::Request::new(());
    *asked.method_mut() = request.method().clone();
    *asked.version_mut() = request.version();
    asked.headers_mut().clone_from(request.headers());
    let answer = create_response(&asked).map_err(|_| refused())?;
    Ok(answer.map(|()| Body::empty()))
}

/// Whether one of the subprotocols offered is this one: names, separated by commas, over any number of headers.
fn offers(headers: &HeaderMap, subprotocol: &str) -> bool {
    let offers =
        headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).into_iter().filter_map(|offer| offer.to_str().ok());
    offers.flat_map(|offer| offer.split(',')).any(|offer| offer.trim() == subprotocol)
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
