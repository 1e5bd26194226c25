//! What a crooked provider, or somebody in between, could try: each a named, refused case.

use std::time::Duration;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::{
    Algorithm, EncodingKey, Header,
    jwk::{AlgorithmParameters, Jwk},
};
use serde_json::{Value, json};

use super::{
    Attempt, FINISH, START, open,
    provider::{Provider, Script, config_with},
    sign_in,
};
use crate::app::House;

fn parts(token: &str) -> [&str; 3] {
    token.split('.').collect::<Vec<_>>().try_into().unwrap()
}

/// The token with another header, signed by nobody.
fn unsigned(token: &str, algorithm: &str) -> String {
    let [_, claims, _] = parts(token);
    let header = json!({"alg": algorithm, "typ": "JWT", "kid": "first"}).to_string();
    format!("{}.{claims}.", BASE64_URL_SAFE_NO_PAD.encode(header))
}

/// The token signed with what everybody may read: the public key as if it were a secret.
fn signed_with_the_public_key(token: &str, public: &Jwk) -> String {
    let AlgorithmParameters::OctetKeyPair(key) = &public.algorithm else { panic!("{public:?}") };
    let secret = EncodingKey::from_secret(&BASE64_URL_SAFE_NO_PAD.decode(&key.x).unwrap());
    let claims = BASE64_URL_SAFE_NO_PAD.decode(parts(token)[1]).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    let header = Header { kid: Some("first".to_owned()), ..Header::new(Algorithm::HS256) };
    jsonwebtoken::encode(&header, &claims, &secret).unwrap()
}

fn other_claims(token: &str) -> String {
    let [header, claims, signature] = parts(token);
    let mut claims: Value = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
    claims["sub"] = json!("somebody-else");
    format!("{header}.{}.{signature}", BASE64_URL_SAFE_NO_PAD.encode(claims.to_string()))
}

type Crooked = (&'static str, fn(&mut Script, i64));

/// What the token endpoint answers when everything else was in order.
const TOKENS: &[Crooked] = &[
    ("a nonce of another sign-in", |it, _| it.claims["nonce"] = json!("another")),
    ("no nonce", |it, _| it.claims["nonce"] = Value::Null),
    ("another audience", |it, _| it.claims["aud"] = json!("another")),
    ("no audience", |it, _| it.claims["aud"] = Value::Null),
    ("several audiences, issued to nobody", |it, _| it.claims["aud"] = json!(["tertulia", "another"])),
    ("issued to another client", |it, _| it.claims["azp"] = json!("another")),
    ("several audiences, issued to another", |it, _| {
        it.claims["aud"] = json!(["tertulia", "another"]);
        it.claims["azp"] = json!("another");
    }),
    ("another issuer", |it, _| it.claims["iss"] = json!("https://accounts.google.com")),
    ("no issuer", |it, _| it.claims["iss"] = Value::Null),
    ("expired", |it, now| it.claims["exp"] = json!(now - 60)),
    ("no expiry", |it, _| it.claims["exp"] = Value::Null),
    ("made in the future", |it, now| it.claims["iat"] = json!(now + 61)),
    ("not good yet", |it, now| it.claims["nbf"] = json!(now + 61)),
    ("made long ago", |it, now| it.claims["iat"] = json!(now - 901)),
    ("no moment of its making", |it, _| it.claims["iat"] = Value::Null),
    ("no subject", |it, _| it.claims["sub"] = Value::Null),
    ("an empty subject", |it, _| it.claims["sub"] = json!("")),
    ("a subject that is too long", |it, _| it.claims["sub"] = json!("x".repeat(256))),
    ("a subject of control characters", |it, _| it.claims["sub"] = json!("a\nb")),
    ("algorithm none", |it, _| it.forge = Some(|token, _| unsigned(token, "none"))),
    ("algorithm None", |it, _| it.forge = Some(|token, _| unsigned(token, "None"))),
    ("algorithm HS256 with the public key", |it, _| it.forge = Some(signed_with_the_public_key)),
    ("RS256 in the name of an Ed25519 key", |it, _| it.forge = Some(|token, _| unsigned(token, "RS256"))),
    ("a signature stripped", |it, _| {
        it.forge = Some(|token, _| token.rsplit_once('.').unwrap().0.to_owned() + ".");
    }),
    ("a signature of other claims", |it, _| it.forge = Some(|token, _| other_claims(token))),
    ("not a token", |it, _| it.forge = Some(|_, _| "nonsense".to_owned())),
    ("a token without end", |it, _| it.claims["padding"] = json!("x".repeat(16 << 10))),
    ("another key by the same name", |it, _| it.signs_with = 7),
    ("a key that was never published", |it, _| it.header = json!({"kid": "unknown"})),
    ("a key of another kind", |it, _| it.header = json!({"kid": "new"})),
    ("an extension that must be understood", |it, _| it.header = json!({"crit": ["b64"], "b64": false})),
    ("the code refused as used", |it, _| it.refuses = Some((400, json!({"error": "invalid_grant"})))),
    ("this client refused", |it, _| it.refuses = Some((401, json!({"error": "invalid_client"})))),
];

#[tokio::test]
async fn no_crooked_token_lets_anybody_in() {
    let (house, app, provider) = open().await;
    for (name, crook) in TOKENS {
        let attempt = Attempt::begin(&house, &app.client, START, &provider).await;
        crook(&mut provider.script(), house.clock_s());
        let answer = attempt.finish(&app.client, FINISH).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (403, "openid_refused"), "{name}");
        // What it sent is not shown, and the sign-in is spent.
        assert!(!answer.text().contains("invalid_") && !answer.text().contains("issuer"), "{name}");
        straighten(&provider);
        let again = attempt.finish(&app.client, FINISH).await.expect(403);
        assert_eq!(again.code(), "openid_flow_invalid", "{name}");
    }
    // And none of it was refused for another reason.
    assert_eq!(sign_in(&house, &app, &provider).await.expect(409).code(), "account_needed");
    provider.script().claims = json!({"aud": ["tertulia", "another"], "azp": "tertulia"});
    assert_eq!(sign_in(&house, &app, &provider).await.expect(409).code(), "account_needed");
}

