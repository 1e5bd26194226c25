//! Signing in, staying in, getting out.

use std::time::Duration;

use http::header::USER_AGENT;
use serde_json::{Value, json};
use tertulia_bus::Heard;
use tertulia_contracts::{
    auth::{Sessions, SignedIn},
    identity::{IdentityError, Verifier},
    live::{Control, control_channel},
};
use tertulia_runtime::testkit::{TestResponse, eventually_true};

use crate::app::{App, PASSWORD, SOON};

const DAY: Duration = Duration::from_hours(24);

async fn refresh(app: &App, signed_in: &SignedIn) -> TestResponse {
    app.client.post("/v1/sessions/refresh", &json!({ "refresh_token": signed_in.refresh_token })).await
}

#[tokio::test]
async fn one_signs_in_by_handle_or_address_as_one_types_it() {
    let (house, app) = App::open().await;
    app.register_verified(&house, "ana", "Ana@example.org").await;
    for identifier in ["ana", "Ana", " ana ", "ana@example.org", "ANA@EXAMPLE.ORG"] {
        let signed_in = app.sign_in(identifier).await;
        assert_eq!(signed_in.account.handle, "ana");
        app.verifier.verify(&signed_in.access_token).await.unwrap();
    }
}

#[tokio::test]
async fn an_unknown_name_and_a_wrong_password_cannot_be_told_apart() {
    let (_house, app) = App::open().await;
    app.register("ana").await;
    let attempt = async |identifier: &str, password: &str| {
        let request = json!({ "identifier": identifier, "password": password });
        let answer = app.client.post("/v1/sessions", &request).await.expect(401);
        assert_eq!(answer.code(), "wrong_credentials");
        (answer.headers.clone(), answer.text())
    };
    let wrong = attempt("ana", "wrong horse battery").await;
    assert_eq!(wrong, attempt("nobody", PASSWORD).await);
    assert_eq!(wrong, attempt("nobody@example.org", PASSWORD).await);
}

#[tokio::test]
async fn a_refresh_token_is_good_once_and_its_reuse_ends_the_session() {
    let (_house, app) = App::open().await;
    let first = app.register("ana").await;
    let other = app.sign_in("ana").await;
    let second: SignedIn = refresh(&app, &first).await.expect(200).read();
    let third: SignedIn = refresh(&app, &second).await.expect(200).read();
    assert_eq!(first.session.id, third.session.id);
    app.of(&third).get("/v1/me").await.expect(200);

    // A thief shows the first one: the owner, who holds the third, is signed out too.
    assert_eq!(refresh(&app, &first).await.expect(401).code(), "refresh_token_reused");
    assert_eq!(refresh(&app, &third).await.expect(401).code(), "refresh_token_invalid");
    assert_eq!(app.of(&third).get("/v1/me").await.expect(401).code(), "session_ended");
    refresh(&app, &other).await.expect(200);
}

#[tokio::test]
async fn of_fifty_who_use_one_refresh_token_at_once_at_most_one_gets_in() {
    let (_house, app) = App::open().await;
    let first = app.register("ana").await;
    let attempts = (0..50).map(|_| refresh(&app, &first));
    let answers = futures_util::future::join_all(attempts).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    assert!(answers.iter().filter(|answer| answer.status != 200).all(|answer| answer.status == 401));
    let winner = answers.iter().find(|answer| answer.status == 200).unwrap().read::<SignedIn>();
    refresh(&app, &winner).await.expect(401);
    app.of(&first).get("/v1/me").await.expect(401);
}

#[tokio::test]
async fn a_made_up_refresh_token_harms_nobody() {
    let (_house, app) = App::open().await;
    let ana = app.register("ana").await;
    let parts: Vec<&str> = ana.refresh_token.split('.').collect();
    let made_up = format!("{}.{}.{}", parts[0], "A".repeat(22), parts[2]);
    for token in ["x", "..", &made_up, &ana.access_token[..200], "ses_00000000000000000000000000.a.b"] {
        let answer = app.client.post("/v1/sessions/refresh", &json!({ "refresh_token": token })).await;
        assert_eq!(answer.expect(401).code(), "refresh_token_invalid");
    }
    refresh(&app, &ana).await.expect(200);
}

#[tokio::test]
async fn a_session_lasts_as_long_as_it_is_used() {
    let (house, app) = App::open().await;
    let mut signed_in = app.register("ana").await;
    for _ in 0..3 {
        house.clock.advance(29 * DAY);
        assert_eq!(app.of(&signed_in).get("/v1/me").await.expect(401).code(), "token_expired");
        signed_in = refresh(&app, &signed_in).await.expect(200).read();
        app.of(&signed_in).get("/v1/me").await.expect(200);
    }
    house.clock.advance(30 * DAY);
    assert_eq!(refresh(&app, &signed_in).await.expect(401).code(), "refresh_token_invalid");
}

