//! What is let in, what is not, and in what state it arrives.

use std::time::Duration;

use axum::body::Body;
use futures_util::{SinkExt as _, StreamExt as _};
use http::{HeaderName, Method, Request, header};
use http_body_util::BodyExt as _;
use tertulia_contracts::{
    identity::{
        Scope,
        hostile::{good_token, hostile_tokens},
        testkit::TOKEN_LIFE,
    },
    routes::{Access, role},
};
use tertulia_gateway::Config;
use tertulia_runtime::{
    lifecycle::{ServeLimits, serve},
    testkit::TestClient,
};
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest as _};
use tower::ServiceExt as _;

use crate::inside::{Inside, ask, every_route, from_address};

#[tokio::test]
async fn every_route_of_the_table_reaches_its_role() {
    let inside = Inside::whole();
    for route in every_route().filter(|route| route.timeout.is_some()) {
        let told = ask(&inside.member(), route).await.expect(200).json();
        assert_eq!(
            (told["role"].as_str(), told["method"].as_str()),
            (Some(route.role), Some(route.method.as_str()))
        );
        let path = route.path.replace("{id}", "cnv_1").replace("{user_id}", "usr_1");
        assert_eq!(told["path"].as_str(), Some(path.as_str()));
    }
}

#[tokio::test]
async fn a_member_route_is_closed_to_whoever_has_no_valid_token() {
    let inside = Inside::whole();
    let (member, stranger) = (inside.member(), inside.stranger());
    let foreign = Inside::whole();
    foreign.ambient.ids.next_ulid();
    let foreign = stranger.with_token(&{
        let other = tertulia_contracts::identity::testkit::Signer::new(&foreign.ambient);
        other.token(inside.ambient.ids.next())
    });
    for route in every_route().filter(|route| route.access == Access::Member) {
        assert_eq!(ask(&stranger, route).await.expect(401).code(), "token_missing", "{}", route.path);
        assert_eq!(ask(&stranger.with_token("a.b.c"), route).await.expect(401).code(), "token_invalid");
        assert_eq!(ask(&foreign, route).await.expect(401).code(), "token_invalid");
    }
    let answer = stranger.get("/v1/me").await;
    assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    inside.clock.advance(TOKEN_LIFE + Duration::from_secs(5));
    for route in every_route().filter(|route| route.access == Access::Member) {
        assert_eq!(ask(&member, route).await.expect(401).code(), "token_expired", "{}", route.path);
    }
}

#[tokio::test]
async fn no_hostile_token_gets_through() {
    let inside = Inside::whole();
    let stranger = inside.stranger();
    stranger.with_token(&good_token(&inside.signer, &inside.ambient)).get("/v1/me").await.expect(200);
    for (name, token) in hostile_tokens(&inside.signer, &inside.ambient) {
        let answer = stranger.with_token(&token).get("/v1/me").await;
        assert_eq!(answer.status, 401, "{name}");
        let code = if name == "expired" { "token_expired" } else { "token_invalid" };
        assert_eq!(answer.code(), code, "{name}");
    }
}

#[tokio::test]
async fn an_api_token_opens_the_routes_of_its_scopes_and_no_others() {
    let inside = Inside::whole();
    for scopes in [&[Scope::Read][..], &[Scope::Write], &[Scope::Read, Scope::Write]] {
        let (token, _) = inside.signer.api_token(inside.ambient.ids.next(), scopes, true);
        let program = inside.stranger().with_token(&token);
        for route in every_route().filter(|route| route.access == Access::Member && route.timeout.is_some()) {
            let answer = ask(&program, route).await;
            if scopes.contains(&route.scope) {
                answer.expect(200);
            } else {
                assert_eq!(
                    answer.expect(403).code(),
                    "insufficient_scope",
                    "{} {}",
                    route.method,
                    route.path
                );
            }
        }
    }
}

#[tokio::test]
async fn what_is_not_in_the_table_reaches_nobody() {
    let member = Inside::whole().member();
    for path in [
        "/",
        "/internal/users/usr_1",
        "/v1",
        "/v1/",
        "/v1/me/",
        "//v1/me",
        "/v1/../internal/x",
        "/V1/me",
        "/v2/me",
    ] {
        assert_eq!(member.get(path).await.expect(404).code(), "route_not_found", "{path}");
    }
    let answer = member.send(Method::DELETE, "/v1/accounts", None, "").await.expect(405);
    assert_eq!((answer.code().as_str(), answer.header("allow")), ("method_not_allowed", Some("POST")));
    member.send(Method::from_bytes(b"BREW").unwrap(), "/v1/me", None, "").await.expect(405);
    // An encoded slash stays a part of the one segment it stands in.
    let told = member.get("/v1/users/..%2F..%2Finternal?x=%00").await.expect(200).json();
    assert_eq!(
        (told["path"].as_str(), told["query"].as_str()),
        (Some("/v1/users/..%2F..%2Finternal"), Some("x=%00"))
    );
}

#[tokio::test]
async fn an_id_that_is_not_utf8_names_nothing() {
    let inside = Inside::whole();
    let asked = inside.member().send(Method::POST, "/v1/conversations/%ff/messages", None, "{}").await;
    assert_eq!(asked.expect(404).code(), "not_found");
}

