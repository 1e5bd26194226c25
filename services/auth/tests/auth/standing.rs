//! Moderators of the instance, and suspended accounts.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use tertulia_bus::{Heard, Listener};
use tertulia_contracts::{
    SessionId, UserId,
    auth::{Account, Bot, IssuedToken, KnownAccounts, SignedIn},
    identity::{IdentityError, LOOK_UP_PATH},
    live::{Control, control_channel},
    permissions::InstanceRole,
};
use tertulia_runtime::testkit::{TestClient, TestResponse, eventually_true};

use crate::{
    app::{App, House, PASSWORD, SOON, config},
    dying::DyingBus,
};

async fn open() -> (House, App, TestClient) {
    let (house, app) = App::open().await;
    let operator = app.operator().await;
    let client = app.of(&operator);
    (house, app, client)
}

fn path(id: UserId, of: &str) -> String {
    format!("/v1/operator/accounts/{id}/{of}")
}

async fn suspend(operator: &TestClient, id: UserId) {
    operator.put(&path(id, "suspension"), &json!({ "reason": "Spam." })).await.expect(200);
}

async fn listed(operator: &TestClient, query: &str) -> Vec<String> {
    let page: KnownAccounts =
        operator.get(&format!("/v1/operator/accounts?{query}")).await.expect(200).read();
    page.items.into_iter().map(|account| account.handle).collect()
}

async fn try_to_sign_in(app: &App, password: &str) -> TestResponse {
    app.client.post("/v1/sessions", &json!({ "identifier": "ana", "password": password })).await
}

async fn token_of(client: &TestClient, bot: Option<UserId>) -> IssuedToken {
    let request = json!({ "name": "A program", "scopes": ["read"], "bot_id": bot });
    client.post("/v1/tokens", &request).await.expect(201).read()
}

fn login(issued: &IssuedToken) -> SessionId {
    SessionId::from_ulid(issued.api_token.id.ulid())
}

/// What is told on a control channel until these have been.
async fn told(ear: &dyn Listener, mut expected: Vec<Control>) {
    while !expected.is_empty() {
        let heard = tokio::time::timeout(SOON, ear.hear()).await.expect("it should have been told");
        let Heard::Message(message) = heard else { continue };
        let control: Control = serde_json::from_slice(&message.payload).unwrap();
        expected.retain(|other| *other != control);
    }
}

#[tokio::test]
async fn a_moderator_is_one_on_every_node_at_once_and_no_longer_once_dismissed() {
    let (house, app, operator) = open().await;
    let other = house.start(config()).await;
    let ana = app.register("ana").await;
    let role = async |app: &App, token: &str| app.verifier.verify(token).await.map(|it| it.account());
    assert_eq!(role(&other, &ana.access_token).await, Ok(InstanceRole::User));
    for _ in 0..2 {
        operator.put(&path(ana.account.id, "moderator"), &json!({})).await.expect(200);
    }
    // Whoever has a token of before gets another one and stays signed in.
    for app in [&app, &other] {
        let over = async || role(app, &ana.access_token).await == Err(IdentityError::Expired);
        eventually_true(SOON, over).await;
    }
    let refreshed =
        app.client.post("/v1/sessions/refresh", &json!({ "refresh_token": ana.refresh_token })).await;
    let appointed: SignedIn = refreshed.expect(200).read();
    assert!(appointed.account.moderator && !appointed.account.operator);
    assert_eq!(role(&other, &appointed.access_token).await, Ok(InstanceRole::Moderator));
    assert_eq!(listed(&operator, "role=moderator").await, ["ana"]);
    // What the instance's moderators may does not include this.
    assert_eq!(app.of(&appointed).get("/v1/operator/accounts").await.expect(403).code(), "operator_only");

    operator.delete(&path(ana.account.id, "moderator")).await.expect(204);
    for app in [&app, &other] {
        let over = async || role(app, &appointed.access_token).await == Err(IdentityError::Expired);
        eventually_true(SOON, over).await;
    }
    assert_eq!(listed(&operator, "role=moderator").await, Vec::<String>::new());
    assert_eq!(role(&other, &app.sign_in("ana").await.access_token).await, Ok(InstanceRole::User));
}

