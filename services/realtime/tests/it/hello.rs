//! The handshake, hello, and the end of a login.

use std::time::Duration;

use http::StatusCode;
use tertulia_client::Socket;
use tertulia_contracts::{
    frames::{ClientFrame, Resume, ServerFrame},
    live::{Control, control_channel},
};
use tertulia_realtime::Config;
use tertulia_runtime::testkit::eventually_true;
use tokio_tungstenite::{
    connect_async,
    tungstenite::{Error, client::IntoClientRequest as _},
};

use crate::house::{House, SOON, closed, hear, heard_by_now};

const OFFER: (&str, &str) = ("sec-websocket-protocol", "tertulia.v2, tertulia.v1");

async fn refused(house: &House, headers: &[(&'static str, &str)]) -> (StatusCode, String) {
    let mut request = house.base.replacen("http", "ws", 1).into_client_request().unwrap();
    *request.uri_mut() = format!("{}/v1/realtime", house.base.replacen("http", "ws", 1)).parse().unwrap();
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    match connect_async(request).await {
        Err(Error::Http(answer)) => {
            let body = answer.body().as_deref().unwrap_or_default();
            let problem: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
            (answer.status(), problem["code"].as_str().unwrap_or_default().to_owned())
        }
        Err(error) => panic!("{error}"),
        Ok(_) => (StatusCode::SWITCHING_PROTOCOLS, String::new()),
    }
}

#[tokio::test]
async fn a_handshake_offers_the_subprotocol_and_comes_from_a_page_that_may() {
    let config = Config { allowed_origins: vec!["https://chat.example".to_owned()], ..Config::default() };
    let house = House::with(config).await;
    let no_offer = refused(&house, &[]).await;
    assert_eq!(no_offer, (StatusCode::UNPROCESSABLE_ENTITY, "subprotocol_required".to_owned()));
    let foreign = refused(&house, &[OFFER, ("origin", "https://evil.example")]).await;
    assert_eq!(foreign, (StatusCode::FORBIDDEN, "origin_refused".to_owned()));
    for origin in ["https://chat.example", &house.base] {
        assert_eq!(refused(&house, &[OFFER, ("origin", origin)]).await.0, StatusCode::SWITCHING_PROTOCOLS);
    }
    let plain = tertulia_client::Api::new(&house.base);
    let error =
        plain.send::<(), serde_json::Value>(http::Method::GET, "/v1/realtime", None).await.unwrap_err();
    assert_eq!(error.code(), Some("not_a_websocket_handshake"));
}

#[tokio::test]
async fn a_socket_that_never_says_hello_is_stopped() {
    let house = House::with(Config { hello_timeout_ms: 100, ..Config::default() }).await;
    let mut socket = Socket::connect(&house.base).await.unwrap();
    assert_eq!(closed(&mut socket).await.0.code, 4002);
    eventually_true(SOON, async || house.metric("sockets") == 0).await;
}

#[tokio::test]
async fn the_first_frame_is_hello_with_a_good_token() {
    let house = House::new().await;
    let user = house.user();
    let expired = house.signer.token(user);
    house.clock.advance(Duration::from_hours(1));
    let good = house.signer.token(user);
    let (before, behind) = good.split_at(good.len() - 40);
    let other = if behind.starts_with('A') { 'B' } else { 'A' };
    let tampered = format!("{before}{other}{}", &behind[1..]);
    let hello = |token: &str| ClientFrame::Hello { token: token.to_owned(), resume: None };
    for (first, code) in [
        (ClientFrame::Ping {}, 4002),
        (hello(""), 4001),
        (hello("no token"), 4001),
        (hello(&tampered), 4001),
        (hello(&expired), 4001),
    ] {
        let mut socket = Socket::connect(&house.base).await.unwrap();
        socket.say(&first).await.unwrap();
        assert_eq!(closed(&mut socket).await.0.code, code, "{first:?}");
    }
    let (_, ready) = Socket::hello(&house.base, &good, None).await.unwrap();
    assert!(matches!(ready, ServerFrame::Ready { useq: 0, ref epoch, .. } if epoch == "1"), "{ready:?}");
}

#[tokio::test]
async fn a_user_has_a_bounded_number_of_sockets_and_a_node_too() {
    let house = House::with(Config { max_sockets_per_user: 2, max_sockets: 3, ..Config::default() }).await;
    let user = house.user();
    let (_first, second) = (house.connect(user).await, house.connect(user).await);
    let mut third = Socket::connect(&house.base).await.unwrap();
    third.say(&ClientFrame::Hello { token: house.signer.token(user), resume: None }).await.unwrap();
    assert_eq!(closed(&mut third).await.0.code, 4002);
    eventually_true(SOON, async || house.metric("sockets") == 2).await;
    let other = house.connect(house.user()).await;
    assert!(Socket::connect(&house.base).await.is_err(), "the node is full");
    // Both bounds count the living only.
    second.close().await;
    other.close().await;
    eventually_true(SOON, async || house.metric("sockets") == 1).await;
    house.connect(user).await;
}

#[tokio::test]
async fn a_token_is_renewed_on_the_socket_or_the_socket_ends_with_it() {
    let house = House::new().await;
    let (user, session) = (house.user(), house.ambient.ids.next());
    let token = house.signer.token_of(user, session);
    let (mut renewing, _) = Socket::hello(&house.base, &token, None).await.unwrap();
    let (mut idle, _) = Socket::hello(&house.base, &token, None).await.unwrap();
    house.clock.advance(Duration::from_mins(5));
    let token = house.signer.token_of(user, session);
    renewing.say(&ClientFrame::Hello { token, resume: None }).await.unwrap();
    assert!(heard_by_now(&mut renewing).await.is_empty(), "a renewal is silent");
    house.clock.advance(Duration::from_secs(301));
    assert_eq!(closed(&mut idle).await.0.code, 4001);
    assert!(heard_by_now(&mut renewing).await.is_empty());
    house.clock.advance(Duration::from_mins(5));
    assert_eq!(closed(&mut renewing).await.0.code, 4001);
}

#[tokio::test]
async fn a_socket_stays_with_its_login() {
    let house = House::new().await;
    let mut socket = house.connect(house.user()).await;
    socket.say(&ClientFrame::Hello { token: house.signer.token(house.user()), resume: None }).await.unwrap();
    assert_eq!(closed(&mut socket).await.0.code, 4002);
}

#[tokio::test]
async fn an_ended_login_closes_its_sockets_and_no_others() {
    let house = House::new().await;
    let (user, session_id) = (house.user(), house.ambient.ids.next());
    let token = house.signer.token_of(user, session_id);
    let (mut revoked, _) = Socket::hello(&house.base, &token, None).await.unwrap();
    let mut other_login = house.connect(user).await;
    house.fake.broadcast(control_channel(user), &Control::SessionRevoked { session_id }).await;
    assert_eq!(closed(&mut revoked).await.0.code, 4001);
    assert!(heard_by_now(&mut other_login).await.is_empty());
}

#[tokio::test]
async fn a_node_that_leaves_sends_everyone_elsewhere() {
    let house = House::with(Config { drain_ms: 50, ..Config::default() }).await;
    let mut sockets = Vec::new();
    for _ in 0..10 {
        sockets.push(house.connect(house.user()).await);
    }
    let reading: tokio::task::JoinSet<u16> =
        sockets.into_iter().map(|mut socket| async move { closed(&mut socket).await.0.code }).collect();
    assert!(house.supervisor.shutdown(SOON).await.is_empty(), "all tasks ended in time");
    assert_eq!(reading.join_all().await, [4000; 10]);
}

#[tokio::test]
async fn a_part_that_is_away_at_hello_means_come_back() {
    let house = House::new().await;
    house.faults.refuse_joins.store(true, std::sync::atomic::Ordering::SeqCst);
    let hello =
        ClientFrame::Hello { token: house.signer.token(house.user()), resume: Some(Resume::default()) };
    let mut socket = Socket::connect(&house.base).await.unwrap();
    socket.say(&hello).await.unwrap();
    assert_eq!(closed(&mut socket).await.0.code, 4000);
    house.faults.refuse_joins.store(false, std::sync::atomic::Ordering::SeqCst);
    let mut socket = Socket::connect(&house.base).await.unwrap();
    socket.say(&hello).await.unwrap();
    assert!(matches!(hear(&mut socket).await, ServerFrame::Ready { .. }));
}
