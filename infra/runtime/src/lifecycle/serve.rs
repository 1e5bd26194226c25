//! One HTTP/1.1 listener. Upgrades work; each connection is bounded in headers and in the time it may take
//! to send them; a request names its host once; the number of connections is bounded; at shutdown the listener closes at once, idle
//! connections close, and requests in flight finish.

use std::{future::Future, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use axum::{Router, extract::ConnectInfo, response::IntoResponse as _};
use http::{Request, StatusCode, Version, header, uri::Authority};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::supervisor::Supervisor;
use crate::Problem;

/// What one listener puts up with.
#[derive(Debug, Clone, Copy)]
pub struct ServeLimits {
    /// How long a client may take to send a request's head, and a kept-alive connection may be idle.
    pub header_read_timeout: Duration,
    /// The largest head, in bytes; larger ones are answered 431.
    pub max_header_bytes: usize,
    /// Connections that speak HTTP at one time; more wait in the listener's backlog. A connection that was
    /// upgraded is no longer counted.
    pub max_connections: usize,
}

impl Default for ServeLimits {
    fn default() -> Self {
        let header_read_timeout = Duration::from_secs(75);
        Self { header_read_timeout, max_header_bytes: 32 << 10, max_connections: 16_384 }
    }
}

/// Serves `router` on `listener` until the supervisor's stage is asked to stop; returns at once. Handlers
/// find the peer's address in `ConnectInfo<SocketAddr>`.
pub fn serve(listener: TcpListener, router: Router, limits: ServeLimits, supervisor: &Supervisor) {
    let stopping = supervisor.shutdown_token();
    let connections = supervisor.clone();
    supervisor.spawn("listener", async move {
        let permits = Arc::new(Semaphore::new(limits.max_connections));
        loop {
            let permit = permits.clone().acquire_owned();
            let Some(Ok(permit)) = until(&stopping, permit).await else { return };
            let Some(accepted) = until(&stopping, listener.accept()).await else { return };
            match accepted {
                Ok((stream, peer)) => {
                    let connection = connection(stream, peer, router.clone(), limits, stopping.clone());
                    connections.spawn("connection", async move {
                        connection.await;
                        drop(permit);
                    });
                }
                // Out of file descriptors, or the peer has gone: neither ends the listener.
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    });
}

async fn until<T>(stopping: &CancellationToken, wait: impl Future<Output = T>) -> Option<T> {
    stopping.run_until_cancelled(wait).await
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    limits: ServeLimits,
    stopping: CancellationToken,
) {
    // Frames and answers are written whole; waiting to join them with later ones only delays them.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        let router = router.clone();
        async move {
            if !names_one_host(&request) {
                let detail = "A request names the host that it is for, once.";
                return Ok(Problem::new(StatusCode::BAD_REQUEST, "invalid_host", detail).into_response());
            }
            router.oneshot(request).await
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_read_timeout)
        .max_header_size(limits.max_header_bytes)
        .max_headers(100)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let outcome = tokio::select! {
        outcome = connection.as_mut() => outcome,
        () = stopping.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(%peer, %error, "a connection ended early");
    }
}

/// Of whoever names none or several, proxies on the way may have understood another one (RFC 9112 §3.2).
fn names_one_host(request: &Request<Incoming>) -> bool {
    let mut named = request.headers().get_all(header::HOST).into_iter();
    match (named.next(), named.next()) {
        (None, _) => request.version() < Version::HTTP_11,
        (Some(host), None) => {
            let authority = host.to_str().ok().and_then(|host| host.parse::<Authority>().ok());
            authority.is_some_and(|authority| !authority.as_str().contains('@'))
        }
        (Some(_), Some(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        sync::Notify,
    };

    use super::*;

    const SOON: Duration = Duration::from_secs(5);

    async fn listen(router: Router, limits: ServeLimits) -> (SocketAddr, Supervisor) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let supervisor = Supervisor::default();
        serve(listener, router, limits, &supervisor);
        (address, supervisor)
    }

    async fn exchange(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        read(&mut stream).await
    }

    async fn read(stream: &mut TcpStream) -> String {
        let mut answer = Vec::new();
        let read = tokio::time::timeout(SOON, stream.read_to_end(&mut answer)).await;
        read.expect("the server closes the connection").unwrap();
        String::from_utf8(answer).unwrap()
    }

    #[tokio::test]
    async fn a_request_in_flight_finishes_while_the_listener_is_closed() {
        let (entered, released) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (on_entry, on_release) = (entered.clone(), released.clone());
        let slow = get(async move || {
            on_entry.notify_one();
            on_release.notified().await;
            "done"
        });
        let (address, supervisor) = listen(Router::new().route("/slow", slow), ServeLimits::default()).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET /slow HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        entered.notified().await;
        let shutdown = supervisor.shutdown(SOON);
        let client = async {
            crate::testkit::eventually_true(SOON, async || TcpStream::connect(address).await.is_err()).await;
            released.notify_one();
            read(&mut stream).await
        };
        let (late, answer) = tokio::join!(shutdown, client);
        assert!(late.is_empty());
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("done"), "{answer}");
    }

    #[tokio::test]
    async fn a_large_head_and_a_slow_one_are_refused() {
        let limits = ServeLimits {
            header_read_timeout: Duration::from_millis(50),
            max_header_bytes: 8 << 10,
            max_connections: 4,
        };
        let (address, supervisor) = listen(Router::new(), limits).await;
        let padding = "a".repeat(20_000);
        let answer =
            exchange(address, &format!("GET / HTTP/1.1\r\nhost: a\r\nx-padding: {padding}\r\n\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
        // Closed without an answer: whoever sends half a head is not waiting for one.
        assert_eq!(exchange(address, "GET / HTTP/1.1\r\nhost").await, "");
        assert!(supervisor.shutdown(SOON).await.is_empty());
    }

    #[tokio::test]
    async fn a_handler_is_told_the_peer() {
        let peer = get(async |ConnectInfo(peer): ConnectInfo<SocketAddr>| peer.ip().to_string());
        let (address, _supervisor) = listen(Router::new().route("/", peer), ServeLimits::default()).await;
        let answer = exchange(address, "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
        assert!(answer.ends_with("127.0.0.1"), "{answer}");
    }
}
