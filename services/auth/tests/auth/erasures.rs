//! Accounts that are erased: nobody uses them, nothing is left of them, and what was done is reported.

use std::{collections::BTreeMap, time::Duration};

use serde_json::json;
use tertulia_auth::COLLECTIONS;
use tertulia_contracts::{
    UserId,
    auth::{Bot, Erasure, ErasureStarted, Erasures, IssuedToken, SignedIn},
    events::UserForgotten,
    identity::LOOK_UP_PATH,
};
use tertulia_documents::{Draft, Index, Key, Record as _, Scan, Write};
use tertulia_mail::Mail;
use tertulia_runtime::{
    Event,
    testkit::{TestClient, eventually, eventually_true},
};

use crate::{
    app::{App, House, PASSWORD, SOON, config},
    mailbox::newest_mail,
};

const SECOND_LOOK: Duration = Duration::from_mins(1);

/// Everything that auth's documents say, but for what tells what was done and what was mailed.
async fn stored(house: &House) -> String {
    let mut all = String::new();
    for collection in COLLECTIONS.iter().filter(|it| !["audit", Mail::COLLECTION.name].contains(&it.name)) {
        let page = house.documents.scan(collection, Scan::of(Index::ID, Key::new(), 1000)).await.unwrap();
        page.items.iter().for_each(|found| all.push_str(found.body.get()));
    }
    all
}

async fn erase(client: &TestClient) -> ErasureStarted {
    client.delete("/v1/me").await.expect(202).read()
}

async fn report(app: &App, started: &ErasureStarted) -> Erasure {
    let receipt = json!({ "receipt": started.receipt });
    app.client.post("/v1/erasures/report", &receipt).await.expect(200).read()
}

async fn token_of(client: &TestClient, bot: Option<UserId>) -> IssuedToken {
    let request = json!({ "name": "Ana's program", "scopes": ["read"], "bot_id": bot });
    client.post("/v1/tokens", &request).await.expect(201).read()
}

/// What messaging tells when it has forgotten somebody.
async fn messaging_forgot(house: &House, user_id: UserId, messages: u64) {
    let removed = BTreeMap::from([("messages".to_owned(), messages)]);
    let forgotten = UserForgotten { user_id, service: "messaging".to_owned(), removed };
    house.bus.publish(&[Event::new(&house.ambient, "/messaging", &forgotten)]).await.unwrap();
}

#[tokio::test]
async fn nobody_uses_an_erased_account_on_any_node_and_nobody_is_called_so_again() {
    let (house, app) = App::open().await;
    let other = house.start(config()).await;
    let ana = app.register_verified(&house, "ana", "ana@example.org").await;
    let client = app.of(&ana);
    client.patch("/v1/me", &json!({ "display_name": "Ana Banana", "locale": "es" })).await.expect(200);
    let bot: Bot = client.post("/v1/bots", &json!({ "handle": "anabot" })).await.expect(201).read();
    let tokens = [token_of(&client, None).await, token_of(&client, Some(bot.id)).await];
    other.verifier.verify(&ana.access_token).await.unwrap();

    let started = erase(&client).await;
    assert_eq!((started.erasure.user_id, started.erasure.by), (ana.account.id, ana.account.id));
    for (app, bea) in [(&app, "bea"), (&other, "cid")] {
        eventually_true(SOON, async || app.verifier.verify(&ana.access_token).await.is_err()).await;
        let refresh = json!({ "refresh_token": ana.refresh_token });
        let refreshed = app.client.post("/v1/sessions/refresh", &refresh).await.expect(401);
        assert_eq!(refreshed.code(), "refresh_token_invalid");
        for identifier in ["ana", "ana@example.org"] {
            let request = json!({ "identifier": identifier, "password": PASSWORD });
            assert_eq!(
                app.client.post("/v1/sessions", &request).await.expect(401).code(),
                "wrong_credentials"
            );
        }
        for issued in &tokens {
            app.client.post(LOOK_UP_PATH, &json!({ "token": issued.token })).await.expect(404);
        }
        for handle in ["ana", "anabot"] {
            let request = json!({ "handle": handle, "password": PASSWORD });
            assert_eq!(app.client.post("/v1/accounts", &request).await.expect(409).code(), "handle_taken");
        }
        let bea = app.register(bea).await;
        let found = app.of(&bea).get("/v1/users?handle=ana").await.expect(200).json();
        assert_eq!(found["items"], json!([]));
        for id in [ana.account.id, bot.id] {
            assert_eq!(
                app.of(&bea).get(&format!("/v1/users/{id}")).await.expect(404).code(),
                "user_not_found"
            );
            let found = app.of(&bea).get(&format!("/v1/users?ids={id}")).await.expect(200).json();
            assert_eq!(found["items"], json!([]));
            app.client.get(&format!("/internal/users/{id}")).await.expect(404);
        }
    }
    // The first mail was about the address.
    let goodbye = newest_mail(&house, "ana@example.org", 2).await;
    assert_eq!(goodbye.subject, "Tu cuenta se ha borrado");
}

