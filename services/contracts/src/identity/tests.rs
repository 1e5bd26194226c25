//! Every way of getting past the verifier that we know of, tried.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Json, Router, routing::get};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use tertulia_discovery::StaticDiscovery;
use tertulia_mesh::{Mesh, MeshConfig};
use tertulia_runtime::{
    Ambient,
    testkit::{FrozenClock, frozen},
};

use super::{testkit::Signer, *};
use crate::{auth::Jwks, routes::role};

struct Rig {
    clock: Arc<FrozenClock>,
    ambient: Ambient,
    signer: Signer,
    verifier: Arc<Verifier>,
}

fn rig() -> Rig {
    let (ambient, clock) = frozen(7);
    let signer = Signer::new(&ambient);
    let verifier = signer.verifier();
    Rig { clock, ambient, signer, verifier }
}

impl Rig {
    fn claims(&self) -> Claims {
        let ids = &self.ambient.ids;
        Claims::new(ids.next(), ids.next(), false, self.ambient.now(), testkit::TOKEN_LIFE)
    }

    fn header(&self) -> Header {
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some(TOKEN_TYPE.to_owned());
        header.kid = Some(self.signer.key().public().kid.clone());
        header
    }

    async fn refusal(&self, token: &str) -> String {
        match self.verifier.verify(token).await {
            Err(IdentityError::Refused(why)) => why,
            other => panic!("{token} ended as {other:?}"),
        }
    }
}

fn unsigned(header: &Value, claims: &impl Serialize) -> String {
    let part = |value: Vec<u8>| BASE64.encode(value);
    format!("{}.{}", part(serde_json::to_vec(header).unwrap()), part(serde_json::to_vec(claims).unwrap()))
}

#[tokio::test]
async fn a_good_token_says_who_asks_each_time_it_is_shown() {
    let rig = rig();
    let claims = rig.claims();
    let token = rig.signer.key().sign(&claims);
    for _ in 0..2 {
        let identity = rig.verifier.verify(&token).await.unwrap();
        assert_eq!(
            (identity.user_id, identity.session_id, identity.operator),
            (claims.sub, claims.sid, false)
        );
    }
}

#[tokio::test]
async fn a_token_counts_from_its_making_until_its_expiry() {
    let rig = rig();
    let token = rig.signer.token(rig.ambient.ids.next());
    rig.clock.advance(testkit::TOKEN_LIFE);
    rig.verifier.verify(&token).await.expect("clocks may differ a little");
    rig.clock.advance(LEEWAY);
    assert_eq!(rig.verifier.verify(&token).await, Err(IdentityError::Expired));
    // Also when it was not remembered from before.
    assert_eq!(rig.signer.verifier().verify(&token).await, Err(IdentityError::Expired));

    let mut early = rig.claims();
    early.iat += 60;
    assert_eq!(rig.refusal(&rig.signer.key().sign(&early)).await, "it was made in the future");
    let endless = Claims { iat: i64::MAX, exp: i64::MAX, ..rig.claims() };
    assert_eq!(rig.refusal(&rig.signer.key().sign(&endless)).await, "it was made in the future");
}

#[tokio::test]
async fn a_key_that_auth_does_not_publish_signs_nothing() {
    let rig = rig();
    let foreign = Signer::new(&rig.ambient);
    let token = foreign.token(rig.ambient.ids.next());
    assert_eq!(rig.refusal(&token).await, "it names a key that auth does not publish");

    // Nor when it calls itself by the name of one that auth does publish.
    let mut seed = [0; SEED_BYTES];
    rig.ambient.entropy.fill(&mut seed);
    let der = [&[0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20][..], &seed].concat();
    let posing = encode(&rig.header(), &rig.claims(), &EncodingKey::from_ed_der(&der)).unwrap();
    assert_eq!(rig.refusal(&posing).await, "InvalidSignature");
}

