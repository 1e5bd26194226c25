//! The first start, the second, and how it stops.

use std::io::Write;

use nix::sys::signal::Signal;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tertulia_client::{EventStream, Socket, SocketError};
use tertulia_contracts::frames::ServerFrame;

use crate::{
    process::{Folder, PASSWORD, Product},
    wire::{connect, hear, post, refused, request},
};

fn setup_token(product: &Product) -> String {
    let link = format!("{}/setup#", product.url);
    product
        .process
        .out
        .wait_for("a setup link", |line| line.trim().strip_prefix(&link).map(ToOwned::to_owned))
}

#[tokio::test]
async fn the_link_of_the_first_start_makes_exactly_one_operator() {
    let folder = Folder::new();
    let loud = ["--set", "telemetry.log=debug"];
    let mut product = Product::up(&folder, &loud);
    let token = setup_token(&product);
    assert!(token.len() >= 32, "{token} is short");
    let page = request(&product, Method::GET, "/setup", "").send().await.unwrap();
    assert_eq!(page.status(), StatusCode::OK);
    assert!(page.headers()["content-type"].to_str().unwrap().starts_with("text/html"));

    let claim = |handle: &str| {
        let account = json!({"handle": handle, "password": PASSWORD, "setup_token": token});
        post(&product, "/v1/accounts", "", account.to_string()).send()
    };
    let (a, b, c) = tokio::join!(claim("ana"), claim("bea"), claim("cid"));
    let mut operators = 0;
    for answer in [a, b, c] {
        let answer = answer.unwrap();
        let (status, body) = (answer.status(), answer.json::<Value>().await.unwrap());
        match status {
            StatusCode::CREATED => {
                operators += 1;
                assert_eq!(body["account"]["operator"], true, "{body}");
            }
            _ => assert_eq!(body["code"], "setup_link_invalid", "{body}"),
        }
    }
    assert_eq!(operators, 1);
    let late = json!({"handle": "dan", "password": PASSWORD, "setup_token": token});
    refused(post(&product, "/v1/accounts", "", late.to_string()), 403, "setup_link_invalid").await;
    let (_, member) = product.member("eva").await;
    assert!(!member.operator);
    product.stop();

    let mut again = Product::up(&folder, &loud);
    again.stop();
    let said = again.process.out.whole();
    assert!(!said.contains("/setup#"), "a second start offers a link: {said}");
    for log in [product.process.err.whole(), again.process.err.whole()] {
        assert!(!log.is_empty() && !log.contains(&token), "the link's token stands in the log");
    }
}

#[tokio::test]
async fn sigterm_tells_sockets_and_streams_to_resume_and_ends_in_good_order() {
    let folder = Folder::new();
    let mut product = Product::up(&folder, &["--set", "realtime.drain_ms=100"]);
    let (ana, _) = product.member("ana").await;
    let mut sockets = Vec::new();
    for _ in 0..3 {
        let (socket, ready) = Socket::hello(&product.url, &ana.token(), None).await.unwrap();
        assert!(matches!(ready, ServerFrame::Ready { .. }));
        sockets.push(socket);
    }
    let mut stream = EventStream::open(&ana, "", None).await.unwrap();
    assert_eq!(stream.next().await.unwrap().name, "ready");
    product.process.signal(Signal::SIGTERM);
    for mut socket in sockets {
        let closed = loop {
            match hear(&mut socket).await {
                Ok(_) => {}
                Err(SocketError::Closed(closed)) => break closed,
                Err(error) => panic!("{error}"),
            }
        };
        assert_eq!(closed.code, 4000, "{closed:?}");
    }
    let end = stream.next().await.unwrap();
    assert!(end.name == "end" && end.data.contains(r#""then":"resume""#), "{end:?}");
    assert!(stream.next().await.is_none() && stream.reader.retry_ms.is_some());
    // Whoever is late by the node's own deadline is told by the exit code.
    assert!(product.process.end().success(), "{}", product.process.err.whole());
}

#[tokio::test]
async fn a_second_signal_stops_at_once() {
    let folder = Folder::new();
    let mut product = Product::up(&folder, &["--set", "node.shutdown_timeout_ms=600000"]);
    // A request whose body does not come keeps the gateway waiting for it.
    let mut stream = connect(&product);
    let head = "POST /v1/accounts HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{";
    stream.write_all(head.as_bytes()).unwrap();
    // An answer on another connection shows that the server reads on; the first request was sent before.
    product.member("ana").await;
    product.process.signal(Signal::SIGTERM);
    product
        .process
        .err
        .wait_for("that it stops", |line| line.contains("\"signal\":\"SIGTERM\"").then_some(()));
    product.process.signal(Signal::SIGTERM);
    let ended = product.process.end();
    assert_eq!(ended.code(), Some(1), "it waited for what it had in hand");
    assert!(product.process.err.whole().contains("stopping at once"));
}