#[tokio::test]
async fn headers_that_only_the_inside_may_set_are_taken_off() {
    let inside = Inside::whole();
    let mut client = inside.member();
    for (name, value) in [
        ("x-forwarded-for", "6.6.6.6"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "https"),
        ("x-real-ip", "6.6.6.6"),
        ("forwarded", "for=6.6.6.6"),
        ("tertulia-role", "auth"),
        ("tertulia-user", "usr_1"),
        ("tertulia-deadline-ms", "3600000"),
        ("connection", "close, x-secret"),
        ("x-secret", "1"),
        ("te", "trailers"),
        ("x-request-id", "mine-1"),
        ("accept-language", "es"),
    ] {
        client = client.with_header(HeaderName::from_static(name), value);
    }
    let answer = client.get("/v1/me").await.expect(200);
    let mut arrived: Vec<String> = answer.json()["headers"].as_object().unwrap().keys().cloned().collect();
    arrived.retain(|name| name != "traceparent");
    arrived.sort_unstable();
    let ours = ["tertulia-deadline-ms", "x-forwarded-for", "x-request-id"];
    assert_eq!(arrived, [&["accept-language", "authorization"], &ours[..]].concat());
    let left_ms: u64 = answer.json()["headers"]["tertulia-deadline-ms"].as_str().unwrap().parse().unwrap();
    assert!((1..=15_000).contains(&left_ms), "{left_ms} is not the route's own time");
    assert_eq!(answer.json()["headers"]["x-forwarded-for"], "203.0.113.7");
    assert_eq!(answer.header("x-request-id"), Some("mine-1"));
}

#[tokio::test]
async fn a_listed_proxy_is_believed_about_who_asks() {
    let inside = Inside::whole();
    let config = Config { trusted_proxies: vec!["10.0.0.1".parse().unwrap()], ..Config::default() };
    let router = from_address(inside.gateway(config), "10.0.0.1");
    let client =
        TestClient::new(router).with_header(HeaderName::from_static("x-forwarded-for"), "6.6.6.6, 192.0.2.1");
    let told = client.get("/.well-known/jwks.json").await.expect(200).json();
    assert_eq!(told["headers"]["x-forwarded-for"], "192.0.2.1");
}

#[tokio::test]
async fn every_answer_tells_browsers_what_it_is_not() {
    let inside = Inside::whole();
    for path in ["/v1/me", "/nowhere", "/health/live", "/docs/", "/openapi.json", "/metrics"] {
        let answer = inside.member().get(path).await;
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"), "{path}");
        let policy = answer.header("content-security-policy").unwrap();
        assert!(
            policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{path}"
        );
        assert!(answer.header("x-request-id").is_some_and(|id| id.len() == 26), "{path}");
    }
    assert_eq!(inside.member().get("/v1/me").await.header("cache-control"), Some("no-store"));
    let problem = inside.member().get("/nowhere").await;
    assert_eq!(problem.json()["request_id"].as_str(), problem.header("x-request-id"));
}

#[tokio::test]
async fn a_role_that_is_away_is_503_and_the_others_go_on() {
    let inside = Inside::without(&[role::MESSAGING]);
    for route in every_route().filter(|route| route.role == role::MESSAGING) {
        let answer = ask(&inside.member(), route).await.expect(503);
        assert_eq!(answer.code(), "no_instance");
        assert_eq!(answer.header("retry-after"), Some("1"));
    }
    inside.member().get("/v1/me").await.expect(200);
    inside.stranger().get("/health/live").await.expect(200);
    inside.stranger().get("/health/ready").await.expect(200);
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_events_passes_as_it_comes_and_for_as_long_as_it_goes() {
    let inside = Inside::whole();
    let gateway = from_address(inside.gateway(Config::default()), "203.0.113.7");
    let token = inside.signer.token(inside.ambient.ids.next());
    let request = Request::get("/v1/events?open=").header("authorization", format!("Bearer {token}"));
    let answer = gateway.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(answer.headers()[header::CONTENT_TYPE], "text/event-stream");
    assert_eq!(answer.headers()[header::CACHE_CONTROL], "no-store");
    let mut events = answer.into_body();
    for n in 0..5 {
        let chunk = events.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(chunk, format!("data: {n} for 203.0.113.7\n\n"), "an hour after the one before");
    }
}

#[tokio::test]
async fn a_socket_passes_through_in_both_directions() {
    let inside = Inside::whole();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    serve(listener, inside.gateway(Config::default()), ServeLimits::default(), &inside.supervisor);
    let mut request = format!("ws://{address}/v1/realtime").into_client_request().unwrap();
    request.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, "tertulia.v1".parse().unwrap());
    let (mut socket, answer) = tokio_tungstenite::connect_async(request).await.unwrap();
    assert_eq!(answer.headers()[header::SEC_WEBSOCKET_PROTOCOL], "tertulia.v1");
    for n in 0..100 {
        let text = format!("{n}").repeat(n + 1);
        socket.send(Message::text(text.clone())).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), Message::text(text));
    }
    socket.close(None).await.unwrap();
    inside.supervisor.shutdown(Duration::from_secs(5)).await;
}