#[tokio::test]
async fn a_tampered_or_cut_token_is_refused() {
    let rig = rig();
    let token = rig.signer.token(rig.ambient.ids.next());
    let (message, signature) = token.rsplit_once('.').unwrap();
    let (head, _) = message.split_once('.').unwrap();
    let operator = Claims { op: true, ..rig.claims() };
    let payload = BASE64.encode(serde_json::to_vec(&operator).unwrap());
    assert_eq!(rig.refusal(&format!("{head}.{payload}.{signature}")).await, "InvalidSignature");
    for length in 0..token.len() {
        rig.refusal(&token[..length]).await;
    }
    let long = format!("{token}{}", "A".repeat(MAX_TOKEN_BYTES));
    assert_eq!(rig.refusal(&long).await, "it is too long");
    for nonsense in ["", ".", "..", "...", "a.b.c", "\u{0}", "🦀.🦀.🦀", &format!("{token}.x")] {
        rig.refusal(nonsense).await;
    }
}

#[tokio::test]
async fn the_algorithm_is_not_the_tokens_to_choose() {
    let rig = rig();
    let (claims, kid) = (rig.claims(), rig.signer.key().public().kid.clone());
    for none in ["none", "None", "NONE", ""] {
        let header = json!({ "alg": none, "typ": TOKEN_TYPE, "kid": kid });
        rig.refusal(&format!("{}.", unsigned(&header, &claims))).await;
    }
    // The classic confusion: the public key, which everybody has, taken for an HMAC secret.
    let public = BASE64.decode(&rig.signer.key().public().x).unwrap();
    let header = Header { alg: Algorithm::HS256, ..rig.header() };
    for secret in [public.as_slice(), rig.signer.key().public().x.as_bytes()] {
        let token = encode(&header, &claims, &EncodingKey::from_secret(secret)).unwrap();
        assert_eq!(rig.refusal(&token).await, "it is signed with another algorithm");
    }
}

#[tokio::test]
async fn the_header_must_be_an_access_tokens() {
    let rig = rig();
    let key = rig.signer.key();
    let signed = |header: Header| encode(&header, &rig.claims(), &key.private).unwrap();
    let id_token = Header { typ: Some("JWT".to_owned()), ..rig.header() };
    assert_eq!(rig.refusal(&signed(id_token)).await, "it is not an access token");
    let nameless = Header { kid: None, ..rig.header() };
    assert_eq!(rig.refusal(&signed(nameless)).await, "it names no key");
    let critical = Header { crit: Some(vec!["exp".to_owned()]), ..rig.header() };
    assert!(rig.refusal(&signed(critical)).await.starts_with("it demands an extension"));
    let carrying = Header { jwk: Some(serde_json::from_value(json!(key.public())).unwrap()), ..rig.header() };
    rig.verifier.verify(&signed(carrying)).await.expect("a key in the header is ignored, not believed");
}

#[tokio::test]
async fn every_claim_must_be_there_and_ours() {
    let rig = rig();
    let whole = serde_json::to_value(rig.claims()).unwrap();
    let signed = |claims: &Value| encode(&rig.header(), claims, &rig.signer.key().private).unwrap();
    rig.verifier.verify(&signed(&whole)).await.unwrap();
    for claim in ["iss", "aud", "sub", "sid", "iat", "exp", "op"] {
        let mut claims = whole.clone();
        claims.as_object_mut().unwrap().remove(claim);
        rig.refusal(&signed(&claims)).await;
    }
    let session: SessionId = rig.ambient.ids.next();
    for (claim, wrong) in [
        ("iss", json!("https://evil.example")),
        ("aud", json!("another")),
        ("aud", json!(["another", AUDIENCE])),
        ("sub", json!(session)),
        ("sub", json!("usr_")),
        ("sid", json!(null)),
        ("exp", json!("tomorrow")),
        ("exp", json!(-1.5)),
        ("op", json!("yes")),
    ] {
        let mut claims = whole.clone();
        claims[claim] = wrong;
        rig.refusal(&signed(&claims)).await;
    }
}

#[test]
fn one_authorization_header_of_the_bearer_scheme_is_asked_for() {
    let headers = |values: &[&'static str]| {
        let values = values.iter().map(|value| (header::AUTHORIZATION, HeaderValue::from_static(value)));
        values.collect::<HeaderMap>()
    };
    assert_eq!(bearer(&headers(&["Bearer abc"])), Ok("abc"));
    assert_eq!(bearer(&headers(&["bearer abc"])), Ok("abc"));
    assert_eq!(bearer(&headers(&[])), Err(IdentityError::Missing));
    for wrong in
        [&["Basic abc"][..], &["Bearer"], &["Bearer "], &["abc"], &[""], &["Bearer abc", "Bearer abd"]]
    {
        assert!(matches!(bearer(&headers(wrong)), Err(IdentityError::Refused(_))), "{wrong:?} was accepted");
    }
}

