//! The edge through its router, before services that only this file knows.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    body::Body,
    extract::{ConnectInfo, Path, Request},
    routing::{any, get, post},
};
use http::{HeaderMap, Method, header};
use serde_json::{Value, json};
use tertulia_cache::{MemoryCache, MemoryConfig, Quota};
use tertulia_contracts::{
    UserId,
    identity::testkit::Signer,
    routes::{Access, ROUTES, role},
};
use tertulia_discovery::StaticDiscovery;
use tertulia_gateway::{Config, Deps, build};
use tertulia_mesh::{Mesh, MeshConfig};
use tertulia_runtime::testkit::{TestClient, frozen};

struct Edge {
    client: TestClient,
    router: Router,
    token: String,
}

/// Services that answer with what reached them.
fn echo(role: &'static str) -> Router {
    let answer = move |method: Method, headers: HeaderMap, request: Request| async move {
        let names: Vec<String> = headers.keys().map(ToString::to_string).collect();
        Json(json!({"role": role, "method": method.as_str(), "path": request.uri().path(), "headers": names}))
    };
    Router::new().fallback(any(answer))
}

fn edge_before(messaging: Router, config: &Config) -> Edge {
    let (ambient, _clock) = frozen(1);
    let signer = Signer::new(&ambient);
    let mesh = Mesh::new(Arc::new(StaticDiscovery::new([])), ambient.entropy.clone(), MeshConfig::default());
    mesh.mount(role::AUTH, echo(role::AUTH));
    mesh.mount(role::MESSAGING, messaging);
    let cache = Arc::new(MemoryCache::new(&MemoryConfig::default()));
    let deps = Deps { mesh, verifier: signer.verifier(), cache };
    let router = build(config, &deps, Vec::new());
    let token = signer.token(ambient.ids.next::<tertulia_contracts::ids::User>() as UserId);
    Edge { client: TestClient::new(router.clone()), router, token }
}

fn edge() -> Edge {
    edge_before(echo(role::MESSAGING), &Config::default())
}

/// A path of the table with something in the place of each parameter.
fn filled(path: &str) -> String {
    let part = |part: &str| if part.starts_with('{') { "x".to_owned() } else { part.to_owned() };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}

#[tokio::test]
async fn every_route_of_a_member_is_refused_without_a_token_and_reaches_its_role_with_one() {
    let edge = edge();
    for route in ROUTES.iter().filter(|route| route.access == Access::Member) {
        let path = filled(route.path);
        let stranger = edge.client.send(route.method.clone(), &path, None, Body::empty()).await.expect(401);
        assert_eq!(stranger.code(), "token_missing", "{} {path}", route.method);
        assert_eq!(stranger.header("www-authenticate"), Some("Bearer"));
        let member = edge
            .client
            .with_token(&edge.token)
            .send(route.method.clone(), &path, None, Body::empty())
            .await
            .expect(200);
        assert_eq!(member.json()["role"], route.role, "{} {path}", route.method);
        assert_eq!(member.json()["path"], path);
    }
}

#[tokio::test]
async fn public_routes_need_no_token() {
    let edge = edge();
    for route in ROUTES.iter().filter(|route| route.access == Access::Public) {
        edge.client.send(route.method.clone(), &filled(route.path), None, Body::empty()).await.expect(200);
    }
}

#[tokio::test]
async fn what_is_not_in_the_table_is_not_forwarded() {
    let edge = edge();
    let client = edge.client.with_token(&edge.token);
    for path in ["/", "/internal/users/x", "/v1/nothing", "/v1/me/../../internal/users/x"] {
        assert_eq!(client.get(path).await.expect(404).code(), "route_not_found", "{path}");
    }
    let wrong = client.delete("/v1/conversations").await.expect(405);
    assert_eq!(wrong.code(), "method_not_allowed");
    assert!(wrong.header("allow").is_some_and(|allow| allow.contains("POST")));
}

