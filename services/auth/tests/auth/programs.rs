//! Bots, and tokens for programs.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tertulia_bus::Heard;
use tertulia_contracts::{
    UserId,
    auth::{Account, ApiTokens, Bot, Bots, IssuedToken, MAX_BOTS, MAX_TOKENS, SignedIn, TokenOwner, User},
    identity::{ApiToken, LOOK_UP_PATH},
    live::{Control, control_channel},
    permissions::InstanceRole,
};
use tertulia_documents::{Index, Key, Scan};
use tertulia_runtime::testkit::{TestClient, TestResponse, eventually_true};

use crate::app::{App, PASSWORD, SOON, config};

async fn make_bot(client: &TestClient, handle: &str) -> Bot {
    client.post("/v1/bots", &json!({ "handle": handle })).await.expect(201).read()
}

async fn issue(client: &TestClient, scopes: &[&str], bot: Option<UserId>) -> IssuedToken {
    let request = json!({ "name": "A program", "scopes": scopes, "bot_id": bot });
    client.post("/v1/tokens", &request).await.expect(201).read()
}

async fn look_up(app: &App, token: &str) -> TestResponse {
    app.client.post(LOOK_UP_PATH, &json!({ "token": token })).await
}

async fn listed(client: &TestClient) -> Vec<tertulia_contracts::auth::ApiTokenInfo> {
    client.get("/v1/tokens").await.expect(200).read::<ApiTokens>().items
}

#[tokio::test]
async fn a_token_acts_as_whoever_made_it_within_its_scopes() {
    let (_house, app) = App::open().await;
    let ana = app.register("ana").await;
    let issued = issue(&app.of(&ana), &["read"], None).await;
    let program = app.client.with_token(&issued.token);
    let account: Account = program.get("/v1/me").await.expect(200).read();
    assert_eq!((account.id, account.bot_of), (ana.account.id, None));
    let id = issued.api_token.id;
    let owner: TokenOwner = look_up(&app, &issued.token).await.expect(200).read();
    assert_eq!((owner.user_id, owner.bot, owner.session_id.ulid()), (account.id, false, id.ulid()));

    // Whatever it is good for, the account itself is out of its reach.
    let whole = app.client.with_token(&issue(&app.of(&ana), &["write", "read"], None).await.token);
    for program in [&program, &whole] {
        let refused = [
            program.get("/v1/tokens").await,
            program.post("/v1/tokens", &json!({ "name": "More", "scopes": ["write"] })).await,
            program.delete(&format!("/v1/tokens/{id}")).await,
            program.get("/v1/bots").await,
            program.post("/v1/bots", &json!({ "handle": "a-bot" })).await,
            program.delete(&format!("/v1/bots/{}", account.id)).await,
            program.get("/v1/sessions").await,
            program.delete(&format!("/v1/sessions/{}", ana.session.id)).await,
        ];
        for answer in refused {
            let challenge = answer.header("www-authenticate").map(str::to_owned);
            assert_eq!(answer.expect(403).code(), "insufficient_scope");
            assert_eq!(challenge.as_deref(), Some("Bearer error=\"insufficient_scope\""));
        }
    }
    // One that may only write reads nothing.
    let blind = app.client.with_token(&issue(&app.of(&ana), &["write"], None).await.token);
    assert_eq!(blind.get("/v1/me").await.expect(403).code(), "insufficient_scope");
}

#[tokio::test]
async fn a_token_is_shown_once_and_kept_by_its_fingerprint() {
    let (house, app) = App::open().await;
    let ana = app.register("ana").await;
    let answer = app.of(&ana).post("/v1/tokens", &json!({ "name": " CI ", "scopes": ["read"] })).await;
    let issued: IssuedToken = answer.expect(201).read();
    assert!(issued.token.starts_with("tert_") && issued.token.len() == 41);
    assert_eq!(issued.api_token.name, "CI");
    let shown = app.of(&ana).get("/v1/tokens").await.expect(200).text();
    assert!(shown.contains(&issued.api_token.id.to_string()) && !shown.contains("tert_"));
    let tokens = tertulia_auth::COLLECTIONS.iter().find(|it| it.name == "api_tokens").unwrap();
    let stored = house.documents.scan(tokens, Scan::of(Index::ID, Key::new(), 10)).await.unwrap();
    assert_eq!(stored.items.len(), 1);
    assert!(!stored.items[0].body.get().contains(&issued.token[5..]));
    assert!(!format!("{issued:?}").contains("tert_"), "no log shows it");
}

