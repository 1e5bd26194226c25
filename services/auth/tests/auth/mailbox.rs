//! Mails, and what the links in them are good for. Each test reads the outbox as the operator would.

use std::time::Duration;

use serde_json::{Value, json};
use tertulia_contracts::auth::SignedIn;
use tertulia_mail::{MAX_KEPT, Mail};
use tertulia_runtime::testkit::eventually;

use crate::app::{App, House, PASSWORD, PUBLIC_URL, SOON};

/// The mails to this address, oldest first.
pub(crate) async fn mails_to(house: &House, address: &str) -> Vec<Mail> {
    let mut kept = house.outbox().kept(None, MAX_KEPT).await.unwrap().items;
    kept.retain(|mail| mail.to == address);
    // Those of one moment are in the order of their ids.
    kept.sort_by_key(|mail| mail.id);
    kept
}

/// Waits until so many mails came to an address; the newest.
pub(crate) async fn newest_mail(house: &House, address: &str, count: usize) -> Mail {
    let mails =
        eventually(SOON, async || Some(mails_to(house, address).await).filter(|mails| mails.len() >= count));
    let mails = mails.await;
    assert_eq!(mails.len(), count, "{:?}", mails.iter().map(|mail| &mail.subject).collect::<Vec<_>>());
    mails.into_iter().next_back().unwrap()
}

/// What stands behind the `#` of the link to this page.
pub(crate) fn token(mail: &Mail, page: &str) -> String {
    let start = format!("{PUBLIC_URL}/{page}#");
    let found = mail.text.lines().find(|line| line.starts_with(&start));
    let link = found.unwrap_or_else(|| panic!("no link to {page} in {}", mail.text));
    assert!(mail.html.contains("<a href="), "{}", mail.html);
    link[start.len()..].to_owned()
}

impl App {
    pub(crate) async fn register_with(&self, handle: &str, email: &str) -> SignedIn {
        let request = json!({ "handle": handle, "password": PASSWORD, "email": email });
        self.client.post("/v1/accounts", &request).await.expect(201).read()
    }

    /// An account whose address is verified.
    pub(crate) async fn register_verified(&self, house: &House, handle: &str, email: &str) -> SignedIn {
        let signed_in = self.register_with(handle, email).await;
        let before = mails_to(house, email).await.len();
        let count = before.max(1);
        let token = token(&newest_mail(house, email, count).await, "verify-email");
        self.client.post("/v1/email/verify", &json!({ "token": token })).await.expect(204);
        signed_in
    }

    async fn me(&self, who: &SignedIn) -> Value {
        self.of(who).get("/v1/me").await.expect(200).json()
    }
}

#[tokio::test]
async fn an_address_is_an_accounts_once_the_link_was_opened() {
    let (house, app) = App::open().await;
    let ana = app.register_with("ana", "Ana@example.org").await;
    let me = app.me(&ana).await;
    assert_eq!((&me["email"], &me["email_verified"]), (&json!("Ana@example.org"), &json!(false)));
    // Nobody else says that it is theirs, so it may well name who knows the password.
    app.sign_in("ana@example.org").await;

    let mail = newest_mail(&house, "Ana@example.org", 1).await;
    assert_eq!(mail.subject, "Confirm your e-mail address");
    let verify = json!({ "token": token(&mail, "verify-email") });
    app.client.post("/v1/email/verify", &verify).await.expect(204);
    let me = app.me(&ana).await;
    assert_eq!((&me["email"], &me["email_verified"]), (&json!("Ana@example.org"), &json!(true)));
    assert_eq!(me.get("pending_email"), None);
    app.sign_in("ANA@example.org").await;
    // It works once.
    assert_eq!(app.client.post("/v1/email/verify", &verify).await.expect(403).code(), "link_invalid");
}

