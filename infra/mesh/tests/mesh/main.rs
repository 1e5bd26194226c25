//! The mesh from outside: the same router, mounted here and served elsewhere, must be the same to a caller.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod crooked;

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Json, Router,
    body::Body,
    extract::{
        Path, Request, State,
        ws::{self, WebSocket, WebSocketUpgrade},
    },
    response::{IntoResponse, Response},
    routing::{any, get, post},
};
use bytes::Bytes;
use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _, future::join_all, stream};
use http::{HeaderMap, Method, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tertulia_discovery::{Discovery as _, Instance, StaticDiscovery};
use tertulia_mesh::{Affinity, Deadline, Mesh, MeshConfig, MeshError, Until};
use tertulia_runtime::{Fault as _, Kind, entropy::SeededEntropy};
use tokio::{net::TcpListener, sync::mpsc};
use tokio_tungstenite::tungstenite::Message;

const ROLE: &str = "messaging";

/// A role with every manner of answer.
fn role() -> Router {
    Router::new()
        .route("/v1/things/{id}", get(|Path(id): Path<String>| async move { Json(json!({ "id": id })) }))
        .route("/v1/echo", post(|body: Body| async { Response::new(body) }))
        .route("/v1/headers", get(shown_headers))
        .route("/v1/empty", post(|| async { StatusCode::NO_CONTENT }))
        .route("/v1/wrong", post(wrong))
        .route("/v1/slow", get(std::future::pending::<()>))
        .route("/v1/panics", get(panics))
        .route("/v1/breaks", get(breaks))
        .route("/v1/endless", get(endless))
        .route("/v1/socket", any(|upgrade: WebSocketUpgrade| async { upgrade.on_upgrade(echo_frames) }))
}

async fn shown_headers(headers: HeaderMap) -> Json<Value> {
    let mut shown: Vec<_> = headers.keys().map(|name| name.as_str().to_owned()).collect();
    // A client must name the host, a caller in the same process need not.
    shown.retain(|name| name != "host");
    shown.sort_unstable();
    Json(json!({ "names": shown, "request_id": headers["x-request-id"].to_str().unwrap() }))
}

async fn wrong() -> Response {
    let problem = json!({ "type": "about:blank", "status": 409, "code": "handle_taken", "detail": "Taken.",
        "errors": [{ "field": "handle", "message": "is taken" }] });
    let headers = [("content-type", "application/problem+json"), ("retry-after", "7")];
    (StatusCode::CONFLICT, headers, problem.to_string()).into_response()
}

async fn panics() {
    panic!("a handler's fault");
}

async fn breaks() -> Response {
    let half = stream::once(async { Ok(Bytes::from_static(b"half")) });
    let end = stream::once(async {
        // The server sends what it has when it must wait.
        tokio::task::yield_now().await;
        Err(std::io::Error::other("lost its source"))
    });
    Body::from_stream(half.chain(end)).into_response()
}

/// Says one thing and then nothing for ever.
async fn endless() -> Response {
    let first = stream::once(async { Ok::<_, Infallible>(Bytes::from_static(b"first")) });
    Body::from_stream(first.chain(stream::pending())).into_response()
}

async fn echo_frames(mut socket: WebSocket) {
    while let Some(Ok(frame)) = socket.recv().await {
        // A close is answered by the next `recv` itself.
        if !matches!(frame, ws::Message::Close(_)) && socket.send(frame).await.is_err() {
            return;
        }
    }
}

fn mesh(discovery: StaticDiscovery) -> Mesh {
    Mesh::new(Arc::new(discovery), Arc::new(SeededEntropy::new(7)), MeshConfig::default())
}

async fn serve(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    #[expect(clippy::disallowed_methods, reason = "a server that lasts as long as its test")]
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

async fn mesh_to(router: Router) -> Mesh {
    mesh(StaticDiscovery::new([(ROLE.to_owned(), serve(router).await)]))
}

/// The same role behind both ways.
async fn both_ways() -> [(&'static str, Mesh); 2] {
    let here = mesh(StaticDiscovery::default());
    here.mount(ROLE, role());
    [("here", here), ("elsewhere", mesh_to(role()).await)]
}

/// An address that refuses connections.
async fn refusing_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

fn get_request(path: &str) -> Request {
    Request::get(path).body(Body::empty()).unwrap()
}

async fn text(answer: Response) -> String {
    String::from_utf8(answer.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

#[tokio::test]
async fn answers_are_the_same_here_and_elsewhere() {
    let mut seen = Vec::new();
    for (way, mesh) in both_ways().await {
        let mut answers = Vec::new();
        for (method, path) in [
            (Method::GET, "/v1/things/a%20b?x=1"),
            (Method::HEAD, "/v1/things/1"),
            (Method::POST, "/v1/things/1"),
            (Method::GET, "/v1/nothing"),
            (Method::POST, "/v1/empty"),
            (Method::POST, "/v1/wrong"),
        ] {
            let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
            let answer = mesh.call(ROLE, request).await.unwrap();
            let mut headers = answer.headers().clone();
            // The server that stands between stamps its answers.
            assert_eq!(headers.remove("date").is_some(), way == "elsewhere");
            // Whether it says so of an empty body is up to the server too.
            if headers.get("content-length").is_some_and(|length| length == "0") {
                headers.remove("content-length");
            }
            let mut headers: Vec<_> =
                headers.iter().map(|(name, value)| format!("{name}: {value:?}")).collect();
            headers.sort();
            answers.push((answer.status(), headers, text(answer).await));
        }
        seen.push(answers);
    }
    assert_eq!(seen[0][0].2, r#"{"id":"a b"}"#);
    assert_eq!(seen[0], seen[1]);
}

#[tokio::test]
async fn a_call_from_within_a_route_does_not_mix_their_parameters() {
    for (way, mesh) in both_ways().await {
        let edge = Router::new().route(
            "/v1/things/{id}",
            any(|State(mesh): State<Mesh>, request: Request| forward(mesh, request)),
        );
        let outer = mesh_to(edge.with_state(mesh)).await;
        let answer = outer.call(ROLE, get_request("/v1/things/7")).await.unwrap();
        assert_eq!(text(answer).await, r#"{"id":"7"}"#, "{way}");
    }
}

async fn forward(mesh: Mesh, request: Request) -> Response {
    match mesh.call(ROLE, request).await {
        Ok(answer) => answer,
        Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
    }
}

#[tokio::test]
async fn a_body_streams_both_ways_before_it_has_ended() {
    for (way, mesh) in both_ways().await {
        let (send, receive) = mpsc::channel::<Bytes>(1);
        let pieces = stream::unfold(receive, async |mut receive| {
            receive.recv().await.map(|piece| (Ok::<_, Infallible>(piece), receive))
        });
        send.send(Bytes::from_static(b"one")).await.unwrap();
        let request = Request::post("/v1/echo").body(Body::from_stream(pieces)).unwrap();
        let mut body = mesh.call(ROLE, request).await.unwrap().into_body();
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "one", "{way}");
        send.send(Bytes::from_static(b"two")).await.unwrap();
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "two", "{way}");
        drop(send);
        assert!(body.frame().await.is_none(), "{way}");
    }
}

#[tokio::test]
async fn a_request_id_goes_along_and_the_connections_own_headers_do_not() {
    for (way, mesh) in both_ways().await {
        let request = Request::get("/v1/headers")
            .header("x-request-id", "r-1")
            .header("connection", "keep-alive, x-private")
            .header("x-private", "1")
            .header("te", "trailers")
            .body(Body::empty())
            .unwrap();
        let answer: Value =
            serde_json::from_str(&text(mesh.call(ROLE, request).await.unwrap()).await).unwrap();
        assert_eq!(
            answer,
            json!({ "names": ["tertulia-deadline-ms", "x-request-id"], "request_id": "r-1" }),
            "{way}"
        );
    }
}

#[tokio::test]
async fn failures_are_the_same_here_and_elsewhere() {
    for (way, mesh) in both_ways().await {
        let mut slow = get_request("/v1/slow");
        slow.extensions_mut().insert(Deadline(Duration::from_millis(50)));
        let error = mesh.call(ROLE, slow).await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (Kind::Timeout, "service_timeout"), "{way}");

        let error = mesh.call(ROLE, get_request("/v1/panics")).await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (Kind::Unavailable, "service_broke_off"), "{way}");

        let answer = mesh.call(ROLE, get_request("/v1/breaks")).await.unwrap();
        assert!(answer.into_body().collect().await.is_err(), "{way}: a body that broke off looks whole");

        let error = mesh.call("nobody", get_request("/")).await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (Kind::Unavailable, "no_instance"), "{way}");
    }
}

#[tokio::test]
async fn a_socket_goes_through_an_edge_to_a_role_here_and_elsewhere() {
    for (way, mesh) in both_ways().await {
        let edge =
            Router::new().fallback(|State(mesh): State<Mesh>, request: Request| forward(mesh, request));
        let address = serve(edge.with_state(mesh)).await;
        let url = format!("ws://{address}/v1/socket");
        let (mut socket, answer) = tokio_tungstenite::connect_async(url).await.unwrap();
        assert_eq!(answer.status(), StatusCode::SWITCHING_PROTOCOLS, "{way}");
        for length in [0, 5, 100_000] {
            let frame = Message::binary(vec![7; length]);
            socket.send(frame.clone()).await.unwrap();
            assert_eq!(socket.next().await.unwrap().unwrap(), frame, "{way}");
        }
        socket.close(None).await.unwrap();
        assert!(matches!(socket.next().await, Some(Ok(Message::Close(_)))), "{way}");
        assert!(socket.next().await.is_none(), "{way}: the connection stays open");
    }
}

#[tokio::test]
async fn an_answer_that_does_not_end_streams_and_ends_when_its_caller_leaves() {
    let mesh = mesh_to(role()).await;
    let (leave, left) = tokio::sync::oneshot::channel::<()>();
    let mut request = get_request("/v1/endless");
    request.extensions_mut().insert(Until::new(async { drop(left.await) }));
    let mut body = mesh.call(ROLE, request).await.unwrap().into_body();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "first", "it is not gathered");
    assert!(body.frame().now_or_never().is_none(), "and it goes on");
    leave.send(()).unwrap();
    assert!(body.frame().await.is_none());
}

#[tokio::test]
async fn a_socket_to_elsewhere_ends_when_its_caller_leaves() {
    let mesh = mesh_to(role()).await;
    let (leave, left) = tokio::sync::oneshot::channel::<()>();
    let until = Until::new(async { drop(left.await) });
    let edge = Router::new().fallback(async move |mut request: Request| {
        request.extensions_mut().insert(until);
        forward(mesh, request).await
    });
    let url = format!("ws://{}/v1/socket", serve(edge).await);
    let (mut socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
    socket.send(Message::text("still")).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("still"));
    leave.send(()).unwrap();
    assert!(!matches!(socket.next().await, Some(Ok(_))), "the connection is cut");
}

#[tokio::test]
async fn a_json_call_reads_answers_and_refusals() {
    for (way, mesh) in both_ways().await {
        let asked: Value =
            mesh.call_json(ROLE, Method::POST, "/v1/echo", Some("t"), Some(&json!([1]))).await.unwrap();
        assert_eq!(asked, json!([1]), "{way}");
        let () = mesh.call_json(ROLE, Method::POST, "/v1/empty", None, None::<&()>).await.unwrap();

        let refused =
            mesh.call_json::<(), ()>(ROLE, Method::POST, "/v1/wrong", None, None).await.unwrap_err();
        let MeshError::Refused { kind, code, detail, fields, retry_after, .. } = refused else {
            panic!("{way}: {refused}");
        };
        assert_eq!((kind, code.as_str(), detail.as_str()), (Kind::Conflict, "handle_taken", "Taken."));
        assert_eq!((fields[0].field.as_str(), fields[0].message.as_str()), ("handle", "is taken"));
        assert_eq!(retry_after, Some(Duration::from_secs(7)));

        let path = "/v1/things/1";
        let malformed = mesh.call_json::<(), Vec<u8>>(ROLE, Method::GET, path, None, None).await.unwrap_err();
        assert_eq!(malformed.kind(), Kind::Internal, "{way}: {malformed}");
    }
}

/// Serves `count` instances that answer with their number, and a mesh that knows them.
async fn numbered(count: usize) -> (StaticDiscovery, Mesh) {
    let discovery = StaticDiscovery::default();
    for number in 0..count {
        let router = Router::new().fallback(move |body: Bytes| async move {
            assert_eq!(body, "whole");
            number.to_string()
        });
        let address = serve(router).await;
        let instance = Instance { role: ROLE.to_owned(), id: format!("{ROLE}-{number}"), address };
        std::mem::forget(discovery.register(instance).await.unwrap());
    }
    (discovery.clone(), mesh(discovery))
}

async fn answered_by(mesh: &Mesh, affinity: Option<&str>) -> String {
    let mut request = Request::post("/").body(Body::from("whole")).unwrap();
    if let Some(key) = affinity {
        request.extensions_mut().insert(Affinity(key.to_owned()));
    }
    text(mesh.call(ROLE, request).await.unwrap()).await
}

#[tokio::test]
async fn an_instance_that_refuses_connections_costs_no_request() {
    let (discovery, mesh) = numbered(1).await;
    let dead = Instance { role: ROLE.to_owned(), id: "dead".to_owned(), address: refusing_address().await };
    let registration = discovery.register(dead.clone()).await.unwrap();
    for key in 0..50 {
        assert_eq!(answered_by(&mesh, Some(&key.to_string())).await, "0");
        assert_eq!(answered_by(&mesh, None).await, "0");
    }
    registration.deregister().await.unwrap();

    let alone = StaticDiscovery::new([(ROLE.to_owned(), dead.address)]);
    let error = self::mesh(alone).call(ROLE, get_request("/")).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (Kind::Unavailable, "service_unreachable"));
}