#[tokio::test]
async fn a_bot_is_a_user_that_belongs_to_a_person_and_cannot_sign_in() {
    let (_house, app) = App::open().await;
    let (ana, bea) = (app.register("ana").await, app.register("bea").await);
    let bot = make_bot(&app.of(&ana), "weather").await;
    assert_eq!((bot.handle.as_str(), bot.display_name.as_str()), ("weather", "weather"));
    let issued = issue(&app.of(&ana), &["read", "write"], Some(bot.id)).await;
    assert_eq!(issued.api_token.bot_id, Some(bot.id));

    let me: Account = app.client.with_token(&issued.token).get("/v1/me").await.expect(200).read();
    assert_eq!((me.id, me.bot_of, me.operator), (bot.id, Some(ana.account.id), false));
    let seen: User = app.of(&bea).get(&format!("/v1/users/{}", bot.id)).await.expect(200).read();
    assert_eq!(seen.bot_of, Some(ana.account.id));
    let person: Value = app.of(&bea).get(&format!("/v1/users/{}", ana.account.id)).await.expect(200).json();
    assert_eq!(person.get("bot_of"), None);
    assert_eq!(app.verifier.verify(&issued.token).await.unwrap().account(), InstanceRole::Bot);

    for password in [PASSWORD, " ", "weather"] {
        let request = json!({ "identifier": "weather", "password": password });
        let refused = app.client.post("/v1/sessions", &request).await.expect(401);
        assert_eq!(refused.code(), "wrong_credentials");
    }
    let taken = app.of(&bea).post("/v1/bots", &json!({ "handle": "weather" })).await.expect(409);
    assert_eq!(taken.code(), "handle_taken");
    for (handle, code) in [("ana", "handle_taken"), ("admin", "handle_reserved"), ("A", "invalid_fields")] {
        assert_eq!(app.of(&ana).post("/v1/bots", &json!({ "handle": handle })).await.code(), code);
    }
}

#[tokio::test]
async fn somebody_elses_bots_and_tokens_do_not_exist() {
    let (_house, app) = App::open().await;
    let (ana, bea) = (app.register("ana").await, app.register("bea").await);
    let bot = make_bot(&app.of(&ana), "weather").await;
    let own = issue(&app.of(&ana), &["read"], None).await;
    let bots = issue(&app.of(&ana), &["read"], Some(bot.id)).await;
    let beas = app.of(&bea);
    for token in [&own, &bots] {
        let answer = beas.delete(&format!("/v1/tokens/{}", token.api_token.id)).await;
        assert_eq!(answer.expect(404).code(), "token_not_found");
    }
    for id in [bot.id, ana.account.id, bea.account.id] {
        assert_eq!(beas.delete(&format!("/v1/bots/{id}")).await.expect(404).code(), "bot_not_found");
        assert_eq!(beas.get(&format!("/v1/tokens?bot_id={id}")).await.expect(404).code(), "bot_not_found");
        let request = json!({ "name": "Mine", "scopes": ["read"], "bot_id": id });
        assert_eq!(beas.post("/v1/tokens", &request).await.expect(404).code(), "bot_not_found");
    }
    assert!(beas.get("/v1/bots").await.expect(200).read::<Bots>().items.is_empty());
    assert!(listed(&beas).await.is_empty());
    assert_eq!(listed(&app.of(&ana)).await.len(), 1);
    for token in [&own, &bots] {
        look_up(&app, &token.token).await.expect(200);
    }
}

