//! Coming in by an account elsewhere.

mod hostile;
mod linking;
mod provider;

use std::collections::HashMap;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use tertulia_auth::{Config, Registration};
use tertulia_contracts::auth::{MadeInstanceInvitation, OpenidProviders, OpenidStarted, SignedIn};
use tertulia_runtime::{
    secret,
    testkit::{TestClient, TestResponse},
};

use self::provider::{CLIENT_ID, Provider, config_with};
use crate::{
    app::{App, House, PUBLIC_URL},
    mailbox::newest_mail,
};

/// A house with one instance in it that knows one provider, called `op`.
async fn open() -> (House, App, Provider) {
    let house = House::open().await;
    let provider = Provider::start(&house).await;
    let app = house.start(config_with(&[("op", &provider)])).await;
    (house, app, provider)
}

/// A sign-in that somebody is in the middle of.
struct Attempt {
    started: OpenidStarted,
    asked: HashMap<String, String>,
    iss: String,
}

impl Attempt {
    /// Begins, as this client, and lets the provider vouch for whom its script says.
    async fn begin(house: &House, client: &TestClient, path: &str, provider: &Provider) -> Self {
        let started: OpenidStarted = client.post(path, &json!({})).await.expect(201).read();
        let query = started.authorization_url.split_once('?').unwrap().1;
        let asked: HashMap<String, String> = query
            .split('&')
            .map(|pair| {
                let (name, value) = pair.split_once('=').unwrap();
                (name.to_owned(), value.replace("%3A", ":").replace("%2F", "/").replace('+', " "))
            })
            .collect();
        let now = house.clock_s();
        let mut script = provider.script();
        let claims = script.claims.as_object_mut().unwrap();
        for (name, value) in
            [("nonce", json!(asked["nonce"])), ("iat", json!(now)), ("exp", json!(now + 300))]
        {
            claims.entry(name).or_insert(value);
        }
        drop(script);
        Self { started, asked, iss: provider.issuer.clone() }
    }

    fn body(&self) -> Value {
        let OpenidStarted { state, secret, .. } = &self.started;
        json!({ "state": state, "secret": secret, "code": "a-code", "iss": self.iss })
    }

    async fn finish(&self, client: &TestClient, path: &str) -> TestResponse {
        client.post(path, &self.body()).await
    }
}

impl House {
    fn clock_s(&self) -> i64 {
        self.ambient.now().as_millis() / 1000
    }
}

const START: &str = "/v1/openid/op/start";
const FINISH: &str = "/v1/openid/finish";

/// Signs in as whoever the provider vouches for.
async fn sign_in(house: &House, app: &App, provider: &Provider) -> TestResponse {
    // What a sign-in before laid down is over.
    for name in ["nonce", "iat", "exp"] {
        provider.script().claims.as_object_mut().unwrap().remove(name);
    }
    let attempt = Attempt::begin(house, &app.client, START, provider).await;
    attempt.finish(&app.client, FINISH).await
}

/// Makes an account of whoever the provider vouches for.
async fn sign_up(house: &House, app: &App, provider: &Provider, handle: &str) -> SignedIn {
    for name in ["nonce", "iat", "exp"] {
        provider.script().claims.as_object_mut().unwrap().remove(name);
    }
    let attempt = Attempt::begin(house, &app.client, START, provider).await;
    assert_eq!(attempt.finish(&app.client, FINISH).await.expect(409).code(), "account_needed");
    let OpenidStarted { state, secret, .. } = &attempt.started;
    let request = json!({ "state": state, "secret": secret, "handle": handle });
    app.client.post("/v1/openid/accounts", &request).await.expect(201).read()
}