#[tokio::test]
async fn a_link_is_no_longer_good_after_a_day() {
    let (house, app) = App::open().await;
    app.register_with("ana", "ana@example.org").await;
    let verify = json!({ "token": token(&newest_mail(&house, "ana@example.org", 1).await, "verify-email") });
    house.clock.advance(Duration::from_hours(24));
    assert_eq!(app.client.post("/v1/email/verify", &verify).await.expect(403).code(), "link_invalid");
    for wrong in [
        "x",
        "usr_01J00000000000000000000000.x",
        verify["token"].as_str().unwrap().split('.').next().unwrap(),
    ] {
        let answer = app.client.post("/v1/email/verify", &json!({ "token": wrong })).await;
        assert_eq!(answer.expect(403).code(), "link_invalid", "{wrong}");
    }
}

#[tokio::test]
async fn nobody_takes_an_address_by_claiming_it() {
    let (house, app) = App::open().await;
    // Eve claims Ana's address first; whoever reads the mailbox decides.
    let eve = app.register_with("eve", "ana@example.org").await;
    let eves = token(&newest_mail(&house, "ana@example.org", 1).await, "verify-email");
    let ana = app.register_with("ana", "ana@example.org").await;
    let anas = token(&newest_mail(&house, "ana@example.org", 2).await, "verify-email");
    let by_email = json!({ "identifier": "ana@example.org", "password": PASSWORD });
    assert_eq!(app.client.post("/v1/sessions", &by_email).await.expect(401).code(), "wrong_credentials");
    app.client.post("/v1/email/verify", &json!({ "token": anas })).await.expect(204);
    assert_eq!(app.me(&ana).await["email_verified"], true);
    let answer = app.client.post("/v1/email/verify", &json!({ "token": eves })).await.expect(409);
    assert_eq!((answer.code(), answer.wrong_fields()), ("email_taken".to_owned(), vec!["email".to_owned()]));
    assert_eq!(app.me(&eve).await["email_verified"], false);
    assert_eq!(app.sign_in("ana@example.org").await.account.id, ana.account.id);
}

#[tokio::test]
async fn another_address_takes_the_place_of_the_first_when_it_is_proven() {
    let (house, app) = App::open().await;
    let ana = app.register_verified(&house, "ana", "ana@example.org").await;
    let client = app.of(&ana);
    let change = |email: &str, password: &str| json!({ "email": email, "password": password });
    let wrong = client.put("/v1/me/email", &change("new@example.org", "not this")).await;
    assert_eq!(wrong.expect(403).code(), "wrong_password");
    for bad in
        ["ana@exa mple.org", "aña@example.org", "\"a\"@example.org", "a@example.org\r\nBcc: b@example.org"]
    {
        let answer = client.put("/v1/me/email", &change(bad, PASSWORD)).await.expect(422);
        assert_eq!(answer.wrong_fields(), ["email"], "{bad}");
    }
    let told = client.put("/v1/me/email", &change("new@example.org", PASSWORD)).await.expect(202).json();
    assert_eq!(
        (&told["email"], &told["pending_email"]),
        (&json!("ana@example.org"), &json!("new@example.org"))
    );
    let first = token(&newest_mail(&house, "new@example.org", 1).await, "verify-email");
    // A change of mind: the link to the address before is good no longer.
    client.put("/v1/me/email", &change("newer@example.org", PASSWORD)).await.expect(202);
    let answer = app.client.post("/v1/email/verify", &json!({ "token": first })).await;
    assert_eq!(answer.expect(403).code(), "link_invalid");
    app.sign_in("ana@example.org").await;

    let second = token(&newest_mail(&house, "newer@example.org", 1).await, "verify-email");
    app.client.post("/v1/email/verify", &json!({ "token": second })).await.expect(204);
    let notice = newest_mail(&house, "ana@example.org", 2).await;
    assert_eq!(notice.subject, "Your account has another e-mail address");
    assert!(!notice.text.contains("newer@example.org"), "the old mailbox is not told the new address");
    app.sign_in("newer@example.org").await;
    let old = json!({ "identifier": "ana@example.org", "password": PASSWORD });
    app.client.post("/v1/sessions", &old).await.expect(401);
    // The address is free again.
    app.register_with("bea", "ana@example.org").await;
}

