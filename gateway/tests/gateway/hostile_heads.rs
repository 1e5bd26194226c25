//! Requests that no client library sends: each is refused, or passed on without what makes it dangerous. They come over a
//! real connection to the listener that the product uses, and what the service behind was shown is looked at.

use std::sync::{Arc, Mutex};

use axum::{Router, extract::Request, routing::any};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use tertulia_contracts::routes::role;
use tertulia_gateway::Config;
use tertulia_runtime::lifecycle::{ServeLimits, serve};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use crate::inside::Inside;

const SOON: std::time::Duration = std::time::Duration::from_secs(10);
const TARGET: &str = "/v1/conversations/cnv_1/messages";
const SMUGGLED: &str = "GET /v1/conversations/smuggled HTTP/1.1\r\nHost: chat.example\r\n\r\n";

/// What the service behind was shown.
#[derive(Debug, Clone)]
struct Shown {
    method: Method,
    target: String,
    headers: HeaderMap,
    body: usize,
}

/// What is to become of a request.
enum Fate {
    /// It is answered with one of these statuses, and the service hears nothing.
    Refused(&'static [u16]),
    /// It is answered nothing, and the connection is closed.
    HungUp,
    /// The service is shown it, and this is so of it.
    Passed(fn(&Shown) -> bool),
}

use Fate::{HungUp, Passed, Refused};

struct Front {
    address: std::net::SocketAddr,
    shown: Arc<Mutex<Vec<Shown>>>,
    token: String,
    inside: Inside,
}

impl Front {
    async fn open() -> Self {
        let inside = Inside::without(&["messaging"]);
        let shown: Arc<Mutex<Vec<Shown>>> = Arc::default();
        let record = shown.clone();
        let recorder = Router::new().fallback(any(move |request: Request| async move {
            let (parts, body) = request.into_parts();
            let body = axum::body::to_bytes(body, 1 << 22).await.unwrap().len();
            let target = parts.uri.path().to_owned();
            record.lock().unwrap().push(Shown { method: parts.method, target, headers: parts.headers, body });
        }));
        inside.mesh.mount(role::MESSAGING, recorder);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        serve(listener, inside.gateway(Config::default()), ServeLimits::default(), &inside.supervisor);
        let token = inside.signer.token(inside.ambient.ids.next());
        Self { address, shown, token, inside }
    }

    /// Sends these bytes on a connection of its own; the status that is answered first, none if nothing is.
    async fn send(&self, bytes: &[u8]) -> Option<u16> {
        self.shown.lock().unwrap().clear();
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        // Who refuses need not read to the end.
        let _ = stream.write_all(bytes).await;
        let _ = stream.shutdown().await;
        let mut answer = Vec::new();
        let _ = timeout(SOON, stream.read_to_end(&mut answer)).await.expect("the connection stays open");
        let answer = String::from_utf8_lossy(&answer).into_owned();
        answer.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()
    }

    /// A post with these lines in its head, and this behind it.
    fn post(&self, lines: &str, rest: &str) -> Vec<u8> {
        let token = &self.token;
        format!("POST {TARGET} HTTP/1.1\r\nHost: chat.example\r\nAuthorization: Bearer {token}\r\n{lines}\r\n{rest}").into()
    }

    /// A read of this target with these lines in its head.
    fn get(&self, target: &str, lines: &str) -> Vec<u8> {
        let token = &self.token;
        format!("GET {target} HTTP/1.1\r\nHost: chat.example\r\nAuthorization: Bearer {token}\r\n{lines}\r\n")
            .into()
    }

    async fn check(&self, name: &str, bytes: &[u8], fate: &Fate) -> Result<(), String> {
        let status = self.send(bytes).await;
        let shown = self.shown.lock().unwrap().clone();
        let smuggled = shown.iter().any(|shown| shown.target.contains("smuggled"));
        let fits = match fate {
            Refused(statuses) => shown.is_empty() && status.is_some_and(|status| statuses.contains(&status)),
            HungUp => shown.is_empty() && status.is_none(),
            Passed(so) => status == Some(200) && shown.len() == 1 && so(&shown[0]),
        };
        if fits && !smuggled { Ok(()) } else { Err(format!("{name}: {status:?}, shown {shown:?}")) }
    }
}

/// The headers of this name that were shown.
fn all<'a>(shown: &'a Shown, name: &str) -> Vec<&'a str> {
    let values = shown.headers.get_all(HeaderName::try_from(name).unwrap()).into_iter();
    values.map(|value: &HeaderValue| value.to_str().unwrap_or("?")).collect()
}