#[tokio::test]
async fn a_token_that_was_taken_back_is_good_nowhere_any_more() {
    let (house, app) = App::open().await;
    let elsewhere = house.start(config()).await;
    let ana = app.register("ana").await;
    let bot = make_bot(&app.of(&ana), "weather").await;
    let (issued, other) =
        (issue(&app.of(&ana), &["read"], Some(bot.id)).await, issue(&app.of(&ana), &["read"], None).await);
    for app in [&app, &elsewhere] {
        app.verifier.verify(&issued.token).await.unwrap();
    }
    let ear = house.bus.listen().await.unwrap();
    ear.join(&control_channel(bot.id)).await.unwrap();
    app.of(&ana).delete(&format!("/v1/tokens/{}", issued.api_token.id)).await.expect(204);

    // Auth itself looks, whatever its verifier remembers; the others are told.
    let answer = app.client.with_token(&issued.token).get("/v1/me").await.expect(401);
    assert!(["session_ended", "token_invalid"].contains(&answer.code().as_str()));
    for app in [&app, &elsewhere] {
        eventually_true(SOON, async || app.verifier.verify(&issued.token).await.is_err()).await;
        app.verifier.verify(&other.token).await.unwrap();
    }
    let Heard::Message(message) = ear.hear().await else { panic!("a gap") };
    let session_id = tertulia_contracts::SessionId::from_ulid(issued.api_token.id.ulid());
    let heard: Control = serde_json::from_slice(&message.payload).unwrap();
    assert_eq!(heard, Control::SessionRevoked { session_id });
    let again = app.of(&ana).delete(&format!("/v1/tokens/{}", issued.api_token.id)).await;
    assert_eq!(again.expect(404).code(), "token_not_found");
}

#[tokio::test]
async fn an_ended_bot_is_ended_with_all_its_tokens_and_keeps_its_name() {
    let (_house, app) = App::open().await;
    let ana = app.register("ana").await;
    let bot = make_bot(&app.of(&ana), "weather").await;
    let tokens = [(); 3].map(|()| issue_later(&app, &ana, bot.id));
    let tokens = join_all(tokens).await;
    let own = issue(&app.of(&ana), &["read"], None).await;
    for _ in 0..2 {
        app.of(&ana).delete(&format!("/v1/bots/{}", bot.id)).await.expect(204);
    }
    for token in &tokens {
        assert_eq!(look_up(&app, &token.token).await.expect(404).code(), "token_not_found");
        app.client.with_token(&token.token).get("/v1/me").await.expect(401);
    }
    look_up(&app, &own.token).await.expect(200);
    let request = json!({ "name": "Again", "scopes": ["read"], "bot_id": bot.id });
    assert_eq!(app.of(&ana).post("/v1/tokens", &request).await.expect(404).code(), "bot_not_found");
    assert!(app.of(&ana).get("/v1/bots").await.expect(200).read::<Bots>().items.is_empty());
    // What it wrote still has an author, and nobody can pose as it.
    app.of(&ana).get(&format!("/v1/users/{}", bot.id)).await.expect(200);
    let taken = app.of(&ana).post("/v1/bots", &json!({ "handle": "weather" })).await;
    assert_eq!(taken.expect(409).code(), "handle_taken");
}

async fn issue_later(app: &App, ana: &SignedIn, bot: UserId) -> IssuedToken {
    issue(&app.of(ana), &["read"], Some(bot)).await
}

#[tokio::test]
async fn hostile_tokens_get_nowhere() {
    let (house, app) = App::open().await;
    let ana = app.register("ana").await;
    let end = house.ambient.now().plus(Duration::from_hours(1));
    let request = json!({ "name": "Short", "scopes": ["read"], "expires_at": end });
    let issued: IssuedToken = app.of(&ana).post("/v1/tokens", &request).await.expect(201).read();
    let token = &issued.token;
    let elsewhere = ApiToken::generate(&*house.ambient.entropy).reveal().to_owned();
    let (head, last) = token.split_at(token.len() - 1);
    let mistyped = format!("{head}{}", if last == "0" { "1" } else { "0" });
    let secretless = format!("tert_{}", issued.api_token.id.ulid());
    for wrong in [
        elsewhere.as_str(),
        &mistyped,
        head,
        &format!("{token}0"),
        &format!("{token}{token}"),
        &token.to_lowercase(),
        &token.to_uppercase(),
        &token[5..],
        "tert_",
        &format!("tert_{}", "0".repeat(36)),
        &format!("tert_{}", "A".repeat(5_000)),
        &secretless,
        &format!("{}.{}.x", ana.session.id, token),
    ] {
        let answer = app.client.with_token(wrong).get("/v1/me").await;
        assert_eq!(answer.expect(401).code(), "token_invalid", "{wrong}");
    }
    app.client.with_token(token).get("/v1/me").await.expect(200);
    house.clock.advance(Duration::from_secs(3_606));
    assert_eq!(app.client.with_token(token).get("/v1/me").await.expect(401).code(), "token_expired");
    let afresh = house.start(config()).await;
    assert_eq!(afresh.client.with_token(token).get("/v1/me").await.expect(401).code(), "token_expired");
}