#[tokio::test]
async fn somebody_new_chooses_a_name_and_comes_in_again() {
    let (house, app, provider) = open().await;
    let listed: OpenidProviders = app.client.get("/v1/openid").await.expect(200).read();
    assert_eq!(serde_json::to_value(listed).unwrap(), json!({"items": [{"id": "op", "name": "The op"}]}));

    provider.script().claims =
        json!({"email": "ana@example.org", "preferred_username": "Ana", "name": "Ana María"});
    let attempt = Attempt::begin(&house, &app.client, START, &provider).await;
    let asked = |name: &str| attempt.asked[name].as_str();
    assert_eq!((asked("response_type"), asked("client_id")), ("code", CLIENT_ID));
    assert_eq!((asked("scope"), asked("code_challenge_method")), ("openid email", "S256"));
    assert_eq!(asked("redirect_uri"), format!("{PUBLIC_URL}/openid/callback"));
    assert_eq!(asked("state"), attempt.started.state);

    let needed = attempt.finish(&app.client, FINISH).await.expect(409);
    assert_eq!(needed.code(), "account_needed");
    assert_eq!(needed.json()["proposal"], json!({"handle": "ana", "display_name": "Ana María"}));
    let (form, basic) = provider.script().forms.pop().unwrap();
    assert_eq!(
        (form["grant_type"].as_str(), form["code"].as_str()),
        (Some("authorization_code"), Some("a-code"))
    );
    let challenge = secret::fingerprint(form["code_verifier"].as_str().unwrap());
    assert_eq!(challenge, asked("code_challenge"), "the verifier is the challenge's (RFC 7636 §4.6)");
    let basic = BASE64_STANDARD.decode(basic.unwrap().strip_prefix("Basic ").unwrap()).unwrap();
    assert_eq!(basic, b"tertulia:hush%26hush");

    let OpenidStarted { state, secret, .. } = &attempt.started;
    let wish =
        |handle: &str| json!({"state": state, "secret": secret, "handle": handle, "display_name": "Ana"});
    let reserved = app.client.post("/v1/openid/accounts", &wish("admin")).await.expect(422);
    assert_eq!(reserved.code(), "handle_reserved");
    app.register("taken").await;
    let taken = app.client.post("/v1/openid/accounts", &wish("taken")).await.expect(409);
    assert_eq!(taken.code(), "handle_taken");
    let ana: SignedIn = app.client.post("/v1/openid/accounts", &wish("ana")).await.expect(201).read();
    assert_eq!((ana.account.handle.as_str(), ana.account.display_name.as_str()), ("ana", "Ana"));
    assert!(!ana.account.email_verified, "an address is whose mailbox it is");
    newest_mail(&house, "ana@example.org", 1).await;
    let again = app.client.post("/v1/openid/accounts", &wish("ana2")).await.expect(403);
    assert_eq!(again.code(), "openid_flow_invalid");

    let in_again: SignedIn = sign_in(&house, &app, &provider).await.expect(201).read();
    assert_eq!(in_again.account.id, ana.account.id);
    assert_ne!(in_again.session.id, ana.session.id);
    app.of(&in_again).get("/v1/me").await.expect(200);
}

#[tokio::test]
async fn a_name_that_is_taken_is_proposed_with_a_number() {
    let (house, app, provider) = open().await;
    app.register("ana").await;
    provider.script().claims = json!({"preferred_username": "ana"});
    let needed = sign_in(&house, &app, &provider).await.expect(409);
    assert_eq!(needed.json()["proposal"], json!({"handle": "ana2"}));
    provider.script().claims = json!({"preferred_username": "admin"});
    let needed = sign_in(&house, &app, &provider).await.expect(409);
    assert_eq!(needed.json()["proposal"], json!({}), "nobody is proposed to pose as the house");
    provider.script().claims = json!({});
    let needed = sign_in(&house, &app, &provider).await.expect(409);
    assert_eq!(needed.json()["proposal"], json!({}));
}

#[tokio::test]
async fn nobody_new_comes_in_where_registration_is_closed() {
    let (house, app, provider) = open().await;
    sign_up(&house, &app, &provider, "ana").await;
    let closed =
        house.start(Config { registration: Registration::Closed, ..config_with(&[("op", &provider)]) }).await;
    sign_in(&house, &closed, &provider).await.expect(201);
    provider.script().claims = json!({"sub": "another"});
    assert_eq!(sign_in(&house, &closed, &provider).await.expect(403).code(), "registration_closed");
    // Nor who was told to choose a name before it was.
    let attempt = Attempt::begin(&house, &app.client, START, &provider).await;
    provider.script().claims["nonce"] = json!(attempt.asked["nonce"]);
    assert_eq!(attempt.finish(&app.client, FINISH).await.expect(409).code(), "account_needed");
    let OpenidStarted { state, secret, .. } = &attempt.started;
    let wish = json!({"state": state, "secret": secret, "handle": "bea"});
    let refused = closed.client.post("/v1/openid/accounts", &wish).await.expect(403);
    assert_eq!(refused.code(), "registration_closed");
}