fn comes_from_here(shown: &Shown) -> bool {
    all(shown, "x-forwarded-for") == ["127.0.0.1"]
}

const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";

fn framing(front: &Front) -> Vec<(&'static str, Vec<u8>, Fate)> {
    let smuggling = format!("0\r\n\r\n{SMUGGLED}");
    let both = format!("Content-Length: {}\r\n{CHUNKED}", smuggling.len());
    let two = format!("Content-Length: 2\r\nContent-Length: {}\r\n", 2 + SMUGGLED.len());
    let behind = format!("{{}}{SMUGGLED}");
    vec![
        (
            "length and chunks",
            front.post(&both, &smuggling),
            Passed(|shown| shown.body == 0 && all(shown, "content-length").is_empty()),
        ),
        (
            "chunks and length",
            front.post(&format!("{CHUNKED}Content-Length: 5\r\n"), &smuggling),
            Passed(|shown| shown.body == 0 && all(shown, "content-length").is_empty()),
        ),
        ("two lengths that differ", front.post(&two, &behind), Refused(&[400])),
        ("two lengths in one", front.post("Content-Length: 2, 99\r\n", &behind), Refused(&[400])),
        ("a negative length", front.post("Content-Length: -1\r\n", &behind), Refused(&[400])),
        ("a length with a sign", front.post("Content-Length: +2\r\n", &behind), Refused(&[400])),
        ("a hexadecimal length", front.post("Content-Length: 0x2\r\n", &behind), Refused(&[400])),
        (
            "a length that overflows",
            front.post("Content-Length: 18446744073709551618\r\n", &behind),
            Refused(&[400]),
        ),
        ("a length beyond the bound", front.post("Content-Length: 99999999999\r\n", "{}"), Refused(&[413])),
    ]
}

fn codings(front: &Front) -> Vec<(&'static str, Vec<u8>, Fate)> {
    let smuggling = format!("0\r\n\r\n{SMUGGLED}");
    vec![
        ("a coding nobody knows", front.post("Transfer-Encoding: xchunked\r\n", &smuggling), Refused(&[400])),
        (
            "chunks that are not last",
            front.post("Transfer-Encoding: chunked, identity\r\n", &smuggling),
            Refused(&[400]),
        ),
        ("a hidden coding", front.post("Transfer-Encoding:\x0bchunked\r\n", &smuggling), Refused(&[400])),
        (
            "a coding behind a space",
            front.post("Transfer-Encoding : chunked\r\n", &smuggling),
            Refused(&[400]),
        ),
        ("a folded coding", front.post("Transfer-Encoding:\r\n chunked\r\n", &smuggling), Refused(&[400])),
        ("a chunk without a size", front.post(CHUNKED, "\r\n{}\r\n0\r\n\r\n"), Refused(&[400])),
        ("a chunk with a sign", front.post(CHUNKED, "+2\r\n{}\r\n0\r\n\r\n"), Refused(&[400])),
        (
            "a chunk that overflows",
            front.post(CHUNKED, "fffffffffffffffff\r\n{}\r\n0\r\n\r\n"),
            Refused(&[400]),
        ),
        ("a chunk longer than it says", front.post(CHUNKED, "1\r\n{}\r\n0\r\n\r\n"), Refused(&[400])),
        (
            "a chunk with a flood behind its size",
            front.post(CHUNKED, &format!("2;{}\r\n{{}}\r\n0\r\n\r\n", "x".repeat(1 << 17))),
            Refused(&[400]),
        ),
        ("chunks that end early", front.post(CHUNKED, "5\r\n{}"), Refused(&[400])),
        ("a body that ends early", front.post("Content-Length: 5\r\n", "{}"), Refused(&[400])),
        (
            "fields behind the chunks",
            front.post(
                &format!("{CHUNKED}Trailer: x-forwarded-for\r\n"),
                "2\r\n{}\r\n0\r\nx-forwarded-for: 198.51.100.1\r\ntertulia-user: usr_1\r\n\r\n",
            ),
            Passed(|shown| {
                comes_from_here(shown)
                    && all(shown, "tertulia-user").is_empty()
                    && all(shown, "trailer").is_empty()
                    && shown.body == 2
            }),
        ),
        (
            "chunks as they should be",
            front.post(CHUNKED, "2\r\n{}\r\n0\r\n\r\n"),
            Passed(|shown| {
                shown.body == 2
                    && all(shown, "content-length") == ["2"]
                    && all(shown, "transfer-encoding").is_empty()
            }),
        ),
    ]
}

