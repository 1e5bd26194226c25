//! Another password.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use serde_json::json;
use tertulia_auth::{Config, PasswordCost};
use tertulia_bus::DeadLetter;
use tertulia_contracts::{auth::SignedIn, events::AUTH_MAIL};
use tertulia_mail::{Error as MailError, Mail, Mailer};
use tertulia_runtime::testkit::eventually;
use tokio::sync::Mutex;

use crate::{
    app::{App, House, PASSWORD, SOON, config},
    mailbox::{mails_to, newest_mail, token},
};

const ANOTHER: &str = "a wholly different sentence";

async fn signs_in(app: &App, password: &str) -> bool {
    let request = json!({ "identifier": "ana", "password": password });
    app.client.post("/v1/sessions", &request).await.status == 201
}

async fn refreshes(app: &App, who: &SignedIn) -> bool {
    let request = json!({ "refresh_token": who.refresh_token });
    app.client.post("/v1/sessions/refresh", &request).await.status == 200
}

#[tokio::test]
async fn a_password_is_changed_by_whoever_knows_it_and_other_sessions_end() {
    let (house, app) = App::open().await;
    let ana = app.register_verified(&house, "ana", "ana@example.org").await;
    let other = app.sign_in("ana").await;
    let client = app.of(&ana);
    let change = |now: &str, then: &str| json!({ "current_password": now, "password": then });
    let answer = client.put("/v1/me/password", &change("not this one", ANOTHER)).await.expect(403);
    assert_eq!(answer.code(), "wrong_password");
    client.put("/v1/me/password", &change(PASSWORD, ANOTHER)).await.expect(204);

    assert!(!signs_in(&app, PASSWORD).await && signs_in(&app, ANOTHER).await);
    client.get("/v1/me").await.expect(200);
    assert!(refreshes(&app, &ana).await, "the session that changed it goes on");
    assert_eq!(app.of(&other).get("/v1/me").await.expect(401).code(), "session_ended");
    assert!(!refreshes(&app, &other).await);
    let notice = newest_mail(&house, "ana@example.org", 2).await;
    assert_eq!(notice.subject, "Your password was changed");
    assert!(!notice.text.contains(ANOTHER));
}

#[tokio::test]
async fn who_finds_an_open_device_does_not_guess_on() {
    let (_house, app) = App::open().await;
    let ana = app.register("ana").await;
    let guess = json!({ "current_password": "a guess", "password": ANOTHER });
    for _ in 0..10 {
        app.of(&ana).put("/v1/me/password", &guess).await.expect(403);
    }
    let answer = app.of(&ana).put("/v1/me/password", &guess).await.expect(429);
    assert_eq!(answer.code(), "too_often");
}

#[tokio::test]
async fn a_weak_password_is_refused_with_the_reason() {
    let (house, app) = App::open().await;
    let refused = async |answer: tertulia_runtime::testkit::TestResponse| {
        let answer = answer.expect(422);
        let told = answer.json();
        assert_eq!(
            (answer.code().as_str(), answer.wrong_fields()),
            ("weak_password", vec!["password".to_owned()])
        );
        let reason = told["errors"][0]["message"].as_str().unwrap();
        assert!(reason.starts_with("is too easily guessed. "), "{reason}");
    };
    for weak in ["password1234", "anamaria-1990", "ana@example.org"] {
        let request = json!({ "handle": "anamaria", "password": weak, "email": "ana@example.org" });
        refused(app.client.post("/v1/accounts", &request).await).await;
    }
    let ana = app.register_verified(&house, "ana", "ana@example.org").await;
    let weak = json!({ "current_password": PASSWORD, "password": "qwertyuiop" });
    refused(app.of(&ana).put("/v1/me/password", &weak).await).await;
    app.client.post("/v1/password/forgot", &json!({ "identifier": "ana" })).await.expect(202);
    let link = token(&newest_mail(&house, "ana@example.org", 2).await, "reset-password");
    refused(app.client.post("/v1/password/reset", &json!({ "token": link, "password": "qwertyuiop" })).await)
        .await;
    // The link was not used up by that.
    app.client.post("/v1/password/reset", &json!({ "token": link, "password": ANOTHER })).await.expect(204);
}

