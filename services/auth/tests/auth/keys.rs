//! The signing keys.

use serde_json::Value;
use tertulia_contracts::auth::Jwks;

use crate::app::{App, House, config};

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