fn lines(front: &Front) -> Vec<(&'static str, Vec<u8>, Fate)> {
    let head = |first: &str| format!("{first}\r\nAuthorization: Bearer {}\r\n\r\n", front.token).into_bytes();
    let many = "x-a: 1\r\n".repeat(101);
    let long = format!("x-long: {}\r\n", "x".repeat(40 << 10));
    let get = |lines: &str| front.get(TARGET, lines);
    vec![
        ("NUL in a value", get("x-a: 1\x002\r\n"), Refused(&[400])),
        ("NUL in a name", get("x-\0a: 1\r\n"), Refused(&[400])),
        ("a bare CR in a value", get("x-a: 1\rx-forwarded-for: 1.2.3.4\r\n"), Refused(&[400])),
        ("a name with a space", get("x a: 1\r\n"), Refused(&[400])),
        ("a line without a colon", get("nonsense\r\n"), Refused(&[400])),
        ("a folded line", get("x-a: 1\r\n x-forwarded-for: 1.2.3.4\r\n"), Refused(&[400])),
        ("a line that begins with a colon", get(": 1\r\n"), Refused(&[400])),
        ("a hundred and one lines", get(&many), Refused(&[431])),
        ("a head that is too large", get(&long), Refused(&[431])),
        ("an unknown version", head("GET /v1/me HTTP/9.9\r\nHost: a"), Refused(&[400, 505])),
        ("another protocol's preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), HungUp),
        (
            "TLS where there is none",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
            Refused(&[400]),
        ),
    ]
}

fn targets(front: &Front) -> Vec<(&'static str, Vec<u8>, Fate)> {
    let head = |first: &str| format!("{first}\r\nAuthorization: Bearer {}\r\n\r\n", front.token).into_bytes();
    let get = |lines: &str| front.get(TARGET, lines);
    vec![
        ("no host", head("GET /v1/me HTTP/1.1\r\nAccept: */*"), Refused(&[400])),
        ("two hosts", get("Host: evil.example\r\n"), Refused(&[400])),
        ("a host with a user", head("GET /v1/me HTTP/1.1\r\nHost: user@chat.example"), Refused(&[400])),
        (
            "another host in the target",
            head(&format!("GET http://evil.example{TARGET} HTTP/1.1\r\nHost: chat.example")),
            Passed(|shown| all(shown, "host").iter().all(|host| *host != "evil.example")),
        ),
        (
            "a tunnel",
            head("CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443"),
            Refused(&[400, 404, 405]),
        ),
        (
            "a question that is loud",
            head("TRACE /v1/me HTTP/1.1\r\nHost: chat.example"),
            Refused(&[400, 404, 405]),
        ),
        (
            "a path that climbs out",
            front.get("/v1/conversations/../../internal/users/usr_1", ""),
            Refused(&[404]),
        ),
        (
            "a path that climbs out in disguise",
            front.get("/v1/conversations/%2e%2e%2f%2e%2e%2finternal/messages", ""),
            Passed(|shown| shown.target == "/v1/conversations/%2e%2e%2f%2e%2e%2finternal/messages"),
        ),
        ("a path of the inside", front.get("/internal/users/usr_1", ""), Refused(&[404])),
        ("a control character in the target", front.get("/v1/me\x01", ""), Refused(&[400])),
    ]
}

fn claims(front: &Front) -> Vec<(&'static str, Vec<u8>, Fate)> {
    let get = |lines: &str| front.get(TARGET, lines);
    vec![
        ("an address that is made up", get("X-Forwarded-For: 198.51.100.1\r\n"), Passed(comes_from_here)),
        (
            "an address in another header",
            get("Forwarded: for=198.51.100.1\r\nX-Real-IP: 198.51.100.1\r\n"),
            Passed(|shown| {
                comes_from_here(shown)
                    && all(shown, "forwarded").is_empty()
                    && all(shown, "x-real-ip").is_empty()
            }),
        ),
        (
            "another host that is made up",
            get("X-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: https\r\n"),
            Passed(|shown| {
                all(shown, "x-forwarded-host").is_empty() && all(shown, "x-forwarded-proto").is_empty()
            }),
        ),
        (
            "words of the inside",
            get("Tertulia-User: usr_1\r\nTERTULIA-DEADLINE-MS: 999999\r\n"),
            Passed(|shown| {
                all(shown, "tertulia-user").is_empty() && all(shown, "tertulia-deadline-ms") != ["999999"]
            }),
        ),
        (
            "a connection that takes the address along",
            get("Connection: x-forwarded-for\r\n"),
            Passed(comes_from_here),
        ),
        (
            "a connection that takes the token along",
            get("Connection: close, authorization\r\n"),
            Passed(|shown| all(shown, "authorization").is_empty() && comes_from_here(shown)),
        ),
        (
            "a connection that takes the length along",
            front.post("Connection: content-length\r\nContent-Length: 2\r\n", "{}"),
            Passed(|shown| shown.body == 2),
        ),
    ]
}

fn wishes(front: &Front) -> Vec<(&'static str, Vec<u8>, Fate)> {
    let get = |lines: &str| front.get(TARGET, lines);
    vec![
        (
            "headers of the connection alone",
            get(
                "Keep-Alive: 99\r\nProxy-Connection: keep-alive\r\nTE: trailers\r\nProxy-Authorization: Basic eA==\r\n",
            ),
            Passed(|shown| {
                ["keep-alive", "proxy-connection", "te", "proxy-authorization"]
                    .iter()
                    .all(|name| all(shown, name).is_empty())
            }),
        ),
        (
            "another protocol that is wished for",
            get("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"),
            Passed(|shown| all(shown, "http2-settings").is_empty()),
        ),
        (
            "another method that is wished for",
            get("X-HTTP-Method-Override: DELETE\r\nX-Method-Override: DELETE\r\n"),
            Passed(|shown| shown.method == Method::GET),
        ),
        (
            "another path that is wished for",
            get("X-Original-URL: /internal/users\r\nX-Rewrite-URL: /internal/users\r\n"),
            Passed(|shown| shown.target == TARGET),
        ),
        ("two tokens", get("Authorization: Bearer another\r\n"), Refused(&[401])),
        ("a token in another scheme", head_with_scheme(front, "Basic"), Refused(&[401])),
        (
            "a trace that is none",
            get("traceparent: 00-zz-zz-zz\r\ntracestate: x\r\n"),
            Passed(|shown| all(shown, "traceparent") != ["00-zz-zz-zz"]),
        ),
        (
            "a request's name that is none",
            get(&format!("X-Request-Id: {}\r\n", "a b;<script>".repeat(20))),
            Passed(|shown| all(shown, "x-request-id").iter().all(|id| !id.contains("script"))),
        ),
        (
            "an expectation nobody knows",
            front.post("Expect: 200-ok\r\nContent-Length: 2\r\n", "{}"),
            Passed(|shown| shown.body == 2),
        ),
        (
            "a thousand ranges",
            get(&format!("Range: bytes={}\r\n", "0-1,".repeat(1000))),
            Passed(|shown| shown.method == Method::GET),
        ),
        (
            "a thousand codings",
            get(&format!("Accept-Encoding: {}\r\n", "gzip;q=0.1,".repeat(1000))),
            Passed(|shown| all(shown, "accept-encoding") == ["gzip"]),
        ),
    ]
}

fn head_with_scheme(front: &Front, scheme: &str) -> Vec<u8> {
    format!("GET {TARGET} HTTP/1.1\r\nHost: chat.example\r\nAuthorization: {scheme} {}\r\n\r\n", front.token)
        .into()
}

#[tokio::test]
async fn each_is_refused_or_passed_on_without_its_sting() {
    let front = Front::open().await;
    let cases: Vec<_> = [framing, codings, lines, targets, claims, wishes]
        .map(|cases| cases(&front))
        .into_iter()
        .flatten()
        .collect();
    assert!(cases.len() >= 60, "{}", cases.len());
    let mut wrong = Vec::new();
    for (name, bytes, fate) in &cases {
        wrong.extend(front.check(name, bytes, fate).await.err());
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    // Everybody else is served as before.
    front
        .check("as it should be", &front.get(TARGET, "Connection: close\r\n"), &Passed(comes_from_here))
        .await
        .unwrap();
    drop(front.inside);
}