fn straighten(provider: &Provider) {
    let mut script = provider.script();
    (script.claims, script.header) = (json!({}), json!({}));
    (script.forge, script.refuses, script.signs_with) = (None, None, 1);
}

#[tokio::test]
async fn an_answer_belongs_to_who_began_and_to_the_provider_they_began_at() {
    let (house, app, provider) = open().await;
    let body = |attempt: &Attempt, changes: Value| {
        let mut body = attempt.body();
        for (name, value) in changes.as_object().unwrap() {
            let body = body.as_object_mut().unwrap();
            if value.is_null() {
                body.remove(name)
            } else {
                body.insert(name.clone(), value.clone())
            };
        }
        body
    };
    let eves = Attempt::begin(&house, &app.client, START, &provider).await;
    provider.script().claims = json!({});
    let anas = Attempt::begin(&house, &app.client, START, &provider).await;
    let not_hers = [
        ("login CSRF: another's state with one's own secret", json!({"state": eves.started.state})),
        ("another's secret", json!({"secret": eves.started.secret})),
        ("a state that was never made", json!({"state": "A".repeat(43)})),
        ("a secret that was never made", json!({"secret": "A".repeat(43)})),
        ("state and secret exchanged", json!({"state": anas.started.secret, "secret": anas.started.state})),
    ];
    for (name, changes) in not_hers {
        let answer = app.client.post(FINISH, &body(&anas, changes)).await.expect(403);
        assert_eq!(answer.code(), "openid_flow_invalid", "{name}");
    }
    assert!(provider.script().forms.is_empty(), "no code was redeemed");
    // Another's code in one's own sign-in has another's nonce.
    provider.script().claims["nonce"] = json!(eves.asked["nonce"]);
    let injected = anas.finish(&app.client, FINISH).await.expect(403);
    assert_eq!(injected.code(), "openid_refused", "a code injected");

    for (name, iss) in [
        ("mix-up: another issuer's answer", json!("https://evil.example")),
        ("mix-up: an issuer promised and absent", Value::Null),
    ] {
        provider.script().claims = json!({});
        let anas = Attempt::begin(&house, &app.client, START, &provider).await;
        let before = provider.script().forms.len();
        let answer = app.client.post(FINISH, &body(&anas, json!({ "iss": iss }))).await.expect(403);
        assert_eq!(answer.code(), "openid_refused", "{name}");
        assert_eq!(provider.script().forms.len(), before, "{name}: the code goes nowhere");
    }
}

