//! Bounds in bytes, in time and in number.

use std::{convert::Infallible, sync::Arc};

use axum::{Router, body::Body};
use bytes::Bytes;
use futures_util::{StreamExt as _, future::join_all, stream};
use http::{Method, Request, StatusCode, header};
use tertulia_cache::{MemoryCache, MemoryConfig};
use tertulia_contracts::routes::Access;
use tertulia_gateway::Config;
use tertulia_runtime::testkit::{TestClient, TestResponse};

use crate::inside::{Inside, every_route, from_address};

fn streamed(length: usize) -> Body {
    let chunk = Bytes::from(vec![b' '; 1024]);
    let chunks = std::iter::repeat_n(chunk, length.div_ceil(1024)).map(Ok::<_, Infallible>);
    Body::from_stream(stream::iter(chunks))
}

#[tokio::test]
async fn a_body_over_its_routes_bound_reaches_no_service_however_it_comes() {
    let inside = Inside::whole();
    for route in every_route().filter(|route| route.access != Access::InBand && route.method != Method::GET) {
        let client = inside.member();
        let path = route.path.replace("{id}", "cnv_1").replace("{user_id}", "usr_1");
        let send =
            async |body: Body| client.send(route.method.clone(), &path, Some("application/json"), body).await;
        let limit = route.body_limit_bytes;
        assert_eq!(
            send(Body::from(vec![b' '; limit + 1])).await.expect(413).code(),
            "body_too_large",
            "{path}"
        );
        assert_eq!(send(streamed(limit + 1024)).await.expect(413).code(), "body_too_large", "{path}");
        let told = send(Body::from(vec![b' '; limit])).await.expect(200).json();
        assert_eq!(told["body"].as_str().map(str::len), Some(limit));
        let told = send(streamed(limit)).await.expect(200).json();
        assert_eq!(told["headers"]["content-length"], limit.to_string());
    }
}

#[tokio::test]
async fn a_body_that_is_announced_too_large_is_not_waited_for() {
    let inside = Inside::whole();
    let request = Request::builder()
        .method(Method::POST)
        .uri("/v1/sessions")
        .header(header::CONTENT_LENGTH, u64::MAX)
        .body(Body::from_stream(stream::pending::<Result<Bytes, Infallible>>()))
        .unwrap();
    assert_eq!(inside.stranger().request(request).await.expect(413).code(), "body_too_large");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_end_is_given_up_on() {
    let inside = Inside::whole();
    let drip = stream::once(async { Ok::<_, Infallible>(Bytes::from_static(b"{")) }).chain(stream::pending());
    let request =
        Request::builder().method(Method::POST).uri("/v1/sessions").body(Body::from_stream(drip)).unwrap();
    assert_eq!(inside.stranger().request(request).await.expect(408).code(), "body_timeout");
}

#[tokio::test]
async fn a_body_that_breaks_off_is_refused() {
    let inside = Inside::whole();
    let broken = stream::iter([Ok(Bytes::from_static(b"{")), Err(std::io::Error::other("cut"))]);
    let request =
        Request::builder().method(Method::POST).uri("/v1/sessions").body(Body::from_stream(broken)).unwrap();
    assert_eq!(inside.stranger().request(request).await.expect(400).code(), "incomplete_body");
}

#[tokio::test(start_paused = true)]
async fn a_service_that_does_not_answer_in_its_routes_time_is_504() {
    let member = Inside::whole().member();
    let answer = member.get("/v1/conversations/cnv_1/log?slow").await.expect(504);
    assert_eq!(answer.code(), "service_timeout");
    member.get("/v1/conversations/cnv_1/log").await.expect(200);
}

#[tokio::test]
async fn strangers_are_limited_by_address_and_route_and_members_are_not() {
    let inside = Inside::whole();
    let config = Config { stranger_burst: 3, stranger_period_ms: 3_600_000, ..Config::default() };
    let gateway = inside.gateway(config);
    let at = |address: &str| TestClient::new(from_address(gateway.clone(), address));
    let sign_in = async |client: &TestClient| -> TestResponse { client.post("/v1/sessions", &()).await };
    let here = at("203.0.113.7");
    for _ in 0..3 {
        sign_in(&here).await.expect(200);
    }
    let answer = sign_in(&here).await.expect(429);
    assert_eq!(answer.code(), "rate_limited");
    let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=3600).contains(&seconds), "{seconds}");

    // A made-up address does not help, another route and another address are counted for themselves.
    let posing = here.with_header(http::HeaderName::from_static("x-forwarded-for"), "198.51.100.1");
    sign_in(&posing).await.expect(429);
    here.post("/v1/sessions/refresh", &()).await.expect(200);
    sign_in(&at("203.0.113.8")).await.expect(200);
    let member = here.with_token(&inside.signer.token(inside.ambient.ids.next()));
    for _ in 0..10 {
        member.get("/v1/me").await.expect(200);
        here.get("/.well-known/jwks.json").await.expect(200);
    }
    // One IPv6 network is one client.
    for host in 1..=3 {
        sign_in(&at(&format!("2001:db8::{host}"))).await.expect(200);
    }
    sign_in(&at("2001:db8::4")).await.expect(429);
}