#[tokio::test]
async fn what_cannot_be_asked_for() {
    let (house, app) = App::open().await;
    let ana = app.of(&app.register("ana").await);
    let now = house.ambient.now();
    let name = "n".repeat(64);
    ana.post("/v1/tokens", &json!({ "name": name, "scopes": ["read"] })).await.expect(201);
    for (field, request) in [
        ("name", json!({ "name": format!("{name}n"), "scopes": ["read"] })),
        ("name", json!({ "name": " ", "scopes": ["read"] })),
        ("scopes", json!({ "name": "x", "scopes": [] })),
        ("scopes", json!({ "name": "x", "scopes": ["read", "read"] })),
        ("scopes[0]", json!({ "name": "x", "scopes": ["account"] })),
        ("expires_at", json!({ "name": "x", "scopes": ["read"], "expires_at": now })),
        ("expires_at", json!({ "name": "x", "scopes": ["read"], "expires_at": "tomorrow" })),
        ("bot_id", json!({ "name": "x", "scopes": ["read"], "bot_id": "weather" })),
    ] {
        assert_eq!(ana.post("/v1/tokens", &request).await.expect(422).wrong_fields(), [field], "{request}");
    }
}

#[tokio::test]
async fn there_are_so_many_tokens_and_bots_and_no_more_however_many_come_at_once() {
    let (_house, app) = App::open().await;
    let ana = app.of(&app.register("ana").await);
    let request = json!({ "name": "x", "scopes": ["read"] });
    let answers = join_all((0..MAX_TOKENS + 5).map(|_| ana.post("/v1/tokens", &request))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), MAX_TOKENS);
    let refused = answers.iter().filter(|answer| answer.status != 201);
    assert!(refused.into_iter().all(|answer| answer.code() == "too_many_tokens"));
    let tokens = listed(&ana).await;
    assert_eq!(tokens.len(), MAX_TOKENS);
    assert!(tokens.is_sorted_by_key(|token| token.id));
    ana.delete(&format!("/v1/tokens/{}", tokens[7].id)).await.expect(204);
    ana.post("/v1/tokens", &request).await.expect(201);
    assert_eq!(ana.post("/v1/tokens", &request).await.expect(409).code(), "too_many_tokens");

    let requests: Vec<Value> = (0..MAX_BOTS + 3).map(|n| json!({ "handle": format!("bot-{n}") })).collect();
    let answers = join_all(requests.iter().map(|request| ana.post("/v1/bots", request))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), MAX_BOTS);
    let refused = answers.iter().filter(|answer| answer.status != 201);
    assert!(refused.into_iter().all(|answer| answer.code() == "too_many_bots"));
    let bots = ana.get("/v1/bots").await.expect(200).read::<Bots>().items;
    assert_eq!(bots.len(), MAX_BOTS);
    ana.delete(&format!("/v1/bots/{}", bots[0].id)).await.expect(204);
    make_bot(&ana, "one-more").await;
    assert_eq!(ana.post("/v1/bots", &json!({ "handle": "last" })).await.expect(409).code(), "too_many_bots");
}

#[tokio::test]
async fn the_last_use_is_noted_now_and_then() {
    let (house, app) = App::open().await;
    let ana = app.of(&app.register("ana").await);
    let issued = issue(&ana, &["read"], None).await;
    let last_used = async || listed(&ana).await[0].last_used_at;
    assert_eq!(last_used().await, None);
    look_up(&app, &issued.token).await.expect(200);
    let first = house.ambient.now();
    assert_eq!(last_used().await, Some(first));
    house.clock.advance(Duration::from_secs(299));
    look_up(&app, &issued.token).await.expect(200);
    assert_eq!(last_used().await, Some(first), "not a write for each use");
    house.clock.advance(Duration::from_secs(1));
    look_up(&app, &issued.token).await.expect(200);
    assert_eq!(last_used().await, Some(house.ambient.now()));
}
