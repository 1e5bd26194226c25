//! One-time codes, recovery codes, and proving again who one is.

use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha1::Sha1;
use tertulia_contracts::auth::{Credentials, RECOVERY_CODES, RecoveryCodes, SignedIn, TotpSecret, WayIn};
use tertulia_runtime::testkit::TestResponse;

use crate::app::{App, House, PASSWORD};

const STEP: Duration = Duration::from_secs(30);

/// What an authenticator shows, computed by the letter of RFC 6238 from what a person types into it.
fn code(house: &House, secret: &str) -> String {
    let letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut key = Vec::new();
    let (mut bits, mut held) = (0_u32, 0);
    for letter in secret.chars() {
        bits = bits << 5 | u32::try_from(letters.find(letter).unwrap()).unwrap();
        held += 5;
        if held >= 8 {
            held -= 8;
            key.push(u8::try_from(bits >> held & 255).unwrap());
        }
    }
    let mut mac = Hmac::<Sha1>::new_from_slice(&key).unwrap();
    let step = u64::try_from(house.ambient.now().as_millis()).unwrap() / 30_000;
    mac.update(&step.to_be_bytes());
    let digest = mac.finalize().into_bytes();
    let start = usize::from(digest[19] & 15);
    let number = u32::from_be_bytes(digest[start..start + 4].try_into().unwrap()) & 0x7fff_ffff;
    format!("{:06}", number % 1_000_000)
}

async fn sign_in(app: &App, besides: Value) -> TestResponse {
    let mut request = json!({ "identifier": "ana", "password": PASSWORD });
    request.as_object_mut().unwrap().extend(besides.as_object().unwrap().clone());
    app.client.post("/v1/sessions", &request).await
}

/// An account of which codes are asked for, its secret, and its recovery codes. The code of this moment is used.
async fn enrolled(house: &House, app: &App) -> (SignedIn, String, Vec<String>) {
    let ana = app.register("ana").await;
    let secret: TotpSecret = app.of(&ana).post("/v1/me/totp", &json!({})).await.expect(201).read();
    let first = json!({ "code": code(house, &secret.secret) });
    let codes: RecoveryCodes = app.of(&ana).post("/v1/me/totp/confirm", &first).await.expect(200).read();
    (ana, secret.secret, codes.recovery_codes)
}

#[tokio::test]
async fn codes_are_asked_for_once_a_first_one_was_shown() {
    let (house, app) = App::open().await;
    let ana = app.register("ana").await;
    let client = app.of(&ana);
    let no_secret = client.post("/v1/me/totp/confirm", &json!({ "code": "000000" })).await;
    assert_eq!(no_secret.expect(403).code(), "proof_wrong");
    let secret: TotpSecret = client.post("/v1/me/totp", &json!({})).await.expect(201).read();
    assert_eq!(
        secret.uri,
        format!(
            "otpauth://totp/Tertulia:ana?secret={}&issuer=Tertulia&algorithm=SHA1&digits=6&period=30",
            secret.secret
        )
    );
    sign_in(&app, json!({})).await.expect(201);
    let first = json!({ "code": code(&house, &secret.secret) });
    let codes: RecoveryCodes = client.post("/v1/me/totp/confirm", &first).await.expect(200).read();
    assert_eq!(codes.recovery_codes.len(), RECOVERY_CODES);

    let seen: Credentials = client.get("/v1/me/credentials").await.expect(200).read();
    let expected =
        Credentials { ways_in: vec![WayIn::Password], totp: true, recovery_codes_left: RECOVERY_CODES };
    assert_eq!(seen, expected);
    assert_eq!(client.post("/v1/me/totp", &json!({})).await.expect(409).code(), "totp_on");
    assert_eq!(client.post("/v1/me/totp/confirm", &first).await.expect(409).code(), "totp_on");
}

#[tokio::test]
async fn only_who_knows_the_password_learns_that_a_code_is_asked_for() {
    let (house, app) = App::open().await;
    let (_, secret, _) = enrolled(&house, &app).await;
    let wrong = json!({ "identifier": "ana", "password": "wrong horse battery", "totp": "000000" });
    assert_eq!(app.client.post("/v1/sessions", &wrong).await.expect(401).code(), "wrong_credentials");
    assert_eq!(sign_in(&app, json!({})).await.expect(401).code(), "totp_required");
    assert_eq!(sign_in(&app, json!({ "totp": "000000" })).await.expect(401).code(), "totp_wrong");
    let used = json!({ "totp": code(&house, &secret) });
    assert_eq!(sign_in(&app, used).await.expect(401).code(), "totp_wrong", "it confirmed the secret");
    house.clock.advance(STEP);
    let both = json!({ "totp": code(&house, &secret), "recovery_code": "x" });
    assert_eq!(sign_in(&app, both).await.expect(401).code(), "totp_wrong");
    sign_in(&app, json!({ "totp": code(&house, &secret) })).await.expect(201);
}

#[tokio::test]
async fn of_many_who_show_one_code_at_once_one_gets_in() {
    let (house, app) = App::open().await;
    let (_, secret, recovery) = enrolled(&house, &app).await;
    house.clock.advance(STEP);
    for besides in [json!({ "totp": code(&house, &secret) }), json!({ "recovery_code": recovery[3] })] {
        let attempts = (0..6).map(|_| sign_in(&app, besides.clone()));
        let answers = futures_util::future::join_all(attempts).await;
        assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1, "{besides}");
    }
}