#[tokio::test]
async fn a_body_over_its_bound_is_refused_whether_or_not_it_says_its_size() {
    let swallow = Router::new().route(
        "/v1/conversations",
        post(async |body: Result<axum::body::Bytes, axum::extract::rejection::BytesRejection>| {
            body.map(|body| body.len().to_string()).map_err(|rejection| rejection.status())
        }),
    );
    let edge = edge_before(swallow, &Config::default());
    let client = edge.client.with_token(&edge.token);
    let post = |bytes: usize, says: bool| {
        let body = vec![b'x'; bytes];
        let request =
            Request::post("/v1/conversations").header("authorization", format!("Bearer {}", edge.token));
        let request = if says { request.header(header::CONTENT_LENGTH, bytes) } else { request };
        client.request(request.body(Body::from(body)).unwrap())
    };
    assert_eq!(post(64 << 10, true).await.expect(200).text(), "65536");
    assert_eq!(post((64 << 10) + 1, true).await.expect(413).code(), "body_too_large");
    assert_eq!(post((64 << 10) + 1, false).await.expect(413).code(), "body_too_large");
}

#[tokio::test]
async fn headers_that_only_a_hop_may_set_do_not_pass() {
    let edge = edge();
    let client =
        edge.client.with_token(&edge.token).with_header("x-forwarded-for".parse().unwrap(), "10.0.0.1");
    let seen = client.get("/v1/me").await.expect(200).json();
    let names: Vec<&str> = seen["headers"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(!names.contains(&"x-forwarded-for"), "{names:?}");
    assert!(names.contains(&"authorization"), "the service verifies the token again: {names:?}");
}

#[tokio::test(start_paused = true)]
async fn a_role_that_hangs_is_a_timeout_and_one_that_is_away_is_unavailable() {
    let hang = Router::new().fallback(any(async || std::future::pending::<()>().await));
    let edge = edge_before(hang, &Config::default());
    let client = edge.client.with_token(&edge.token);
    client.get("/v1/conversations").await.expect(504);
    let away = edge.client.get("/v1/realtime").await.expect(503);
    assert!(away.header("retry-after").is_some());
}

#[tokio::test]
async fn one_address_that_knocks_too_fast_is_told_when_to_come_back() {
    let knock = Quota { burst: 2, period: Duration::from_secs(60) };
    let edge = edge_before(echo(role::MESSAGING), &Config { knock });
    let knock = |peer: [u8; 4]| {
        let mut request = Request::post("/v1/sessions").body(Body::empty()).unwrap();
        request.extensions_mut().insert(ConnectInfo(SocketAddr::from((peer, 4000))));
        let client = TestClient::new(edge.router.clone());
        async move { client.request(request).await }
    };
    let (noisy, quiet) = ([10, 0, 0, 1], [10, 0, 0, 2]);
    knock(noisy).await.expect(200);
    knock(noisy).await.expect(200);
    let refused = knock(noisy).await.expect(429);
    assert_eq!(refused.code(), "rate_limited");
    assert!(
        refused
            .header("retry-after")
            .is_some_and(|after| after.parse::<u64>().is_ok_and(|after| after <= 60))
    );
    knock(quiet).await.expect(200);
}

#[tokio::test]
async fn a_path_with_parameters_reaches_its_role_as_it_came() {
    let messaging = Router::new().route(
        "/v1/conversations/{id}/messages",
        post(async |Path(id): Path<String>| id).merge(get(async || "page")),
    );
    let edge = edge_before(messaging, &Config::default());
    let client = edge.client.with_token(&edge.token);
    let answer = client.post("/v1/conversations/cnv_1/messages", &json!({})).await.expect(200);
    assert_eq!(answer.text(), "cnv_1");
}

#[tokio::test]
async fn the_api_page_loads_nothing_from_elsewhere() {
    let edge = edge();
    let page = edge.client.get("/docs/").await.expect(200);
    let policy = page.header("content-security-policy").unwrap_or_default().to_owned();
    assert!(policy.contains("default-src 'none'") && !policy.contains("http"), "{policy}");
    assert!(!page.text().contains("https://"), "{}", page.text());
    let document = edge.client.get("/openapi.json").await.expect(200).json();
    assert_eq!(document["openapi"].as_str().map(|version| &version[..3]), Some("3.1"));
}