#[tokio::test]
async fn a_link_is_sent_again_and_not_too_often() {
    let (house, app) = App::open().await;
    let ana = app.register_with("ana", "ana@example.org").await;
    let client = app.of(&ana);
    let again = "/v1/me/email/verification";
    newest_mail(&house, "ana@example.org", 1).await;
    for sent in 2..=5 {
        client.post(again, &json!({})).await.expect(202);
        newest_mail(&house, "ana@example.org", sent).await;
    }
    client.post(again, &json!({})).await.expect(202);
    let answer = client.post(again, &json!({})).await.expect(429);
    assert_eq!(answer.code(), "too_often");
    assert!(answer.header("retry-after").is_some());
    // The newest is good, and so are those before it: which of them arrived, nobody knows.
    let mails = mails_to(&house, "ana@example.org").await;
    assert_eq!(mails.len(), 5, "the mailbox has its own bound: 5 at once");
    let token = token(&mails[1], "verify-email");
    app.client.post("/v1/email/verify", &json!({ "token": token })).await.expect(204);
    assert_eq!(client.post(again, &json!({})).await.expect(409).code(), "nothing_to_verify");
}

#[tokio::test]
async fn people_are_written_to_in_their_language() {
    let (house, app) = App::open().await;
    let request =
        json!({ "handle": "ana", "password": PASSWORD, "email": "ana@example.org", "locale": "es-MX" });
    app.client.post("/v1/accounts", &request).await.expect(201);
    let mail = newest_mail(&house, "ana@example.org", 1).await;
    assert_eq!(mail.subject, "Confirma tu dirección de correo");
    assert!(mail.html.contains("<html lang=\"es\">"), "{}", mail.html);
    let wrong = json!({ "handle": "bea", "password": PASSWORD, "locale": "en_US" });
    assert_eq!(app.client.post("/v1/accounts", &wrong).await.expect(422).wrong_fields(), ["locale"]);
}

#[tokio::test]
async fn the_operator_reads_the_outbox_and_nobody_else() {
    let (house, app) = App::open().await;
    let setup = &app.setup.as_ref().unwrap().token;
    let request = json!({ "handle": "root", "password": PASSWORD, "setup_token": setup });
    let root: SignedIn = app.client.post("/v1/accounts", &request).await.expect(201).read();
    let ana = app.register_with("ana", "ana@example.org").await;
    app.register_with("bea", "bea@example.org").await;
    newest_mail(&house, "ana@example.org", 1).await;
    newest_mail(&house, "bea@example.org", 1).await;

    let page = app.of(&root).get("/v1/operator/mail?limit=1").await.expect(200).json();
    let next = page["next_cursor"].as_str().unwrap();
    let rest = app.of(&root).get(&format!("/v1/operator/mail?cursor={next}")).await.expect(200).json();
    let mut to: Vec<&str> = [&page, &rest].iter().map(|it| it["items"][0]["to"].as_str().unwrap()).collect();
    to.sort_unstable();
    assert_eq!(to, ["ana@example.org", "bea@example.org"]);
    assert_eq!(rest.get("next_cursor"), None);
    assert!(page["items"][0]["text"].as_str().unwrap().contains("/verify-email#"));

    for wrong in ["limit=0", "limit=101", "cursor=x!"] {
        app.of(&root).get(&format!("/v1/operator/mail?{wrong}")).await.expect(422);
    }
    assert_eq!(app.of(&ana).get("/v1/operator/mail").await.expect(403).code(), "operator_only");
    let token = json!({ "name": "program", "scopes": ["read", "write"] });
    let issued = app.of(&root).post("/v1/tokens", &token).await.expect(201).json();
    let program = app.client.with_token(issued["token"].as_str().unwrap());
    assert_eq!(program.get("/v1/operator/mail").await.expect(403).code(), "insufficient_scope");
}