#[tokio::test]
async fn of_an_erased_account_is_left_that_there_was_one_and_what_became_of_it() {
    let (house, app) = App::open().await;
    let operator = app.of(&app.operator().await);
    let ana = app.register_verified(&house, "ana", "ana@example.org").await;
    let client = app.of(&ana);
    let profile =
        json!({ "display_name": "Ana Banana", "bio": "Reads banana books", "time_zone": "Europe/Madrid" });
    client.patch("/v1/me", &profile).await.expect(200);
    app.sign_in("ana").await;
    let bot: Bot = client.post("/v1/bots", &json!({ "handle": "banana-bot" })).await.expect(201).read();
    token_of(&client, Some(bot.id)).await;
    let words = ["ana@", "Banana", "banana", "Madrid", "Ana's", "\"ana\""];
    let before = stored(&house).await;
    assert!(words.iter().all(|word| before.contains(word)), "{before}");

    let started = erase(&client).await;
    let waiting: Vec<String> = started.erasure.waiting_for.clone();
    assert_eq!((waiting, started.erasure.completed_at), (vec!["auth".into(), "messaging".into()], None));
    let after = stored(&house).await;
    assert!(words.iter().all(|word| !after.contains(word)), "{after}");

    messaging_forgot(&house, ana.account.id, 7).await;
    house.clock.advance(SECOND_LOOK);
    let done = async || Some(report(&app, &started).await).filter(|report| report.completed_at.is_some());
    let done = eventually(SOON, done).await;
    assert!(done.waiting_for.is_empty());
    let removed = |service: &str| {
        done.services.iter().find(|done| done.service == service).map(|done| done.removed.clone()).unwrap()
    };
    let auth = removed("auth");
    assert_eq!((auth["sessions"], auth["bots"], auth["tokens"]), (2, 1, 0), "the token was the bot's");
    assert_eq!(removed("messaging")["messages"], 7);
    // The first word counts, since the same comes twice after a death.
    messaging_forgot(&house, ana.account.id, 0).await;
    messaging_forgot(&house, bot.id, 1).await;
    let of_the_bot = async || {
        let page: Erasures = operator.get("/v1/operator/erasures").await.expect(200).read();
        page.items.into_iter().find(|it| it.user_id == bot.id && it.completed_at.is_some())
    };
    eventually(SOON, of_the_bot).await;
    assert_eq!(report(&app, &started).await, done);

    let page: Erasures = operator.get("/v1/operator/erasures?limit=1").await.expect(200).read();
    assert_eq!(page.items.len(), 1);
    let next = format!("/v1/operator/erasures?limit=1&cursor={}", page.next_cursor.unwrap());
    let rest: Erasures = operator.get(&next).await.expect(200).read();
    let mut both = [page.items[0].user_id, rest.items[0].user_id];
    both.sort();
    assert_eq!(both, [ana.account.id, bot.id], "each once");
    let trail = operator.get("/v1/operator/audit?kind=account.erased").await.expect(200).json();
    assert_eq!(trail["items"].as_array().unwrap().len(), 2);
    for wrong in ["", "made up", &"x".repeat(101)] {
        let answer = app.client.post("/v1/erasures/report", &json!({ "receipt": wrong })).await;
        answer.expect(if wrong == "made up" { 404 } else { 422 });
    }
}