#[tokio::test]
async fn of_two_that_finish_one_sign_in_one_is_heard() {
    let (house, app, provider) = open().await;
    let attempt = Attempt::begin(&house, &app.client, START, &provider).await;
    let (one, other) = tokio::join!(attempt.finish(&app.client, FINISH), attempt.finish(&app.client, FINISH));
    let mut codes = [one.code(), other.code()];
    codes.sort();
    assert_eq!(codes, ["account_needed", "openid_flow_invalid"]);
    assert_eq!(provider.script().forms.len(), 1);
}

#[tokio::test]
async fn a_sign_in_has_its_time() {
    let (house, app, provider) = open().await;
    let attempt = Attempt::begin(&house, &app.client, START, &provider).await;
    house.clock.advance(Duration::from_mins(10));
    assert_eq!(attempt.finish(&app.client, FINISH).await.expect(403).code(), "openid_flow_invalid");
}

/// What a provider says of itself.
const DISCOVERIES: &[Crooked] = &[
    ("another issuer", |it, _| it.discovery = json!({"issuer": "https://accounts.google.com"})),
    ("a token endpoint in the clear", |it, _| {
        it.discovery = json!({"token_endpoint": "http://id.example/token"});
    }),
    ("keys in the clear", |it, _| it.discovery = json!({"jwks_uri": "http://id.example/keys"})),
    ("a script to go to", |it, _| it.discovery = json!({"authorization_endpoint": "javascript:alert(1)"})),
    ("a file to read", |it, _| it.discovery = json!({"jwks_uri": "file:///etc/passwd"})),
    ("no token endpoint", |it, _| it.discovery = json!({"token_endpoint": null})),
    ("more than is read", |it, _| it.page = Some(format!("{{\"issuer\":\"{}\"}}", "x".repeat(256 << 10)))),
    ("not JSON", |it, _| it.page = Some("<html>".to_owned())),
    ("a redirect elsewhere", |it, _| it.moved_to = Some("/keys".to_owned())),
    ("no such page", |it, _| it.discovery = json!({"jwks_uri": "http://127.0.0.1:1/keys"})),
];

#[tokio::test]
async fn a_provider_that_is_not_what_it_should_be_is_not_gone_to() {
    let house = House::open().await;
    for (name, crook) in DISCOVERIES {
        let provider = Provider::start(&house).await;
        crook(&mut provider.script(), 0);
        let app = house.start(config_with(&[("op", &provider)])).await;
        let answer = app.client.post(START, &json!({})).await.expect(503);
        let away = *name == "no such page";
        assert_eq!(answer.code(), if away { "provider_unavailable" } else { "provider_wrong" }, "{name}");
        // It is asked again as soon as somebody wants in.
        provider.script().behave();
        app.client.post(START, &json!({})).await.expect(201);
    }
}

#[tokio::test]
async fn two_providers_are_two_even_by_the_same_subject() {
    let house = House::open().await;
    let (one, other) = (Provider::start(&house).await, Provider::start(&house).await);
    let app = house.start(config_with(&[("op", &one), ("other", &other)])).await;
    super::sign_up(&house, &app, &one, "ana").await;
    let attempt = Attempt::begin(&house, &app.client, "/v1/openid/other/start", &other).await;
    assert_eq!(attempt.finish(&app.client, FINISH).await.expect(409).code(), "account_needed");
    let unknown = app.client.post("/v1/openid/nobody/start", &json!({})).await.expect(404);
    assert_eq!(unknown.code(), "provider_not_found");
}

#[tokio::test]
async fn the_page_that_one_comes_back_to_goes_nowhere() {
    let (_house, app, _provider) = open().await;
    let page = app
        .client
        .get("/openid/callback?code=a&state=%22%3E%3Cscript%3E&next=//evil.example")
        .await
        .expect(200);
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("form-action 'none'"), "{policy}");
    assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
    assert_eq!(page.header("cache-control"), Some("no-store"));
    let text = page.text();
    assert!(!text.contains("evil.example") && !text.contains("location.href ="), "{text}");
}