#[tokio::test]
async fn codes_are_not_guessed_and_a_recovery_code_opens_all_the_same() {
    let (house, app) = App::open().await;
    let (_, _, recovery) = enrolled(&house, &app).await;
    let mut told = None;
    for place in 0..12 {
        // From ever another place: what counts is the account.
        let client = app
            .client
            .with_header(tertulia_contracts::address::FORWARDED_FOR, &format!("198.51.100.{place}"));
        let guess = json!({ "identifier": "ana", "password": PASSWORD, "totp": "000000" });
        let answer = client.post("/v1/sessions", &guess).await;
        told = told.or((answer.status == 429).then_some(place));
    }
    assert_eq!(told, Some(9), "the code that confirmed the secret was the first of ten");
    sign_in(&app, json!({ "recovery_code": recovery[0] })).await.expect(201);
    assert_eq!(sign_in(&app, json!({ "recovery_code": recovery[0] })).await.expect(401).code(), "totp_wrong");
}

#[tokio::test]
async fn what_matters_most_asks_for_a_fresh_proof() {
    let (house, app) = App::open().await;
    let ana = app.register("ana").await;
    let other = app.sign_in("ana").await;
    let client = app.of(&ana);
    house.clock.advance(Duration::from_mins(10));
    let others_path = format!("/v1/sessions/{}", other.session.id);
    let token = json!({ "name": "mine", "scopes": ["read"] });
    let refused = [
        client.post("/v1/me/totp", &json!({})).await,
        client.post("/v1/me/totp/confirm", &json!({ "code": "000000" })).await,
        client.delete("/v1/me/totp").await,
        client.post("/v1/me/recovery-codes", &json!({})).await,
        client.post("/v1/tokens", &token).await,
        client.delete("/v1/sessions").await,
        client.delete(&others_path).await,
        client.delete("/v1/me").await,
    ];
    for answer in refused {
        assert_eq!(answer.expect(403).code(), "step_up_required");
    }
    let step_up = async |proof: Value| client.post("/v1/sessions/current/step-up", &proof).await;
    for wrong in [json!({}), json!({ "password": "not this" }), json!({ "totp": "000000" })] {
        assert_eq!(step_up(wrong).await.expect(403).code(), "proof_wrong");
    }
    let session = step_up(json!({ "password": PASSWORD })).await.expect(200).json();
    assert_eq!(session["authenticated_at"], json!(house.ambient.now()));
    client.post("/v1/tokens", &token).await.expect(201);
    client.delete(&others_path).await.expect(204);
    client.delete("/v1/sessions").await.expect(204);
}

#[tokio::test]
async fn one_signs_out_without_a_proof() {
    let (house, app) = App::open().await;
    let ana = app.register("ana").await;
    house.clock.advance(Duration::from_mins(10));
    app.of(&ana).delete(&format!("/v1/sessions/{}", ana.session.id)).await.expect(204);
    assert_eq!(app.of(&ana).get("/v1/me").await.expect(401).code(), "session_ended");
}

#[tokio::test]
async fn where_codes_are_asked_for_the_password_alone_proves_nothing() {
    let (house, app) = App::open().await;
    let (ana, secret, recovery) = enrolled(&house, &app).await;
    let step_up =
        async |ana: &SignedIn, proof: Value| app.of(ana).post("/v1/sessions/current/step-up", &proof).await;
    assert_eq!(step_up(&ana, json!({ "password": PASSWORD })).await.expect(403).code(), "proof_wrong");
    house.clock.advance(STEP);
    step_up(&ana, json!({ "totp": code(&house, &secret) })).await.expect(200);
    step_up(&ana, json!({ "recovery_code": recovery[0] })).await.expect(200);

    let client = app.of(&ana);
    let fresh: RecoveryCodes = client.post("/v1/me/recovery-codes", &json!({})).await.expect(200).read();
    assert_eq!(
        step_up(&ana, json!({ "recovery_code": recovery[1] })).await.expect(403).code(),
        "proof_wrong"
    );
    step_up(&ana, json!({ "recovery_code": fresh.recovery_codes[1] })).await.expect(200);

    client.delete("/v1/me/totp").await.expect(204);
    sign_in(&app, json!({})).await.expect(201);
    step_up(&ana, json!({ "password": PASSWORD })).await.expect(200);
    assert_eq!(client.post("/v1/me/recovery-codes", &json!({})).await.expect(409).code(), "totp_off");
}

#[tokio::test]
async fn ending_the_others_leaves_the_one_that_asks() {
    let (_house, app) = App::open().await;
    let (ana, bea) = (app.register("ana").await, app.register("bea").await);
    let others = [app.sign_in("ana").await, app.sign_in("ana").await];
    app.of(&ana).delete("/v1/sessions").await.expect(204);
    for other in &others {
        assert_eq!(app.of(other).get("/v1/me").await.expect(401).code(), "session_ended");
    }
    app.of(&ana).get("/v1/me").await.expect(200);
    app.of(&bea).get("/v1/me").await.expect(200);
}