#[tokio::test]
async fn a_forgotten_password_is_set_anew_once_and_all_sessions_end() {
    let (house, app) = App::open().await;
    let ana = app.register_verified(&house, "ana", "ana@example.org").await;
    app.client.post("/v1/password/forgot", &json!({ "identifier": "ANA@example.org" })).await.expect(202);
    let mail = newest_mail(&house, "ana@example.org", 2).await;
    let reset = json!({ "token": token(&mail, "reset-password"), "password": ANOTHER });
    let verify = json!({ "token": reset["token"] });
    assert_eq!(app.client.post("/v1/email/verify", &verify).await.expect(403).code(), "link_invalid");

    let attempts = (0..8).map(|_| app.client.post("/v1/password/reset", &reset));
    let answers = futures_util::future::join_all(attempts).await;
    let set = answers.iter().filter(|answer| answer.status == 204).count();
    let refused =
        answers.iter().filter(|answer| answer.status == 403 && answer.code() == "link_invalid").count();
    assert_eq!((set, refused), (1, 7), "a link works once");
    assert_eq!(app.of(&ana).get("/v1/me").await.expect(401).code(), "session_ended");
    assert!(!refreshes(&app, &ana).await);
    assert!(!signs_in(&app, PASSWORD).await && signs_in(&app, ANOTHER).await);
    assert_eq!(newest_mail(&house, "ana@example.org", 3).await.subject, "Your password was changed");
}

#[tokio::test]
async fn a_link_to_set_a_password_ends_after_an_hour_or_with_another_password() {
    let (house, app) = App::open().await;
    let ana = app.register_verified(&house, "ana", "ana@example.org").await;
    let forgot = json!({ "identifier": "ana" });
    app.client.post("/v1/password/forgot", &forgot).await.expect(202);
    let first = token(&newest_mail(&house, "ana@example.org", 2).await, "reset-password");
    let change = json!({ "current_password": PASSWORD, "password": ANOTHER });
    app.of(&ana).put("/v1/me/password", &change).await.expect(204);
    newest_mail(&house, "ana@example.org", 3).await;
    let reset = |token: &str| json!({ "token": token, "password": PASSWORD });
    app.client.post("/v1/password/reset", &reset(&first)).await.expect(403);

    app.client.post("/v1/password/forgot", &forgot).await.expect(202);
    let second = token(&newest_mail(&house, "ana@example.org", 4).await, "reset-password");
    house.clock.advance(Duration::from_hours(1));
    assert_eq!(
        app.client.post("/v1/password/reset", &reset(&second)).await.expect(403).code(),
        "link_invalid"
    );
}

