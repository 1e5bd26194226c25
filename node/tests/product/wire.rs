//! Requests as nobody's client library would send them, and what every refusal has in common.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use reqwest::{Method, RequestBuilder, Response};
use serde_json::Value;
use tertulia_client::{Socket, SocketError};
use tertulia_contracts::frames::ServerFrame;

use crate::process::{DEADLINE, Product};

/// An address of the product, as this token's bearer.
pub(crate) fn request(product: &Product, method: Method, path: &str, token: &str) -> RequestBuilder {
    let request = reqwest::Client::new().request(method, format!("{}{path}", product.url)).timeout(DEADLINE);
    if token.is_empty() { request } else { request.bearer_auth(token) }
}

/// A JSON body that may be anything but JSON.
pub(crate) fn post(product: &Product, path: &str, token: &str, body: impl Into<Vec<u8>>) -> RequestBuilder {
    let request = request(product, Method::POST, path, token);
    request.header("content-type", "application/json").body(body.into())
}

/// Sends it; it must be refused with this status and code, in the one form that refusals have.
pub(crate) async fn refused(request: RequestBuilder, status: u16, code: &str) -> Value {
    problem(request.send().await.unwrap(), status, code).await
}

async fn problem(answer: Response, status: u16, code: &str) -> Value {
    let header = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    let (found, media_type, id) = (answer.status(), header("content-type"), header("x-request-id"));
    let body = answer.text().await.unwrap();
    check(found.as_u16(), media_type.as_deref(), id.as_deref(), &body, status, code)
}

fn check(found: u16, media: Option<&str>, id: Option<&str>, body: &str, status: u16, code: &str) -> Value {
    assert_eq!(found, status, "{body}");
    assert_eq!(media, Some("application/problem+json"), "{body}");
    let problem: Value = serde_json::from_str(body).unwrap();
    assert_eq!(problem["code"], code, "{body}");
    assert_eq!(problem["status"], status, "{body}");
    assert_eq!(problem["type"], format!("urn:tertulia:problem:{code}"), "{body}");
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.ends_with('.')), "{body}");
    assert!(id.is_some_and(|id| !id.is_empty()), "{body}");
    assert_eq!(problem["request_id"].as_str(), id, "{body}");
    problem
}

/// Sends these bytes; what comes back must be a refusal of this status and code.
pub(crate) fn raw_refused(product: &Product, bytes: &[u8], status: u16, code: &str) {
    let answer = raw(product, bytes);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
    let field = |name: &str| {
        head.lines().find_map(|line| {
            let (field, value) = line.split_once(':')?;
            field.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    };
    let found = head.split(' ').nth(1).unwrap().parse().unwrap();
    check(found, field("content-type"), field("x-request-id"), body, status, code);
}

fn raw(product: &Product, bytes: &[u8]) -> String {
    let mut stream = connect(product);
    // Who refuses a body need not read it to its end.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}

/// The next frame, which comes within the deadline.
pub(crate) async fn hear(socket: &mut Socket) -> Result<ServerFrame, SocketError> {
    tokio::time::timeout(DEADLINE, socket.hear()).await.expect("nothing is heard")
}

/// A bare connection.
pub(crate) fn connect(product: &Product) -> TcpStream {
    let stream = TcpStream::connect(product.url.strip_prefix("http://").unwrap()).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream
}