#[tokio::test]
async fn members_are_limited_by_who_they_are_at_all_gateways_together_and_told_what_is_left() {
    let inside = Inside::whole();
    let hour = 3_600_000;
    let config = Config {
        read_burst: 3,
        read_period_ms: hour,
        write_burst: 2,
        write_period_ms: hour,
        ..Config::default()
    };
    let cache = Arc::new(MemoryCache::new(&MemoryConfig::default()));
    let [one, other] = [(); 2].map(|()| inside.gateway_with(config.clone(), cache.clone()));
    let token = inside.signer.token(inside.ambient.ids.next());
    let at = |gateway: &Router, address: &str| TestClient::new(from_address(gateway.clone(), address));
    let [here, there] = [at(&one, "203.0.113.7"), at(&other, "198.51.100.9")];
    let [heres, theres] = [&here, &there].map(|client| client.with_token(&token));
    let told = |answer: &TestResponse| {
        let header = |name| answer.header(name).map(str::to_owned);
        (header("ratelimit").unwrap(), header("ratelimit-policy").unwrap())
    };
    let read = heres.get("/v1/me").await.expect(200);
    assert_eq!(told(&read), (r#""reads";r=2;t=3600"#.into(), r#""reads";q=3;w=10800"#.into()));
    let read = theres.get("/v1/conversations").await.expect(200);
    assert_eq!(told(&read).0, r#""reads";r=1;t=7200"#);
    heres.get("/v1/me").await.expect(200);
    let refused = theres.get("/v1/me").await.expect(429);
    assert_eq!((refused.code(), told(&refused).0), ("rate_limited".into(), r#""reads";r=0;t=10800"#.into()));
    let seconds: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((3590..=3600).contains(&seconds), "{seconds}");
    // Writes are counted for themselves, and a refusal says what is left, too.
    let written = heres.patch("/v1/me", &()).await.expect(200);
    assert_eq!(told(&written), (r#""writes";r=1;t=3600"#.into(), r#""writes";q=2;w=7200"#.into()));
    let large = heres.send(Method::PATCH, "/v1/me", Some("application/json"), "x".repeat(2_000_000)).await;
    assert_eq!(told(&large.expect(413)).0, r#""writes";r=0;t=7200"#);
    theres.patch("/v1/me", &()).await.expect(429);

    // Who else is there, or was not known, is counted for themselves.
    here.with_token(&inside.signer.token(inside.ambient.ids.next())).get("/v1/me").await.expect(200);
    for _ in 0..3 {
        here.with_token("made up").get("/v1/me").await.expect(401);
    }
    here.with_token("another").get("/v1/me").await.expect(429);
    here.get("/.well-known/jwks.json").await.expect(429);
    there.with_token("made up").get("/v1/me").await.expect(401);
    assert!(here.get("/health/live").await.expect(200).header("ratelimit").is_none());
}

#[tokio::test(start_paused = true)]
async fn who_comes_too_many_is_told_to_come_back_and_all_else_goes_on() {
    let member = Inside::whole().member();
    let many = join_all((0..1024).map(|_| member.get("/v1/conversations/cnv_1/log?slow")));
    let another = async {
        let mut refused = member.get("/v1/me").await;
        for _ in 0..10_000 {
            if refused.status == StatusCode::SERVICE_UNAVAILABLE {
                break;
            }
            tokio::task::yield_now().await;
            refused = member.get("/v1/me").await;
        }
        let refused = refused.expect(503);
        assert_eq!(refused.code(), "overloaded");
        let seconds: u64 = refused.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=4).contains(&seconds), "{seconds}");
        member.post("/v1/conversations", &()).await.expect(200);
        member.post("/v1/sessions", &()).await.expect(200);
        member.get("/health/live").await.expect(200);
        let page = member.get("/metrics").await.expect(200).text();
        assert!(page.contains("tertulia_edge_shed_total{class=\"reads\"} 1\n"), "{page}");
    };
    tokio::select! {
        biased;
        _ = many => panic!("what is slow was answered"),
        () = another => {}
    }
    member.get("/v1/me").await.expect(200);
}