#[tokio::test]
async fn what_belongs_together_goes_to_one_instance_and_all_else_is_spread() {
    let (discovery, mesh) = numbered(3).await;
    let other_gateway = self::mesh(discovery);
    let mut by_affinity = [0; 3];
    for key in 0..30 {
        let key = format!("cnv_{key}");
        let home = answered_by(&mesh, Some(&key)).await;
        assert_eq!(answered_by(&mesh, Some(&key)).await, home);
        assert_eq!(answered_by(&other_gateway, Some(&key)).await, home);
        by_affinity[home.parse::<usize>().unwrap()] += 1;
    }
    assert!(by_affinity.iter().all(|count| *count > 0), "{by_affinity:?}");

    let answers = join_all((0..30).map(|_| answered_by(&mesh, None))).await;
    for number in ["0", "1", "2"] {
        assert!(answers.iter().any(|answer| answer == number), "{number} was never asked");
    }
}

#[tokio::test]
async fn connections_are_kept() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let accepted = Arc::new(AtomicUsize::new(0));
    let counting = axum::serve::ListenerExt::tap_io(listener, {
        let accepted = accepted.clone();
        move |_| {
            accepted.fetch_add(1, Ordering::Relaxed);
        }
    });
    #[expect(clippy::disallowed_methods, reason = "a server that lasts as long as its test")]
    tokio::spawn(async move { axum::serve(counting, role()).await });
    let mesh = mesh(StaticDiscovery::new([(ROLE.to_owned(), address)]));
    for _ in 0..20 {
        text(mesh.call(ROLE, get_request("/v1/things/1")).await.unwrap()).await;
    }
    assert!(accepted.load(Ordering::Relaxed) <= 2, "{accepted:?} connections for 20 requests");
}