#[tokio::test]
async fn nobody_uses_a_suspended_account_on_any_node() {
    let (house, app, operator) = open().await;
    let other = house.start(config()).await;
    let (ana, second) = (app.register("ana").await, app.sign_in("ana").await);
    let client = app.of(&ana);
    let bot: Bot = client.post("/v1/bots", &json!({ "handle": "a-bot" })).await.expect(201).read();
    let (own, bots) = (token_of(&client, None).await, token_of(&client, Some(bot.id)).await);
    let tokens = [&ana.access_token, &second.access_token, &own.token, &bots.token];
    for token in tokens {
        other.verifier.verify(token).await.unwrap();
    }
    let ear = house.bus.listen().await.unwrap();
    ear.join(&control_channel(ana.account.id)).await.unwrap();
    ear.join(&control_channel(bot.id)).await.unwrap();
    suspend(&operator, ana.account.id).await;

    let ended = [ana.session.id, second.session.id, login(&own), login(&bots)];
    told(&*ear, ended.map(|session_id| Control::SessionRevoked { session_id }).to_vec()).await;
    // A process that starts only now knows it, too.
    let late = house.start(config()).await;
    for app in [&app, &other, &late] {
        for token in tokens {
            eventually_true(SOON, async || app.verifier.verify(token).await.is_err()).await;
        }
    }
    for signed_in in [&ana, &second] {
        let request = json!({ "refresh_token": signed_in.refresh_token });
        let answer = app.client.post("/v1/sessions/refresh", &request).await;
        assert_eq!(answer.expect(401).code(), "refresh_token_invalid");
    }
    for token in [&own.token, &bots.token] {
        app.client.post(LOOK_UP_PATH, &json!({ "token": token })).await.expect(404);
    }

    // Given back, their programs go on; they themselves sign in anew.
    operator.delete(&path(ana.account.id, "suspension")).await.expect(204);
    for token in [&own.token, &bots.token] {
        other.verifier.verify(token).await.unwrap();
    }
    let back = app.sign_in("ana").await;
    for app in [&app, &other, &late] {
        app.verifier.verify(&back.access_token).await.unwrap();
        assert_eq!(app.verifier.verify(&ana.access_token).await, Err(IdentityError::Expired));
    }
}

#[tokio::test]
async fn who_knows_the_password_is_told_why_and_until_when_and_nobody_else_is() {
    let (house, app, operator) = open().await;
    let ana = app.register("ana").await;
    let until = house.ambient.clock.now().plus(Duration::from_hours(1));
    let request = json!({ "reason": " Flooding the lounge. ", "until": until });
    operator.put(&path(ana.account.id, "suspension"), &request).await.expect(200);
    let answer = try_to_sign_in(&app, PASSWORD).await.expect(403);
    assert_eq!(answer.code(), "account_suspended");
    let detail = answer.json()["detail"].as_str().unwrap().to_owned();
    assert_eq!(
        detail,
        format!("This account is suspended: Flooding the lounge. It can be used again from {until} on.")
    );
    assert_eq!(try_to_sign_in(&app, "another password").await.expect(401).code(), "wrong_credentials");
    // It ends by itself.
    assert_eq!(listed(&operator, "suspended=true").await, ["ana"]);
    house.clock.advance(Duration::from_hours(1));
    try_to_sign_in(&app, PASSWORD).await.expect(201);
    let operator = app.of(&app.sign_in("ada").await);
    assert_eq!(listed(&operator, "suspended=true").await, Vec::<String>::new());

    for bad in [
        json!({ "reason": "" }),
        json!({ "reason": "x".repeat(501) }),
        json!({ "reason": "x", "until": until }),
    ] {
        operator.put(&path(ana.account.id, "suspension"), &bad).await.expect(422);
    }
    let long = json!({ "reason": "x".repeat(500) });
    operator.put(&path(ana.account.id, "suspension"), &long).await.expect(200);
}

