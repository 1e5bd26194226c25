//! Making accounts, and what a registration may not be.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use http::Method;
use serde_json::{Value, json};
use tertulia_auth::{Config, Registration};
use tertulia_bus::{Handler, Outcome, RetryPolicy, Subscription};
use tertulia_contracts::events::{MESSAGING, UserRegistered};
use tertulia_runtime::{Event, testkit::eventually_true};

use crate::app::{App, House, PASSWORD, SOON, config};

#[tokio::test]
async fn an_account_is_made_and_signed_in_at_once() {
    let (_house, app) = App::open().await;
    let request = json!({
        "handle": "ana", "password": PASSWORD, "display_name": " Ana María ", "email": "Ana@Example.org",
    });
    let mut told = app.client.post("/v1/accounts", &request).await.expect(201).json();
    for secret in ["access_token", "refresh_token"] {
        assert!(told[secret].as_str().is_some_and(|token| token.len() > 40));
        told[secret] = Value::from("…");
    }
    for (thing, prefix) in [("account", "usr_"), ("session", "ses_")] {
        assert!(told[thing]["id"].as_str().is_some_and(|id| id.starts_with(prefix)));
        told[thing]["id"] = Value::from(format!("{prefix}…"));
    }
    insta::assert_json_snapshot!(told, @r#"
    {
      "access_token": "…",
      "account": {
        "created_at": "2026-01-01T00:00:00.000Z",
        "display_name": "Ana María",
        "email": "Ana@Example.org",
        "email_verified": false,
        "handle": "ana",
        "id": "usr_…",
        "moderator": false,
        "operator": false
      },
      "expires_in": 600,
      "refresh_token": "…",
      "session": {
        "authenticated_at": "2026-01-01T00:00:00.000Z",
        "created_at": "2026-01-01T00:00:00.000Z",
        "current": true,
        "id": "ses_…",
        "last_used_at": "2026-01-01T00:00:00.000Z"
      }
    }
    "#);
}

#[derive(Default)]
struct Told(Mutex<Vec<UserRegistered>>);

#[async_trait]
impl Handler for Told {
    async fn handle(&self, event: &Event) -> Outcome {
        self.0.lock().unwrap().push(event.body().unwrap());
        Outcome::Done
    }
}

#[tokio::test]
async fn everybody_is_told_of_a_new_user() {
    let (house, app) = App::open().await;
    let told = Arc::new(Told::default());
    let subscription = Subscription { group: MESSAGING, prefetch: 8, retry: RetryPolicy::default() };
    let consumer = house.bus.subscribe(subscription, told.clone()).await.unwrap();
    let ana = app.register("ana").await;
    eventually_true(SOON, async || !told.0.lock().unwrap().is_empty()).await;
    let registered = told.0.lock().unwrap().remove(0);
    assert_eq!((registered.user_id, registered.handle.as_str()), (ana.account.id, "ana"));
    consumer.stop().await;
}

#[tokio::test]
async fn a_name_belongs_to_one_account() {
    let (_house, app) = App::open().await;
    let request = |handle: &str| json!({ "handle": handle, "password": PASSWORD });
    app.client.post("/v1/accounts", &request("ana")).await.expect(201);
    let answer = app.client.post("/v1/accounts", &request("ana")).await.expect(409);
    assert_eq!((answer.code().as_str(), answer.wrong_fields()), ("handle_taken", vec!["handle".to_owned()]));
    let answer = app.client.post("/v1/accounts", &request("admin")).await.expect(422);
    assert_eq!(answer.code(), "handle_reserved");
}

#[tokio::test]
async fn of_many_who_want_one_name_at_once_one_gets_it() {
    let (_house, app) = App::open().await;
    let request = json!({ "handle": "ana", "password": PASSWORD });
    let attempts = (0..16).map(|_| app.client.post("/v1/accounts", &request));
    let answers = futures_util::future::join_all(attempts).await;
    let made = answers.iter().filter(|answer| answer.status == 201).count();
    let refused =
        answers.iter().filter(|answer| answer.status == 409 && answer.code() == "handle_taken").count();
    assert_eq!((made, refused), (1, 15));
}

#[tokio::test]
async fn a_closed_house_takes_nobody() {
    let house = House::open().await;
    let app = house.start(Config { registration: Registration::Closed, ..config() }).await;
    let request = json!({ "handle": "ana", "password": PASSWORD });
    assert_eq!(app.client.post("/v1/accounts", &request).await.expect(403).code(), "registration_closed");
}

#[tokio::test]
async fn every_wrong_field_of_a_registration_is_named_at_once() {
    let (_house, app) = App::open().await;
    let request = json!({
        "handle": "Ana!", "password": "short", "display_name": "\u{200}\u{0}", "email": "not an address",
    });
    let answer = app.client.post("/v1/accounts", &request).await.expect(422);
    assert_eq!(answer.code(), "invalid_fields");
    assert_eq!(answer.wrong_fields(), ["display_name", "email", "handle", "password"]);

    let valid = json!({ "handle": "ana", "password": PASSWORD });
    for (field, wrong) in [
        ("handle", json!("")),
        ("handle", json!("a")),
        ("handle", json!("a".repeat(33))),
        ("handle", json!("-ana")),
        ("handle", json!("añá")),
        ("handle", json!("an\na")),
        ("handle", json!(7)),
        ("handle", json!(null)),
        ("handle", json!(["ana"])),
        ("password", json!("x".repeat(257))),
        ("password", json!({})),
        ("display_name", json!("")),
        ("display_name", json!(" \t ")),
        ("display_name", json!("x".repeat(65))),
        ("email", json!("@")),
        ("email", json!("a b@example.org")),
        ("email", json!(format!("{}@example.org", "x".repeat(254)))),
        ("setup_token", json!("x".repeat(129))),
        ("operator", json!(true)),
    ] {
        let mut request = valid.clone();
        request[field] = wrong;
        let answer = app.client.post("/v1/accounts", &request).await.expect(422);
        assert_eq!(
            (answer.code().as_str(), answer.wrong_fields()),
            ("invalid_fields", vec![field.to_owned()])
        );
    }
    for field in ["handle", "password"] {
        let mut request = valid.clone();
        request.as_object_mut().unwrap().remove(field);
        let answer = app.client.post("/v1/accounts", &request).await.expect(422);
        assert_eq!(answer.wrong_fields(), [field]);
    }
}

#[tokio::test]
async fn what_is_not_json_is_refused_on_every_route_that_takes_a_body() {
    let (_house, app) = App::open().await;
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let routes = [
        ("/v1/accounts", "handle"),
        ("/v1/sessions", "identifier"),
        ("/v1/sessions/refresh", "refresh_token"),
        ("/v1/email/verify", "token"),
        ("/v1/password/forgot", "identifier"),
        ("/v1/password/reset", "token"),
    ];
    for (path, field) in routes {
        for wrong in ["", "{", "nonsense", "{\"handle\":\"ana\",}"] {
            let answer =
                app.client.send(Method::POST, path, Some("application/json"), wrong.to_owned()).await;
            assert_eq!(answer.expect(400).code(), "malformed_json", "{path} {wrong:.20}");
        }
        let latin1 = [format!("{{\"{field}\":\"an").as_bytes(), b"\xe1\"}"].concat();
        let answer = app.client.send(Method::POST, path, Some("application/json"), latin1).await.expect(400);
        assert_eq!(answer.code(), "malformed_json");
        for media_type in [None, Some("text/plain"), Some("application/x-www-form-urlencoded")] {
            let answer = app.client.send(Method::POST, path, media_type, "{}".to_owned()).await.expect(415);
            assert_eq!(answer.code(), "unsupported_media_type");
        }
        for other in ["[]", "\"text\"", "null", "1", &deep] {
            let answer =
                app.client.send(Method::POST, path, Some("application/json"), other.to_owned()).await;
            assert_eq!(answer.expect(422).code(), "invalid_fields", "{path} {other:.20}");
        }
        app.client.send(Method::PUT, path, Some("application/json"), "{}".to_owned()).await.expect(405);
    }
}

#[tokio::test]
async fn users_are_found_by_handle_and_by_ids() {
    let (_house, app) = App::open().await;
    let (ana, bea) = (app.register("ana").await, app.register("bea").await);
    let client = app.of(&ana);
    let handles = |answer: Value| -> Vec<String> {
        let items = answer["items"].as_array().unwrap().iter();
        items.map(|user| user["handle"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(handles(client.get("/v1/users?handle=BEA").await.expect(200).json()), ["bea"]);
    assert!(handles(client.get("/v1/users?handle=nobody").await.expect(200).json()).is_empty());
    let stranger: tertulia_contracts::UserId = ana.account.id;
    let ids = format!("/v1/users?ids={},{},usr_00000000000000000000000000", bea.account.id, stranger);
    assert_eq!(handles(client.get(&ids).await.expect(200).json()), ["bea", "ana"]);

    let user = client.get(&format!("/v1/users/{}", bea.account.id)).await.expect(200).json();
    assert_eq!(user, json!({ "id": bea.account.id, "handle": "bea", "display_name": "bea" }));
    for unknown in ["usr_00000000000000000000000000", "ses_00000000000000000000000000", "nonsense", "%FF"] {
        client.get(&format!("/v1/users/{unknown}")).await.expect(404);
    }
    let many = vec![bea.account.id.to_string(); 101].join(",");
    for wrong in ["", "?ids=", "?ids=nonsense", "?handle=a&ids=b", "?who=ana", &format!("?ids={many}")] {
        let answer = client.get(&format!("/v1/users{wrong}")).await.expect(422);
        assert_eq!(answer.code(), "invalid_fields", "{wrong}");
    }
    // Other services ask without a token, over the mesh.
    let user = app.client.get(&format!("/internal/users/{}", bea.account.id)).await.expect(200).json();
    assert_eq!(user["handle"], "bea");
    app.client.get("/internal/users/usr_00000000000000000000000000").await.expect(404);
}
