//! The one-time setup link.

use std::time::Duration;

use serde_json::json;
use tertulia_auth::{Config, Registration};
use tertulia_contracts::auth::SignedIn;

use crate::app::{App, House, PASSWORD, config};

fn request(handle: &str, token: &str) -> serde_json::Value {
    json!({ "handle": handle, "password": PASSWORD, "setup_token": token })
}

#[tokio::test]
async fn the_link_makes_the_operator_and_works_once() {
    let house = House::open().await;
    let app = house.start(Config { registration: Registration::Closed, ..config() }).await;
    let token = app.setup.as_ref().expect("there is no operator yet").token.clone();
    let told = app.client.post("/v1/accounts", &request("admin", &token)).await.expect(201);
    let operator: SignedIn = told.read();
    assert!(operator.account.operator);
    assert!(app.verifier.verify(&operator.access_token).await.unwrap().operator);

    let again = app.client.post("/v1/accounts", &request("bea", &token)).await.expect(403);
    assert_eq!(again.code(), "setup_link_invalid");
    assert!(house.start(config()).await.setup.is_none(), "with an operator no link is made");
}

#[tokio::test]
async fn a_wrong_or_old_link_makes_no_account_at_all() {
    let (house, app) = App::open().await;
    for wrong in ["", "nonsense", &"A".repeat(43)] {
        let answer = app.client.post("/v1/accounts", &request("ana", wrong)).await.expect(403);
        assert_eq!(answer.code(), "setup_link_invalid");
    }
    let token = &app.setup.as_ref().unwrap().token;
    house.clock.advance(Duration::from_hours(24));
    let answer = app.client.post("/v1/accounts", &request("ana", token)).await.expect(403);
    assert_eq!(answer.code(), "setup_link_invalid");
    app.register("ana").await;

    // A link that did not lead to an account is still good.
    let app = house.start(config()).await;
    let token = &app.setup.as_ref().unwrap().token;
    assert_eq!(
        app.client.post("/v1/accounts", &request("ana", token)).await.expect(409).code(),
        "handle_taken"
    );
    app.client.post("/v1/accounts", &request("bea", token)).await.expect(201);
}

#[tokio::test]
async fn of_many_who_use_the_links_at_once_one_becomes_the_operator() {
    let house = House::open().await;
    let apps = [house.start(config()).await, house.start(config()).await];
    let attempts = (0..16).map(|n| {
        let app = &apps[n % 2];
        let token = app.setup.as_ref().unwrap().token.clone();
        async move { app.client.post("/v1/accounts", &request(&format!("user{n}"), &token)).await }
    });
    let answers = futures_util::future::join_all(attempts).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
    let refused = answers.iter().filter(|answer| answer.status == 403);
    assert_eq!(refused.filter(|answer| answer.code() == "setup_link_invalid").count(), 15);
}

#[tokio::test]
async fn the_page_runs_its_own_script_and_nothing_else() {
    let (_house, app) = App::open().await;
    let page = app.client.get("/setup").await.expect(200);
    let policy = page.header("content-security-policy").unwrap().to_owned();
    let nonce = policy.split("'nonce-").nth(1).unwrap().split('\'').next().unwrap().to_owned();
    assert!(policy.starts_with("default-src 'none';") && nonce.len() >= 22, "{policy}");
    let html = page.text();
    assert_eq!(html.matches("<script").count(), html.matches(&format!("<script nonce=\"{nonce}\">")).count());
    assert!(!html.contains("{{nonce}}") && !html.contains(" style=") && !html.contains(" onclick="));
    assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
    assert_eq!(page.header("cache-control"), Some("no-store"));
    let other = app.client.get("/setup").await.expect(200);
    assert!(!other.text().contains(&nonce), "a nonce is used once");
}
