//! Bounds in bytes, in time and in number.

use std::convert::Infallible;

use axum::body::Body;
use bytes::Bytes;
use futures_util::{StreamExt as _, future::join_all, stream};
use http::{Method, Request, StatusCode, header};
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
