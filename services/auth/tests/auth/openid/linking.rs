//! Linking an identity to an account, and taking it away.

use serde_json::{Value, json};
use tertulia_contracts::auth::SignedIn;
use tertulia_runtime::testkit::{TestClient, TestResponse};

use super::{Attempt, FINISH, open, provider::Provider, sign_in, sign_up};
use crate::app::{App, House};

const START: &str = "/v1/me/openid/op/start";
const FINISH_LINKING: &str = "/v1/me/openid/finish";

/// Links whoever the provider vouches for as `sub` to this account.
async fn link(house: &House, client: &TestClient, provider: &Provider, sub: &str) -> TestResponse {
    provider.script().claims = json!({"sub": sub, "email": format!("{sub}@example.org")});
    Attempt::begin(house, client, START, provider).await.finish(client, FINISH_LINKING).await
}

async fn links(app: &App, who: &SignedIn) -> Vec<Value> {
    let listed = app.of(who).get("/v1/me/openid").await.expect(200).json();
    listed["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn an_identity_is_linked_by_who_holds_both_and_signs_in_until_it_is_unlinked() {
    let (house, app, provider) = open().await;
    let ana = app.register("ana").await;
    let told = link(&house, &app.of(&ana), &provider, "one").await.expect(201).json();
    assert_eq!((&told["issuer"], &told["label"]), (&json!(provider.issuer), &json!("one@example.org")));
    assert!(told.get("last_used_at").is_none());
    let again = link(&house, &app.of(&ana), &provider, "one").await.expect(201).json();
    assert_eq!(again["id"], told["id"], "linking again is the same");

    let by_it: SignedIn = sign_in(&house, &app, &provider).await.expect(201).read();
    assert_eq!(by_it.account.id, ana.account.id);
    let listed = links(&app, &ana).await;
    assert!(listed.len() == 1 && listed[0]["last_used_at"].is_string(), "{listed:?}");

    let path = format!("/v1/me/openid/{}", told["id"].as_str().unwrap());
    let bea = app.register("bea").await;
    assert_eq!(app.of(&bea).delete(&path).await.expect(404).code(), "identity_not_found");
    app.of(&ana).delete(&path).await.expect(204);
    assert_eq!(app.of(&ana).delete(&path).await.expect(404).code(), "identity_not_found");
    assert_eq!(sign_in(&house, &app, &provider).await.expect(409).code(), "account_needed");
    // It is free now, for anybody who holds it.
    link(&house, &app.of(&bea), &provider, "one").await.expect(201);
}

#[tokio::test]
async fn an_identity_is_one_accounts_alone() {
    let (house, app, provider) = open().await;
    let (ana, bea) = (app.register("ana").await, app.register("bea").await);
    link(&house, &app.of(&ana), &provider, "one").await.expect(201);
    assert_eq!(link(&house, &app.of(&bea), &provider, "one").await.expect(409).code(), "identity_taken");
    assert_eq!(links(&app, &bea).await, Vec::<Value>::new());
    let in_again: SignedIn = sign_in(&house, &app, &provider).await.expect(201).read();
    assert_eq!(in_again.account.id, ana.account.id);
}

#[tokio::test]
async fn the_same_address_links_nothing() {
    let (house, app, provider) = open().await;
    app.register_verified(&house, "ana", "ana@example.org").await;
    provider.script().claims = json!({"sub": "eve", "email": "ana@example.org", "email_verified": true});
    assert_eq!(sign_in(&house, &app, &provider).await.expect(409).code(), "account_needed");
    let eve = sign_up(&house, &app, &provider, "eve").await;
    assert!(!eve.account.email_verified);
}

#[tokio::test]
async fn nobody_removes_their_last_way_in() {
    let (house, app, provider) = open().await;
    provider.script().claims = json!({"sub": "one"});
    let ana = sign_up(&house, &app, &provider, "ana").await;
    let first = links(&app, &ana).await[0]["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/me/openid/{first}");
    assert_eq!(app.of(&ana).delete(&path).await.expect(409).code(), "last_way_in");
    sign_in(&house, &app, &provider).await.expect(201);
    link(&house, &app.of(&ana), &provider, "two").await.expect(201);
    let second = links(&app, &ana).await[1]["id"].as_str().unwrap().to_owned();
    let other = format!("/v1/me/openid/{second}");
    let ana = app.of(&ana);
    let (one, other) = tokio::join!(ana.delete(&path), ana.delete(&other));
    let mut both = [one.status.as_u16(), other.status.as_u16()];
    both.sort_unstable();
    assert_eq!(both, [204, 409], "of two at the same moment one stays");
}

#[tokio::test]
async fn an_account_is_linked_to_ten_and_not_to_one_more() {
    let (house, app, provider) = open().await;
    let ana = app.register("ana").await;
    for n in 0..10 {
        link(&house, &app.of(&ana), &provider, &format!("sub{n}")).await.expect(201);
    }
    let more = link(&house, &app.of(&ana), &provider, "one-more").await.expect(409);
    assert_eq!(more.code(), "too_many_identities");
    link(&house, &app.of(&ana), &provider, "sub3").await.expect(201);
    assert_eq!(links(&app, &ana).await.len(), 10);
}

#[tokio::test]
async fn what_one_began_to_link_nobody_else_finishes_and_it_signs_nobody_in() {
    let (house, app, provider) = open().await;
    let (ana, eve) = (app.register("ana").await, app.register("eve").await);
    let begun = Attempt::begin(&house, &app.of(&eve), START, &provider).await;
    for (client, path) in [(app.of(&ana), FINISH_LINKING), (app.client.clone(), FINISH)] {
        assert_eq!(begun.finish(&client, path).await.expect(403).code(), "openid_flow_invalid");
    }
    provider.script().claims = json!({});
    let begun = Attempt::begin(&house, &app.client, super::START, &provider).await;
    let refused = begun.finish(&app.of(&ana), FINISH_LINKING).await.expect(403);
    assert_eq!(refused.code(), "openid_flow_invalid");
    assert_eq!(links(&app, &ana).await, Vec::<Value>::new());
}

#[tokio::test]
async fn an_erased_accounts_identity_is_free_again() {
    let (house, app, provider) = open().await;
    let (ana, bea) = (app.register("ana").await, app.register("bea").await);
    link(&house, &app.of(&ana), &provider, "one").await.expect(201);
    app.of(&ana).delete("/v1/me").await.expect(202);
    assert_eq!(sign_in(&house, &app, &provider).await.expect(409).code(), "account_needed");
    link(&house, &app.of(&bea), &provider, "one").await.expect(201);
    let in_again: SignedIn = sign_in(&house, &app, &provider).await.expect(201).read();
    assert_eq!(in_again.account.id, bea.account.id);
}
