//! Sign-in that slows down.

use serde_json::json;
use tertulia_contracts::{address::FORWARDED_FOR, auth::SignedIn};
use tertulia_runtime::testkit::{TestResponse, eventually_true};

use crate::app::{App, PASSWORD, SOON};

/// Misses without any delay, of one name from one place.
const FREE: usize = 10;

async fn attempt(app: &App, from: &str, identifier: &str, password: &str) -> TestResponse {
    let client = app.client.with_header(FORWARDED_FOR, from);
    client.post("/v1/sessions", &json!({ "identifier": identifier, "password": password })).await
}

async fn miss(app: &App, from: &str, identifier: &str) -> TestResponse {
    attempt(app, from, identifier, "not this one at all").await
}

#[tokio::test]
async fn who_misses_often_waits_and_nothing_tells_whether_there_is_such_an_account() {
    let (_house, app) = App::open().await;
    app.register("ana").await;
    for identifier in ["ana", "nobody"] {
        for _ in 0..=FREE {
            let missed = miss(&app, "203.0.113.9", identifier).await.expect(401);
            assert_eq!(missed.code(), "wrong_credentials");
        }
        let early = attempt(&app, "203.0.113.9", identifier, PASSWORD).await.expect(429);
        assert_eq!(early.code(), "too_often");
        let wait: u64 = early.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=2).contains(&wait), "{wait} s");
    }
    // Another name from there is not held up by these few, nor is this name from elsewhere.
    assert_eq!(miss(&app, "203.0.113.9", "bea").await.expect(401).code(), "wrong_credentials");
    attempt(&app, "198.51.100.7", "ana", PASSWORD).await.expect(201);
    // It is a delay, not a lock.
    let comes_in = async || attempt(&app, "203.0.113.9", "ana", PASSWORD).await.status == 201;
    eventually_true(SOON, comes_in).await;
}

#[tokio::test]
async fn one_place_does_not_try_many_names() {
    let (_house, app) = App::open().await;
    for nth in 0..=50 {
        miss(&app, "203.0.113.9", &format!("name-{nth}")).await.expect(401);
    }
    assert_eq!(miss(&app, "203.0.113.9", "one-more").await.expect(429).code(), "too_often");
    miss(&app, "203.0.113.10", "one-more").await.expect(401);
    // Behind a proxy that nobody listed, everybody would be at this one.
    for nth in 0..=51 {
        miss(&app, "127.0.0.1", &format!("name-{nth}")).await.expect(401);
    }
}

#[tokio::test]
async fn the_owner_is_not_kept_out_by_whoever_guesses_elsewhere() {
    let (_house, app) = App::open().await;
    app.register("ana").await;
    let home: SignedIn = attempt(&app, "198.51.100.7", "ana", PASSWORD).await.expect(201).read();
    // From so many places that the name itself is held up everywhere else.
    for nth in 0..=100 {
        miss(&app, &format!("203.0.113.{nth}"), "ana").await.expect(401);
    }
    assert_eq!(attempt(&app, "192.0.2.1", "ana", PASSWORD).await.expect(429).code(), "too_often");
    let again: SignedIn = attempt(&app, "198.51.100.7", "ana", PASSWORD).await.expect(201).read();
    assert_eq!(again.account.id, home.account.id);
    // At home, too, guessing has its measure.
    for _ in 0..=FREE {
        miss(&app, "198.51.100.7", "ana").await.expect(401);
    }
    miss(&app, "198.51.100.7", "ana").await.expect(429);
}
