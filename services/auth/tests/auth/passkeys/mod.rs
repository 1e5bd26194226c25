//! Coming in with a passkey.

mod device;

use std::time::Duration;

use aws_lc_rs::signature::Ed25519KeyPair;
use serde_json::{Value, json};
use tertulia_contracts::auth::{Passkey, Passkeys, SignedIn};
use tertulia_runtime::testkit::{TestClient, TestResponse};

use self::device::{BACKED_UP, Forger, PRESENT, VERIFIED};
use crate::app::App;

const START: &str = "/v1/me/passkeys/start";
const PASSKEYS: &str = "/v1/me/passkeys";

async fn options(client: &TestClient, path: &str) -> Value {
    client.post(path, &json!({})).await.expect(201).json()["options"].clone()
}

async fn keep(client: &TestClient, name: &str, credential: Value) -> TestResponse {
    client.post(PASSKEYS, &json!({"name": name, "credential": credential})).await
}

async fn come_in(app: &App, credential: Value) -> TestResponse {
    app.client.post("/v1/passkeys/finish", &json!({ "credential": credential })).await
}

async fn kept(app: &App, who: &SignedIn) -> Vec<Passkey> {
    app.of(who).get(PASSKEYS).await.expect(200).read::<Passkeys>().items
}

/// A forger's passkey, kept for this account.
async fn forged(app: &App, who: &SignedIn) -> Forger {
    let forger = Forger { user_handle: who.account.id.to_string().into_bytes(), ..Forger::new() };
    let made = forger.create(&options(&app.of(who), START).await);
    keep(&app.of(who), "forged", made).await.expect(201);
    forger
}

#[tokio::test]
async fn a_passkey_comes_in_without_a_password_until_it_is_removed() {
    let (house, app) = App::open().await;
    let ana = app.register("ana").await;
    let device = Forger { user_handle: ana.account.id.to_string().into_bytes(), ..Forger::new() };
    let asked = options(&app.of(&ana), START).await;
    assert_eq!((&asked["rp"]["id"], &asked["user"]["name"]), (&json!("chat.example"), &json!("ana")));
    let made = device.create(&asked);
    let passkey: Passkey = keep(&app.of(&ana), "My phone", made).await.expect(201).read();
    assert_eq!((passkey.name.as_str(), passkey.last_used_at), ("My phone", None));

    for _ in 0..2 {
        house.clock.advance(Duration::from_mins(1));
        let used = device.get(&options(&app.client, "/v1/passkeys/start").await);
        let in_again: SignedIn = come_in(&app, used).await.expect(201).read();
        assert_eq!(in_again.account.id, ana.account.id);
        app.of(&in_again).get("/v1/me").await.expect(200);
        assert_eq!(kept(&app, &ana).await[0].last_used_at, Some(house.ambient.now()));
    }
    // The browser is told which it need not make again.
    let asked = options(&app.of(&ana), START).await;
    assert_eq!(asked["excludeCredentials"].as_array().unwrap().len(), 1);

    let path = format!("{PASSKEYS}/{}", passkey.id);
    let bea = app.register("bea").await;
    assert_eq!(app.of(&bea).delete(&path).await.expect(404).code(), "passkey_not_found");
    app.of(&ana).delete(&path).await.expect(204);
    assert_eq!(app.of(&ana).delete(&path).await.expect(404).code(), "passkey_not_found");
    let used = device.get(&options(&app.client, "/v1/passkeys/start").await);
    assert_eq!(come_in(&app, used).await.expect(403).code(), "passkey_refused");
}