#[tokio::test]
async fn what_a_process_left_undone_that_died_is_done_by_another() {
    let (mut house, app, operator) = open().await;
    let ana = app.register("ana").await;
    suspend(&operator, ana.account.id).await;
    operator.delete(&path(ana.account.id, "suspension")).await.expect(204);
    let before = app.sign_in("ana").await;
    // Suspended again, by a process that dies before it tells anybody.
    let alive = house.bus.clone();
    house.bus = Arc::new(DyingBus(alive.clone()));
    let dying = house.start(config()).await;
    house.bus = alive;
    suspend(&dying.of(&dying.sign_in("ada").await), ana.account.id).await;
    let over = async || app.verifier.verify(&before.access_token).await == Err(IdentityError::Expired);
    eventually_true(SOON, over).await;
}

#[tokio::test]
async fn the_operator_stays_what_they_are_and_bots_hold_no_office() {
    let (_house, app, operator) = open().await;
    let own: Account = operator.get("/v1/me").await.expect(200).read();
    let reason = json!({ "reason": "Treason." });
    let refused = [
        operator.put(&path(own.id, "suspension"), &reason).await,
        operator.put(&path(own.id, "moderator"), &json!({})).await,
        operator.delete(&path(own.id, "moderator")).await,
    ];
    for answer in refused {
        assert_eq!(answer.expect(403).code(), "operator_stays");
    }
    let bot: Bot = operator.post("/v1/bots", &json!({ "handle": "a-bot" })).await.expect(201).read();
    let answer = operator.put(&path(bot.id, "moderator"), &json!({})).await;
    assert_eq!(answer.expect(409).code(), "bots_hold_no_office");
    // A bot can be suspended by itself.
    let token = token_of(&operator, Some(bot.id)).await.token;
    suspend(&operator, bot.id).await;
    app.client.post(LOOK_UP_PATH, &json!({ "token": token })).await.expect(404);

    let ana = app.register("ana").await;
    let nobody: UserId = "usr_01J00000000000000000000000".parse().unwrap();
    for id in [own.id, ana.account.id, nobody] {
        let ana = app.of(&ana);
        let refused = [
            ana.get("/v1/operator/accounts").await,
            ana.put(&path(id, "suspension"), &reason).await,
            ana.delete(&path(id, "suspension")).await,
            ana.put(&path(id, "moderator"), &json!({})).await,
            ana.delete(&path(id, "moderator")).await,
        ];
        for answer in refused {
            assert_eq!(answer.expect(403).code(), "operator_only");
        }
    }
    assert_eq!(operator.put(&path(nobody, "suspension"), &reason).await.expect(404).code(), "user_not_found");
}

#[tokio::test]
async fn accounts_are_found_by_handle_role_and_suspension_page_by_page() {
    let (_house, app, operator) = open().await;
    for handle in ["bea", "anton", "anna", "ana"] {
        app.register(handle).await;
    }
    let bea = app.sign_in("bea").await.account.id;
    suspend(&operator, bea).await;
    suspend(&operator, app.sign_in("anna").await.account.id).await;
    operator.post("/v1/bots", &json!({ "handle": "an-bot" })).await.expect(201);
    assert_eq!(listed(&operator, "").await, ["ada", "an-bot", "ana", "anna", "anton", "bea"]);
    assert_eq!(listed(&operator, "handle=an").await, ["an-bot", "ana", "anna", "anton"]);
    assert_eq!(listed(&operator, "suspended=true").await, ["anna", "bea"]);
    assert_eq!(listed(&operator, "suspended=true&handle=b").await, ["bea"]);
    assert_eq!(listed(&operator, "suspended=false&role=user").await, ["ana", "anton"]);
    assert_eq!(listed(&operator, "role=operator").await, ["ada"]);
    assert_eq!(listed(&operator, "role=bot").await, ["an-bot"]);
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let query = format!("/v1/operator/accounts?handle=a&limit=2{cursor}");
        let page: KnownAccounts = operator.get(&query).await.expect(200).read();
        all.extend(page.items.into_iter().map(|account| account.handle));
        let Some(next) = page.next_cursor else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(all, ["ada", "an-bot", "ana", "anna", "anton"]);
    for bad in ["limit=0", "limit=201", "handle=", "handle=A", "role=king", "cursor=x"] {
        operator.get(&format!("/v1/operator/accounts?{bad}")).await.expect(422);
    }
}
