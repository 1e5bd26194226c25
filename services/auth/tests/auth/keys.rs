//! The signing keys.

use std::time::Duration;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tertulia_contracts::auth::{AuditEntries, Jwks, KeyState, SignedIn, SigningKeys};
use tertulia_runtime::testkit::{TestClient, eventually, eventually_true};

use crate::app::{App, House, SOON, config};

#[tokio::test]
async fn processes_that_start_together_agree_on_one_key_and_keep_it() {
    let house = House::open().await;
    let starts = (0..8).map(|_| house.start(config()));
    let apps = futures_util::future::join_all(starts).await;
    let keys =
        async |app: &App| app.client.get("/.well-known/jwks.json").await.expect(200).read::<Jwks>().keys;
    let first = keys(&apps[0]).await;
    assert_eq!(first.len(), 1);
    for app in &apps {
        assert_eq!(keys(app).await, first);
    }
    let ana = apps[0].register("ana").await;
    let later = house.start(config()).await;
    assert_eq!(keys(&later).await, first);
    let identity = later.verifier.verify(&ana.access_token).await.unwrap();
    assert_eq!((identity.user_id, identity.session_id), (ana.account.id, ana.session.id));
}

#[tokio::test]
async fn only_the_public_half_is_published() {
    let (_house, app) = App::open().await;
    let answer = app.client.get("/.well-known/jwks.json").await.expect(200);
    assert_eq!(answer.header("cache-control"), Some("public, max-age=300"));
    let key: Value = answer.json()["keys"][0].clone();
    let mut members: Vec<&str> = key.as_object().unwrap().keys().map(String::as_str).collect();
    members.sort_unstable();
    assert_eq!(members, ["alg", "crv", "kid", "kty", "use", "x"]);
    assert_eq!(key["kid"].as_str().map(str::len), Some(43), "the thumbprint of RFC 7638 is a SHA-256");
}

/// The kid that a token's header names.
fn kid(signed_in: &SignedIn) -> String {
    let header = signed_in.access_token.split('.').next().unwrap();
    let header: Value = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
    header["kid"].as_str().unwrap().to_owned()
}

async fn published(app: &App) -> Vec<String> {
    let keys: Jwks = app.client.get("/.well-known/jwks.json").await.expect(200).read();
    keys.keys.into_iter().map(|key| key.kid).collect()
}

async fn states(operator: &TestClient) -> Vec<KeyState> {
    let keys: SigningKeys = operator.get("/v1/operator/keys").await.expect(200).read();
    keys.items.into_iter().map(|key| key.state).collect()
}

#[tokio::test]
async fn the_operator_rotates_at_once_and_no_token_that_is_good_is_ever_refused() {
    let house = House::open().await;
    let (app, other) = (house.start(config()).await, house.start(config()).await);
    let operator = app.operator().await;
    let first = kid(&operator);
    let client = app.of(&operator);
    let rotated: SigningKeys = client.post("/v1/operator/keys/rotation", &json!({})).await.expect(200).read();
    let second = rotated.items[0].kid.clone();
    assert_eq!(states(&client).await, [KeyState::Next, KeyState::Signing]);
    // Every process publishes it before any signs with it.
    eventually_true(SOON, async || published(&other).await == [first.clone(), second.clone()]).await;
    for app in [&app, &other] {
        assert_eq!(kid(&app.sign_in("ada").await), first);
    }
    house.clock.advance(Duration::from_secs(10));
    let (mine, theirs) = (app.sign_in("ada").await, other.sign_in("ada").await);
    assert_eq!([kid(&mine), kid(&theirs)], [second.clone(), second.clone()]);
    assert_eq!(states(&client).await, [KeyState::Signing, KeyState::Old]);
    for token in [&operator.access_token, &mine.access_token, &theirs.access_token] {
        for app in [&app, &other] {
            app.verifier.verify(token).await.unwrap();
        }
    }
    // The key goes once its last token is over, and not a moment before.
    house.clock.advance(Duration::from_secs(599));
    let last = app.sign_in("ada").await;
    app.verifier.verify(&mine.access_token).await.unwrap();
    assert_eq!(published(&app).await.len(), 2);
    house.clock.advance(Duration::from_secs(70));
    for app in [&app, &other] {
        eventually_true(SOON, async || published(app).await == [second.clone()]).await;
        app.verifier.verify(&last.access_token).await.unwrap();
    }
    let entry = async || {
        let found = app.of(&last).get("/v1/operator/audit?kind=keys.rotated").await.expect(200);
        found.read::<AuditEntries>().items.into_iter().next()
    };
    assert_eq!(eventually(SOON, entry).await.actor, Some(operator.account.id));
}

#[tokio::test]
async fn keys_rotate_by_time_and_many_processes_make_one_next_key() {
    let house = House::open().await;
    let apps = [house.start(config()).await, house.start(config()).await, house.start(config()).await];
    let first = kid(&apps[0].register("ana").await);
    house.clock.advance(Duration::from_hours(90 * 24 - 1));
    let two = async |app: &App| Some(published(app).await).filter(|keys| keys.len() > 1);
    let keys = eventually(SOON, async || two(&apps[0]).await).await;
    for app in &apps {
        assert_eq!(eventually(SOON, async || two(app).await).await, keys);
        assert_eq!(kid(&app.sign_in("ana").await), first);
    }
    house.clock.advance(Duration::from_hours(1));
    let ana = apps[0].sign_in("ana").await;
    assert_eq!((kid(&ana), keys.len()), (keys[1].clone(), 2));
    for app in &apps {
        app.verifier.verify(&ana.access_token).await.unwrap();
    }
}

#[tokio::test]
async fn the_operator_alone_rotates_and_not_without_end() {
    let (house, app) = App::open().await;
    let operator = app.operator().await;
    let client = app.of(&operator);
    for _ in 0..7 {
        client.post("/v1/operator/keys/rotation", &json!({})).await.expect(200);
        // Asked again before it signs, the one that waits gives way.
        client.post("/v1/operator/keys/rotation", &json!({})).await.expect(200);
        house.clock.advance(Duration::from_secs(10));
    }
    assert_eq!(states(&client).await.len(), 8);
    let refused = client.post("/v1/operator/keys/rotation", &json!({})).await.expect(429);
    assert_eq!(refused.code(), "too_often");
    client.get("/v1/me").await.expect(200);
    let ana = app.register("ana").await;
    // A verifier asks for keys once a second, and here ten seconds were over in no time.
    eventually_true(SOON, async || app.verifier.verify(&ana.access_token).await.is_ok()).await;
    for answer in [
        app.of(&ana).get("/v1/operator/keys").await,
        app.of(&ana).post("/v1/operator/keys/rotation", &json!({})).await,
    ] {
        assert_eq!(answer.expect(403).code(), "operator_only");
    }
}