#[tokio::test]
async fn what_was_written_at_that_very_moment_is_found_by_a_second_look() {
    let (house, app) = App::open().await;
    let ana = app.register("ana").await;
    let sessions = COLLECTIONS.iter().find(|it| it.name == "sessions").unwrap();
    let kept = house.documents.get(sessions, &ana.session.id.to_string()).await.unwrap().unwrap();
    let started = erase(&app.of(&ana)).await;
    // Somebody was signing in while the account was erased, and their process was slow to write it.
    let whose = Key::new().display(ana.account.id).display(ana.session.id);
    let keys = vec![(Index::ordered("by_user"), whose)];
    let draft = Draft { id: kept.id, keys, body: kept.body };
    house.documents.commit(sessions, Write::Insert(draft), Vec::new()).await.unwrap();
    let refresh = json!({ "refresh_token": ana.refresh_token });
    let refused = app.client.post("/v1/sessions/refresh", &refresh).await.expect(401);
    assert_eq!(refused.code(), "refresh_token_invalid");
    assert_eq!(report(&app, &started).await.services, [], "it may be that something is left");
    house.clock.advance(SECOND_LOOK);
    let gone = async || {
        let left = house.documents.get(sessions, &ana.session.id.to_string()).await.unwrap();
        left.is_none() && report(&app, &started).await.services.len() == 1
    };
    eventually_true(SOON, gone).await;
    assert_eq!(report(&app, &started).await.services[0].removed["sessions"], 2);
}

#[tokio::test]
async fn the_operator_erases_others_and_not_themselves_and_nobody_else_does() {
    let (house, app) = App::open().await;
    let signed_in = app.operator().await;
    let operator = app.of(&signed_in);
    let (ana, bea) = (app.register("ana").await, app.register("bea").await);
    let path = |who: &SignedIn| format!("/v1/operator/accounts/{}", who.account.id);
    assert_eq!(app.of(&bea).delete(&path(&ana)).await.expect(403).code(), "operator_only");
    assert_eq!(app.of(&bea).get("/v1/operator/erasures").await.expect(403).code(), "operator_only");
    for own in ["/v1/me", &path(&signed_in)] {
        assert_eq!(operator.delete(own).await.expect(403).code(), "operator_stays");
    }
    operator
        .put(&format!("{}/suspension", path(&ana)), &json!({ "reason": "SECRET reason" }))
        .await
        .expect(200);
    let erased: Erasure = operator.delete(&path(&ana)).await.expect(202).read();
    assert_eq!((erased.user_id, erased.by), (ana.account.id, signed_in.account.id));
    assert_eq!(operator.delete(&path(&ana)).await.expect(404).code(), "user_not_found");
    for (method, of) in [("PUT", "moderator"), ("PUT", "suspension"), ("DELETE", "suspension")] {
        let path = format!("{}/{of}", path(&ana));
        let answer = match method {
            "PUT" => operator.put(&path, &json!({ "reason": "Again." })).await,
            _ => operator.delete(&path).await,
        };
        assert_eq!(answer.expect(404).code(), "user_not_found", "{of}");
    }
    let accounts = operator.get("/v1/operator/accounts").await.expect(200).text();
    assert!(accounts.contains("\"bea\"") && !accounts.contains("\"ana\""), "{accounts}");
    assert!(!stored(&house).await.contains("SECRET"));
    house.clock.advance(Duration::from_mins(10));
    assert_eq!(operator.delete(&path(&bea)).await.expect(403).code(), "step_up_required");
}