#[tokio::test]
async fn forgetting_tells_nothing_of_who_there_is() {
    let (house, app) = App::open().await;
    app.register_verified(&house, "ana", "ana@example.org").await;
    app.register_with("bea", "bea@example.org").await;
    newest_mail(&house, "bea@example.org", 1).await;
    let mut answers = Vec::new();
    for identifier in ["nobody", "bea", "nobody@example.org", "bea@example.org", "ana"] {
        let answer = app.client.post("/v1/password/forgot", &json!({ "identifier": identifier })).await;
        answers.push((answer.status, answer.json()));
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    // What was asked for last was answered last: the others had their turn.
    newest_mail(&house, "ana@example.org", 2).await;
    let kept = house.outbox().kept(None, 100).await.unwrap().items;
    assert_eq!(kept.len(), 3, "nobody else is written to: an unverified address proves nothing");
    assert_eq!(mails_to(&house, "bea@example.org").await.len(), 1);
}

#[tokio::test]
async fn one_mailbox_is_not_flooded() {
    let (house, app) = App::open().await;
    app.register_verified(&house, "ana", "ana@example.org").await;
    for identifier in ["ana", "ana@example.org", "ANA", "Ana@Example.org", "aNa", "anA"] {
        app.client.post("/v1/password/forgot", &json!({ "identifier": identifier })).await.expect(202);
    }
    // The queue is empty when what came after them is done.
    app.register_with("bea", "bea@example.org").await;
    newest_mail(&house, "bea@example.org", 1).await;
    assert!(mails_to(&house, "ana@example.org").await.len() <= 5);
}

#[tokio::test]
async fn a_hash_is_brought_up_to_todays_cost_at_sign_in() {
    let house = House::open().await;
    let app = house.start(config()).await;
    app.register("ana").await;
    let stored = async || {
        let accounts = house.documents.scan(
            &tertulia_auth::COLLECTIONS[0],
            tertulia_documents::Scan::of(tertulia_documents::Index::ID, tertulia_documents::Key::new(), 10),
        );
        accounts.await.unwrap().items[0].body.get().to_owned()
    };
    assert!(stored().await.contains("$m=64,t=1,p=1$"));
    let cost = PasswordCost { memory_kib: 128, ..config().password };
    let later = house.start(Config { password: cost, ..config() }).await;
    assert!(!signs_in(&later, "not this one").await);
    assert!(stored().await.contains("$m=64,t=1,p=1$"), "only who knows the password has it hashed anew");
    assert!(signs_in(&later, PASSWORD).await);
    assert!(stored().await.contains("$m=128,t=1,p=1$"));
    let first = stored().await;
    assert!(signs_in(&later, PASSWORD).await);
    assert_eq!(stored().await, first, "it is hashed anew once");
}

/// Fails as it is told to, then passes on to the outbox.
struct Failing {
    failures: Mutex<Vec<MailError>>,
    inner: Arc<dyn Mailer>,
}

#[async_trait]
impl Mailer for Failing {
    async fn deliver(&self, mail: &Mail) -> Result<(), MailError> {
        match self.failures.lock().await.pop() {
            Some(failure) => Err(failure),
            None => self.inner.deliver(mail).await,
        }
    }

    async fn check(&self) -> Result<(), MailError> {
        Ok(())
    }
}

#[tokio::test]
async fn a_mail_that_is_not_taken_is_tried_again_or_laid_aside_without_its_secret() {
    let mut house = House::open().await;
    let failing =
        |failures: Vec<MailError>, inner: Arc<dyn Mailer>| Failing { failures: Mutex::new(failures), inner };
    let away = MailError::Unavailable("nobody is there".to_owned());
    house.mailer = Arc::new(failing(vec![away], house.mailer.clone()));
    let app = house.start(config()).await;
    app.register_verified(&house, "ana", "ana@example.org").await;
    drop(app);

    let mut house = House::open().await;
    let refused = MailError::Refused("550 there is no such mailbox".to_owned());
    house.mailer = Arc::new(failing(vec![refused], house.mailer.clone()));
    let app = house.start(config()).await;
    app.register_with("bea", "bea@example.org").await;
    let letter: DeadLetter =
        eventually(SOON, async || house.bus.dead_letters(AUTH_MAIL, 10).await.unwrap().pop()).await;
    assert!(letter.reason.contains("no such mailbox"), "{letter:?}");
    assert!(letter.body.contains("bea@example.org") && !letter.body.contains("verify-email#"), "{letter:?}");
    // Given back to the queue once the mailbox is there, it brings a good link.
    house.bus.replay(AUTH_MAIL, &letter.id).await.unwrap();
    let link = token(&newest_mail(&house, "bea@example.org", 1).await, "verify-email");
    app.client.post("/v1/email/verify", &json!({ "token": link })).await.expect(204);
}
