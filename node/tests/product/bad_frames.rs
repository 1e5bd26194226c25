//! Sockets that break the protocol.

use tertulia_client::{Closed, Socket, SocketError};
use tertulia_contracts::frames::{ClientFrame, ServerFrame};
use tokio_tungstenite::tungstenite::{Bytes, Message};

use crate::{
    process::{Folder, Product},
    wire::{hear, raw_refused},
};

/// Reads until the socket closes, and returns what was said before.
async fn to_the_end(socket: &mut Socket) -> (Vec<ServerFrame>, Closed) {
    let mut heard = Vec::new();
    loop {
        match hear(socket).await {
            Ok(frame) => heard.push(frame),
            Err(SocketError::Closed(closed)) => return (heard, closed),
            Err(error) => panic!("{error}"),
        }
    }
}

async fn greeted(product: &Product, token: &str) -> Socket {
    let (socket, ready) = Socket::hello(&product.url, token, None).await.unwrap();
    assert!(matches!(ready, ServerFrame::Ready { .. }), "{ready:?}");
    socket
}

fn text(text: impl Into<String>) -> Message {
    Message::Text(text.into().into())
}

#[tokio::test]
async fn who_never_says_hello_is_stopped() {
    let folder = Folder::new();
    let product = Product::up(&folder, &["--set", "realtime.hello_timeout_ms=200"]);
    let mut silent = Socket::connect(&product.url).await.unwrap();
    let (heard, closed) = to_the_end(&mut silent).await;
    assert_eq!((heard.len(), closed.code), (0, 4002), "{closed:?}");
}

#[tokio::test]
async fn what_comes_before_hello_is_not_acted_upon() {
    let folder = Folder::new();
    let product = Product::up(&folder, &[]);
    let binary = Message::Binary(Bytes::from_static(b"\0\x01"));
    for first in [text(r#"{"t":"ping"}"#), text("hello"), text(""), text("[".repeat(10_000)), binary] {
        let mut socket = Socket::connect(&product.url).await.unwrap();
        socket.say_raw(first).await.unwrap();
        let (heard, closed) = to_the_end(&mut socket).await;
        assert_eq!((heard.len(), closed.code), (0, 4002), "{closed:?}");
    }
}

#[tokio::test]
async fn frames_that_are_none_are_refused_and_then_stopped() {
    let folder = Folder::new();
    let product = Product::up(&folder, &[]);
    let (ana, _) = product.member("ana").await;
    let mut socket = greeted(&product, &ana.token()).await;
    let wrong = [
        text("{"),
        text(r#"{"t":"dance"}"#),
        text(r#"{"t":"ping","extra":1}"#),
        text("[".repeat(10_000)),
        Message::Binary(Bytes::from_static(b"{}")),
    ];
    for frame in wrong {
        socket.say_raw(frame).await.unwrap();
        let answer = hear(&mut socket).await.unwrap();
        assert!(
            matches!(&answer, ServerFrame::Error { code, .. } if code == "malformed_frame"),
            "{answer:?}"
        );
    }
    socket.say(&ClientFrame::Ping {}).await.unwrap();
    assert!(matches!(hear(&mut socket).await.unwrap(), ServerFrame::Pong));
    for _ in 0..20 {
        // It may be closed before the last one.
        let _ = socket.say_raw(text("{")).await;
    }
    let (_, closed) = to_the_end(&mut socket).await;
    assert_eq!(closed.code, 4002, "{closed:?}");
}

#[tokio::test]
async fn a_frame_over_its_bound_is_not_read() {
    let folder = Folder::new();
    let product = Product::up(&folder, &[]);
    let (ana, _) = product.member("ana").await;
    let mut socket = greeted(&product, &ana.token()).await;
    let padding = "x".repeat(64 << 10);
    socket.say_raw(text(format!(r#"{{"t":"ping","p":"{padding}"}}"#))).await.unwrap();
    let (heard, closed) = to_the_end(&mut socket).await;
    assert_eq!((heard.len(), closed.code), (0, 1009), "{closed:?}");
}

#[tokio::test]
async fn a_flood_is_refused_and_others_are_served() {
    let folder = Folder::new();
    let product = Product::up(&folder, &[]);
    let ((ana, _), (bea, _)) = (product.member("ana").await, product.member("bea").await);
    let mut flooding = greeted(&product, &ana.token()).await;
    for _ in 0..1_000 {
        flooding.say(&ClientFrame::Ping {}).await.unwrap();
    }
    let mut calm = greeted(&product, &bea.token()).await;
    calm.say(&ClientFrame::Ping {}).await.unwrap();
    assert!(matches!(hear(&mut calm).await.unwrap(), ServerFrame::Pong));
    let (mut served, mut refused) = (0, 0);
    while served + refused < 1_000 {
        match hear(&mut flooding).await {
            Ok(ServerFrame::Pong) => served += 1,
            Ok(ServerFrame::Error { code, retry_after: Some(_), .. }) if code == "rate_limited" => {
                refused += 1;
            }
            Err(SocketError::Closed(closed)) => {
                assert_eq!(closed.code, 4002, "{closed:?}");
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    // The burst is 200, of which the hello was one, and whoever takes seconds to send a thousand is given 50 more in
    // each.
    assert!(served >= 199 && refused > 0, "{served} served, {refused} refused");
}

#[tokio::test]
async fn a_socket_that_is_asked_for_in_the_wrong_way_is_a_problem() {
    let folder = Folder::new();
    let product = Product::up(&folder, &[]);
    let plain = "GET /v1/realtime HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    raw_refused(&product, plain.as_bytes(), 400, "not_a_websocket_handshake");
    let upgrade = "GET /v1/realtime HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
        sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let host = product.url.strip_prefix("http://").unwrap();
    let no_subprotocol = format!("{}\r\n", upgrade.replace("host: x", &format!("host: {host}")));
    raw_refused_open(&product, &no_subprotocol, 422, "subprotocol_required");
    let foreign =
        format!("{upgrade}origin: https://evil.example\r\nsec-websocket-protocol: tertulia.v1\r\n\r\n");
    raw_refused_open(&product, &foreign, 403, "origin_refused");
}

/// The connection asks to be upgraded and so cannot ask to be closed: the answer's length says where it ends.
fn raw_refused_open(product: &Product, head: &str, status: u16, code: &str) {
    raw_refused(
        product,
        head.replace("connection: upgrade", "connection: close, upgrade").as_bytes(),
        status,
        code,
    );
}