/// An auth that can be away, counts how often it is asked, and can change its keys.
struct Auth {
    asked: AtomicUsize,
    away: AtomicBool,
    keys: std::sync::Mutex<Jwks>,
}

fn mesh_with(auth: &Arc<Auth>, ambient: &Ambient) -> Mesh {
    let answer = {
        let auth = auth.clone();
        move || async move {
            auth.asked.fetch_add(1, Ordering::SeqCst);
            if auth.away.load(Ordering::SeqCst) {
                return Err(StatusCode::SERVICE_UNAVAILABLE);
            }
            Ok(Json(auth.keys.lock().unwrap().clone()))
        }
    };
    let discovery = Arc::new(StaticDiscovery::default());
    let mesh = Mesh::new(discovery, ambient.entropy.clone(), MeshConfig::default());
    mesh.mount(role::AUTH, Router::new().route("/.well-known/jwks.json", get(answer)));
    mesh
}

#[tokio::test(start_paused = true)]
async fn auth_is_asked_seldom_and_may_be_away() {
    let Rig { ambient, signer, .. } = rig();
    let keys = Jwks { keys: vec![signer.key().public().clone()] };
    let auth =
        Arc::new(Auth { asked: AtomicUsize::new(0), away: AtomicBool::new(true), keys: keys.clone().into() });
    let verifier = Verifier::new(mesh_with(&auth, &ambient), ambient.clock.clone());
    let token = signer.token(ambient.ids.next());
    let asked = || auth.asked.load(Ordering::SeqCst);

    for _ in 0..10 {
        assert!(matches!(verifier.verify(&token).await, Err(IdentityError::KeysUnavailable(_))));
    }
    assert_eq!(asked(), 1, "an auth that is away is not hammered");

    auth.away.store(false, Ordering::SeqCst);
    tokio::time::advance(MIN_FETCH_INTERVAL).await;
    verifier.verify(&token).await.unwrap();
    assert_eq!(asked(), 2);

    // A stranger's unknown keys cost one question a second and nobody else's tokens.
    for _ in 0..10 {
        tokio::time::advance(MIN_FETCH_INTERVAL / 5).await;
        let foreign = Signer::new(&ambient).token(ambient.ids.next());
        assert!(matches!(verifier.verify(&foreign).await, Err(IdentityError::Refused(_))));
        verifier.verify(&token).await.unwrap();
    }
    assert_eq!(asked(), 4);

    // A new key is learned of by being used.
    let successor = Signer::new(&ambient);
    auth.keys.lock().unwrap().keys.push(successor.key().public().clone());
    tokio::time::advance(MIN_FETCH_INTERVAL).await;
    verifier.verify(&successor.token(ambient.ids.next())).await.unwrap();

    // Old keys go on being good while auth is away, and a withdrawn one ends when it is back.
    auth.away.store(true, Ordering::SeqCst);
    auth.keys.lock().unwrap().keys.remove(0);
    tokio::time::advance(MAX_KEY_AGE).await;
    verifier.verify(&token).await.unwrap();
    auth.away.store(false, Ordering::SeqCst);
    tokio::time::advance(MIN_FETCH_INTERVAL + Duration::from_millis(1)).await;
    assert!(matches!(verifier.verify(&token).await, Err(IdentityError::Refused(_))));
}

#[tokio::test]
async fn no_trick_that_we_know_of_gets_past() {
    let rig = rig();
    rig.verifier.verify(&hostile::good_token(&rig.signer, &rig.ambient)).await.unwrap();
    let tokens = hostile::hostile_tokens(&rig.signer, &rig.ambient);
    assert_eq!(tokens.len(), hostile::HOSTILE_TOKENS);
    let names: std::collections::HashSet<&str> = tokens.iter().map(|(name, _)| *name).collect();
    assert_eq!(names.len(), hostile::HOSTILE_TOKENS, "each trick is another");
    for (name, token) in tokens {
        match rig.verifier.verify(&token).await {
            Err(IdentityError::Refused(_)) => assert_ne!(name, "expired"),
            Err(IdentityError::Expired) => assert_eq!(name, "expired"),
            other => panic!("{name}: {other:?}"),
        }
    }
}