#[tokio::test]
async fn the_owner_sees_their_sessions_newest_first_page_by_page() {
    let (_house, app) = App::open().await;
    let first = app.register("ana").await;
    app.register("bea").await;
    for n in 0..4 {
        let browser = app.client.with_header(USER_AGENT, &format!("Browser {n}"));
        let request = json!({ "identifier": "ana", "password": PASSWORD });
        browser.post("/v1/sessions", &request).await.expect(201);
    }
    let client = app.of(&first);
    let (mut devices, mut cursor) = (Vec::new(), String::new());
    loop {
        let page: Sessions = client.get(&format!("/v1/sessions?limit=2{cursor}")).await.expect(200).read();
        assert!(page.items.iter().all(|session| session.current == (session.id == first.session.id)));
        devices.extend(page.items.into_iter().map(|session| session.device.unwrap_or_default()));
        let Some(next) = page.next_cursor else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(devices, ["Browser 3", "Browser 2", "Browser 1", "Browser 0", ""]);
    for wrong in ["limit=0", "limit=201", "limit=x", "cursor=nonsense", "cursor=%00", "page=2"] {
        let answer = client.get(&format!("/v1/sessions?{wrong}")).await.expect(422);
        assert_eq!(answer.wrong_fields(), [wrong.split('=').next().unwrap()], "{wrong}");
    }
}

#[tokio::test]
async fn an_ended_session_is_over_at_once_and_everywhere() {
    let (house, app) = App::open().await;
    let (here, there) = (app.register("ana").await, app.sign_in("ana").await);
    let ear = house.bus.listen().await.unwrap();
    let channel = control_channel(here.account.id);
    ear.join(&channel).await.unwrap();

    let path = format!("/v1/sessions/{}", there.session.id);
    assert!(app.of(&here).delete(&path).await.expect(204).body.is_empty());
    let Heard::Message(message) = ear.hear().await else { panic!("a gap") };
    let heard: Control = serde_json::from_slice(&message.payload).unwrap();
    assert_eq!(
        (&message.channel, heard),
        (&channel, Control::SessionRevoked { session_id: there.session.id })
    );

    assert_eq!(refresh(&app, &there).await.expect(401).code(), "refresh_token_invalid");
    assert_eq!(app.of(&there).get("/v1/me").await.expect(401).code(), "session_ended");
    assert_eq!(app.of(&here).delete(&path).await.expect(404).code(), "session_not_found");
    app.of(&here).get("/v1/me").await.expect(200);
}

#[tokio::test]
async fn an_ended_session_is_over_on_every_node_that_heard_or_missed_it() {
    let (house, app) = App::open().await;
    let elsewhere = house.start(crate::app::config()).await;
    let (here, there) = (app.register("ana").await, app.sign_in("ana").await);
    elsewhere.verifier.verify(&there.access_token).await.unwrap();
    app.of(&here).delete(&format!("/v1/sessions/{}", there.session.id)).await.expect(204);
    let is_refused = async |verifier: &Verifier| {
        matches!(verifier.verify(&there.access_token).await, Err(IdentityError::SessionEnded))
    };
    eventually_true(SOON, async || is_refused(&elsewhere.verifier).await).await;
    // One that starts later never heard of it.
    let later = house.start(crate::app::config()).await;
    eventually_true(SOON, async || is_refused(&later.verifier).await).await;
    later.verifier.verify(&here.access_token).await.unwrap();
}

#[tokio::test]
async fn somebody_elses_session_does_not_exist() {
    let (_house, app) = App::open().await;
    let (ana, bea) = (app.register("ana").await, app.register("bea").await);
    let path = format!("/v1/sessions/{}", bea.session.id);
    assert_eq!(app.of(&ana).delete(&path).await.expect(404).code(), "session_not_found");
    for wrong in ["nonsense", &ana.account.id.to_string(), "ses_00000000000000000000000000"] {
        app.of(&ana).delete(&format!("/v1/sessions/{wrong}")).await.expect(404);
    }
    app.of(&bea).get("/v1/me").await.expect(200);
    let listed: Value = app.of(&ana).get("/v1/sessions").await.expect(200).json();
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn what_has_ended_by_itself_is_taken_away() {
    let (house, app) = App::open().await;
    for n in 0..3 {
        app.register(&format!("user{n}")).await;
    }
    house.clock.advance(31 * DAY);
    app.sign_in("user0").await;
    // A new instance goes round as it starts.
    house.start(crate::app::config()).await;
    eventually_true(SOON, async || {
        let sessions =
            tertulia_auth::COLLECTIONS.iter().find(|collection| collection.name == "sessions").unwrap();
        let all =
            tertulia_documents::Scan::of(tertulia_documents::Index::ID, tertulia_documents::Key::new(), 100);
        house.documents.scan(sessions, all).await.unwrap().items.len() == 1
    })
    .await;
    app.sign_in("user1").await;
}