type Crooked = (&'static str, fn(&mut Forger));

/// What is refused of a new passkey and of one that is used alike.
const CROOKED: &[Crooked] = &[
    ("another site", |it| it.client = json!({"origin": "https://evil.example"})),
    ("a site below ours", |it| it.client = json!({"origin": "https://a.chat.example"})),
    ("ours in the clear", |it| it.client = json!({"origin": "http://chat.example"})),
    ("another port", |it| it.client = json!({"origin": "https://chat.example:8443"})),
    ("a frame of another site", |it| it.client = json!({"crossOrigin": true})),
    ("a challenge that was never made", |it| it.client = json!({"challenge": "A".repeat(43)})),
    ("a payment", |it| it.client = json!({"type": "payment.get"})),
    ("another relying party", |it| it.rp_id = "evil.example"),
    ("nobody there", |it| it.flags = VERIFIED),
    ("nobody verified", |it| it.flags = PRESENT),
    ("backed up, and cannot be", |it| it.flags |= BACKED_UP),
    ("more than it says", |it| it.trailing = vec![0]),
];

const NEW: &[Crooked] = &[
    ("signed in with instead of made", |it| it.client = json!({"type": "webauthn.get"})),
    ("an algorithm that is not taken", |it| it.algorithm = -47),
    ("no id", |it| it.id = Vec::new()),
    ("an id without end", |it| it.id = vec![7; 1024]),
];

#[tokio::test]
async fn no_crooked_passkey_is_kept() {
    let (_house, app) = App::open().await;
    let ana = app.register("ana").await;
    for (name, crook) in CROOKED.iter().chain(NEW) {
        let mut forger = Forger::new();
        crook(&mut forger);
        let answer = keep(&app.of(&ana), "x", forger.create(&options(&app.of(&ana), START).await)).await;
        // What is nothing at all is not even a field.
        let expected = if *name == "no id" { 422 } else { 403 };
        assert_eq!(answer.status.as_u16(), expected, "{name}: {}", answer.text());
    }
    let asked = options(&app.of(&ana), START).await;
    let mut two_names = Forger::new().create(&asked);
    two_names["id"] = json!("YW5vdGhlcg");
    assert_eq!(keep(&app.of(&ana), "x", two_names).await.expect(403).code(), "passkey_refused");
    for part in ["clientDataJSON", "attestationObject"] {
        let mut garbled = Forger::new().create(&options(&app.of(&ana), START).await);
        garbled["response"][part] = json!("bm9uc2Vuc2U");
        assert_eq!(keep(&app.of(&ana), "x", garbled).await.expect(403).code(), "passkey_refused", "{part}");
    }
    assert_eq!(kept(&app, &ana).await, Vec::new());
    // And none of it was refused for another reason.
    forged(&app, &ana).await;
}

const USED: &[Crooked] = &[
    ("made instead of signed in with", |it| it.client = json!({"type": "webauthn.create"})),
    ("a signature of something else", |it| it.signs_falsely = true),
    ("another key", |it| it.key = Ed25519KeyPair::generate().unwrap()),
    ("another credential", |it| it.id = b"another".to_vec()),
    ("nobody's", |it| it.user_handle = b"usr_01J00000000000000000000000".to_vec()),
    ("no user handle that is one", |it| it.user_handle = b"\xff\xfe".to_vec()),
];

#[tokio::test]
async fn no_crooked_use_lets_anybody_in() {
    let (_house, app) = App::open().await;
    let (ana, bea) = (app.register("ana").await, app.register("bea").await);
    for (name, crook) in CROOKED.iter().chain(USED) {
        let mut forger = forged(&app, &ana).await;
        crook(&mut forger);
        let used = forger.get(&options(&app.client, "/v1/passkeys/start").await);
        let answer = come_in(&app, used).await.expect(403);
        assert_eq!(answer.code(), "passkey_refused", "{name}");
        let only = kept(&app, &ana).await;
        app.of(&ana).delete(&format!("{PASSKEYS}/{}", only[0].id)).await.expect(204);
    }
    let mut forger = forged(&app, &ana).await;
    // One's own passkey in another's name.
    forger.user_handle = bea.account.id.to_string().into_bytes();
    let used = forger.get(&options(&app.client, "/v1/passkeys/start").await);
    assert_eq!(come_in(&app, used).await.expect(403).code(), "passkey_refused");
    forger.user_handle = ana.account.id.to_string().into_bytes();
    let used = forger.get(&options(&app.client, "/v1/passkeys/start").await);
    come_in(&app, used).await.expect(201);
}

#[tokio::test]
async fn a_challenge_is_answered_once_in_time_and_for_what_it_was_made() {
    let (house, app) = App::open().await;
    let (ana, eve) = (app.register("ana").await, app.register("eve").await);
    let forger = forged(&app, &ana).await;
    let used = forger.get(&options(&app.client, "/v1/passkeys/start").await);
    let (one, other) = tokio::join!(come_in(&app, used.clone()), come_in(&app, used.clone()));
    let mut both = [one.status.as_u16(), other.status.as_u16()];
    both.sort_unstable();
    assert_eq!(both, [201, 403]);
    assert_eq!(come_in(&app, used).await.expect(403).code(), "passkey_refused", "replayed");

    let late = options(&app.client, "/v1/passkeys/start").await;
    house.clock.advance(Duration::from_mins(5));
    assert_eq!(come_in(&app, forger.get(&late)).await.expect(403).code(), "passkey_refused", "too late");

    // Nobody makes somebody else's browser make a passkey for them, nor comes in by the challenge of that.
    let evas = options(&app.of(&eve), START).await;
    let made = Forger { id: b"other".to_vec(), ..Forger::new() }.create(&evas);
    assert_eq!(keep(&app.of(&ana), "x", made).await.expect(403).code(), "passkey_refused");
    let anas = options(&app.of(&ana), START).await;
    assert_eq!(come_in(&app, forger.get(&anas)).await.expect(403).code(), "passkey_refused");
    let to_come_in = options(&app.client, "/v1/passkeys/start").await;
    let made = Forger { id: b"other".to_vec(), ..Forger::new() }.create(&to_come_in);
    assert_eq!(keep(&app.of(&ana), "x", made).await.expect(403).code(), "passkey_refused");
}

#[tokio::test]
async fn a_counter_that_goes_back_tells_of_a_copy() {
    let (_house, app) = App::open().await;
    let ana = app.register("ana").await;
    let mut forger = forged(&app, &ana).await;
    for (counter, status) in [(0, 201), (5, 201), (5, 403), (4, 403), (0, 403), (6, 201)] {
        forger.counter = counter;
        let used = forger.get(&options(&app.client, "/v1/passkeys/start").await);
        assert_eq!(come_in(&app, used).await.status.as_u16(), status, "{counter}");
    }
}

#[tokio::test]
async fn an_account_has_twenty_passkeys_and_each_once() {
    let (_house, app) = App::open().await;
    let ana = app.register("ana").await;
    let twice = options(&app.of(&ana), START).await;
    let forger = forged(&app, &ana).await;
    assert_eq!(keep(&app.of(&ana), "x", forger.create(&twice)).await.expect(403).code(), "passkey_refused");
    let one_more = options(&app.of(&ana), START).await;
    for n in 1..20_u8 {
        let forger = Forger { id: vec![n; 16], ..Forger::new() };
        let made = forger.create(&options(&app.of(&ana), START).await);
        keep(&app.of(&ana), &format!("key {n}"), made).await.expect(201);
    }
    assert_eq!(app.of(&ana).post(START, &json!({})).await.expect(409).code(), "too_many_passkeys");
    let made = Forger { id: vec![99; 16], ..Forger::new() }.create(&one_more);
    assert_eq!(keep(&app.of(&ana), "x", made).await.expect(409).code(), "too_many_passkeys");
    assert_eq!(kept(&app, &ana).await.len(), 20);
    let nameless = json!({"name": " ", "credential": Forger::new().create(&one_more)});
    assert_eq!(app.of(&ana).post(PASSKEYS, &nameless).await.expect(422).wrong_fields(), ["name"]);
}