#[tokio::test]
async fn where_registration_takes_an_invitation_somebody_new_brings_one() {
    let (house, app, provider) = open().await;
    let operator = app.of(&app.operator().await);
    let made: MadeInstanceInvitation =
        operator.post("/v1/operator/invitations", &json!({ "max_uses": 1 })).await.expect(201).read();
    let by_invitation =
        Config { registration: Registration::Invitation, ..config_with(&[("op", &provider)]) };
    let app = house.start(by_invitation).await;
    for (handle, sub) in [("bea", "one"), ("cleo", "another")] {
        provider.script().claims = json!({ "sub": sub });
        let attempt = Attempt::begin(&house, &app.client, START, &provider).await;
        assert_eq!(attempt.finish(&app.client, FINISH).await.expect(409).code(), "account_needed");
        let OpenidStarted { state, secret, .. } = &attempt.started;
        let mut wish = json!({ "state": state, "secret": secret, "handle": handle });
        let without = app.client.post("/v1/openid/accounts", &wish).await.expect(403);
        assert_eq!(without.code(), "invitation_required");
        wish["invitation"] = json!(made.secret);
        let answer = app.client.post("/v1/openid/accounts", &wish).await;
        if handle == "bea" {
            answer.expect(201);
        } else {
            assert_eq!(answer.expect(403).code(), "invitation_invalid", "its one use is taken");
        }
    }
}

#[tokio::test]
async fn who_is_suspended_does_not_come_in_by_an_account_elsewhere() {
    let (house, app, provider) = open().await;
    let operator = app.of(&app.operator().await);
    let ana = sign_up(&house, &app, &provider, "ana").await;
    let path = format!("/v1/operator/accounts/{}/suspension", ana.account.id);
    operator.put(&path, &json!({ "reason": "Spam." })).await.expect(200);
    assert_eq!(sign_in(&house, &app, &provider).await.expect(403).code(), "account_suspended");
    operator.delete(&path).await.expect(204);
    sign_in(&house, &app, &provider).await.expect(201);
}

#[tokio::test]
async fn two_who_make_an_account_of_one_sign_in_make_one() {
    let (house, app, provider) = open().await;
    let attempt = Attempt::begin(&house, &app.client, START, &provider).await;
    attempt.finish(&app.client, FINISH).await.expect(409);
    let OpenidStarted { state, secret, .. } = &attempt.started;
    let wish = |handle: &str| json!({"state": state, "secret": secret, "handle": handle});
    let (one, other) = (wish("ana"), wish("bea"));
    let (one, other) = tokio::join!(
        app.client.post("/v1/openid/accounts", &one),
        app.client.post("/v1/openid/accounts", &other)
    );
    let made = [&one, &other].into_iter().filter(|answer| answer.status == 201).count();
    assert_eq!(made, 1, "{} {}", one.text(), other.text());
    sign_in(&house, &app, &provider).await.expect(201);
}

#[tokio::test]
async fn a_provider_changes_its_keys_and_is_asked_for_them_within_bounds() {
    let (house, app, provider) = open().await;
    sign_up(&house, &app, &provider, "ana").await;
    assert_eq!(provider.script().keys_read, 1);
    let change = |kid: &str, seed: u8| {
        let mut script = provider.script();
        script.published = vec![(kid.to_owned(), seed)];
        script.signs_with = seed;
    };
    change("second", 2);
    // A key that was never published is asked for once a minute at most.
    assert_eq!(sign_in(&house, &app, &provider).await.expect(403).code(), "openid_refused");
    assert_eq!(provider.script().keys_read, 1);
    house.clock.advance(std::time::Duration::from_mins(1));
    sign_in(&house, &app, &provider).await.expect(201);
    sign_in(&house, &app, &provider).await.expect(201);
    assert_eq!(provider.script().keys_read, 2);
    // One that is away for a while holds up nobody whose token its known keys verify.
    provider.script().page = Some("down".to_owned());
    house.clock.advance(std::time::Duration::from_hours(2));
    sign_in(&house, &app, &provider).await.expect(201);
}
