//! Who may make an account, and invitations to.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tertulia_auth::{Config, Registration};
use tertulia_contracts::auth::{InstanceInvitations, MadeInstanceInvitation, SignedIn};
use tertulia_documents::{Index, Key, Scan};
use tertulia_runtime::testkit::{TestClient, TestResponse};

use crate::app::{App, House, PASSWORD, config};

/// An instance that takes whoever is invited, and its operator.
async fn by_invitation() -> (House, App, TestClient) {
    let house = House::open().await;
    let app = house.start(Config { registration: Registration::Invitation, ..config() }).await;
    let operator = app.operator().await;
    let client = app.of(&operator);
    (house, app, client)
}

impl App {
    /// The operator's account, made through the setup link.
    pub(crate) async fn operator(&self) -> SignedIn {
        let token = &self.setup.as_ref().expect("there is no operator yet").token;
        let request = json!({ "handle": "ada", "password": PASSWORD, "setup_token": token });
        self.client.post("/v1/accounts", &request).await.expect(201).read()
    }

    async fn come_by(&self, handle: &str, invitation: &str) -> TestResponse {
        let request = json!({ "handle": handle, "password": PASSWORD, "invitation": invitation });
        self.client.post("/v1/accounts", &request).await
    }
}

async fn invite(operator: &TestClient, request: Value) -> MadeInstanceInvitation {
    operator.post("/v1/operator/invitations", &request).await.expect(201).read()
}

async fn listed(operator: &TestClient) -> InstanceInvitations {
    operator.get("/v1/operator/invitations").await.expect(200).read()
}

#[tokio::test]
async fn who_may_make_an_account_is_told_and_kept_to() {
    let house = House::open().await;
    let modes = [
        (Registration::Open, "open", None),
        (Registration::Invitation, "invitation", Some("invitation_required")),
        (Registration::Closed, "closed", Some("registration_closed")),
    ];
    for (registration, name, refusal) in modes {
        let app = house.start(Config { registration, ..config() }).await;
        let told: Value = app.client.get("/v1/instance").await.expect(200).json();
        assert_eq!(told, json!({ "registration": name }));
        let request = json!({ "handle": format!("ana-{name}"), "password": PASSWORD });
        let answer = app.client.post("/v1/accounts", &request).await;
        match refusal {
            None => drop(answer.expect(201)),
            Some(code) => assert_eq!(answer.expect(403).code(), code),
        }
    }
    // The setup link leads in whatever is closed, and an invitation does not.
    let closed = house.start(Config { registration: Registration::Closed, ..config() }).await;
    let operator = closed.of(&closed.operator().await);
    let made = invite(&operator, json!({})).await;
    assert_eq!(closed.come_by("bea", &made.secret).await.expect(403).code(), "registration_closed");
    // Where anybody may come, none is used up.
    let open = house.start(config()).await;
    open.come_by("bea", &made.secret).await.expect(201);
    assert_eq!(listed(&operator).await.items[0].uses, 0);
}

#[tokio::test]
async fn an_invitation_lets_in_as_many_as_it_says_however_many_come_at_once() {
    let (house, app, operator) = by_invitation().await;
    let other = house.start(Config { registration: Registration::Invitation, ..config() }).await;
    let made = invite(&operator, json!({ "max_uses": 3, "note": " The choir " })).await;
    assert!(made.secret.starts_with("teri_") && made.secret.len() == 41, "{}", made.secret);
    assert_eq!((made.invitation.note.as_deref(), made.invitation.uses), (Some("The choir"), 0));
    let comers = (0..16).map(|n| {
        let (app, secret) = (if n % 2 == 0 { &app } else { &other }, &made.secret);
        async move { app.come_by(&format!("singer{n}"), secret).await }
    });
    let answers = join_all(comers).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 3);
    let refused = answers.iter().filter(|it| it.status == 403 && it.code() == "invitation_invalid");
    assert_eq!(refused.count(), 13);
    assert_eq!(listed(&operator).await.items[0].uses, 3);
}

#[tokio::test]
async fn an_account_that_is_not_made_uses_nothing_up() {
    let (_house, app, operator) = by_invitation().await;
    let made = invite(&operator, json!({})).await;
    for (handle, password, status) in
        [("ada", PASSWORD, 409), ("admin", PASSWORD, 422), ("ana", "qwertyuiop", 422)]
    {
        let request = json!({ "handle": handle, "password": password, "invitation": made.secret });
        app.client.post("/v1/accounts", &request).await.expect(status);
    }
    assert_eq!(listed(&operator).await.items[0].uses, 0);
    app.come_by("ana", &made.secret).await.expect(201);
    assert_eq!(app.come_by("bea", &made.secret).await.expect(403).code(), "invitation_invalid");
}

#[tokio::test]
async fn an_invitation_that_is_unknown_withdrawn_or_too_old_lets_nobody_in() {
    let (house, app, operator) = by_invitation().await;
    let (withdrawn, old) =
        (invite(&operator, json!({})).await, invite(&operator, json!({ "expires_in_s": 60 })).await);
    let path = format!("/v1/operator/invitations/{}", withdrawn.invitation.id);
    operator.delete(&path).await.expect(204);
    assert_eq!(operator.delete(&path).await.expect(404).code(), "invitation_not_found");
    app.come_by("ana", &old.secret).await.expect(201);
    house.clock.advance(Duration::from_mins(1));
    for secret in [&withdrawn.secret, &old.secret, "", "teri_nonsense"] {
        assert_eq!(app.come_by("bea", secret).await.expect(403).code(), "invitation_invalid");
    }
    assert_eq!(listed(&operator).await.items, []);
}

#[tokio::test]
async fn the_operator_alone_invites_and_sees_page_by_page_without_secrets() {
    let (house, app, operator) = by_invitation().await;
    let mut made = Vec::new();
    for n in 0..3 {
        made.push(invite(&operator, json!({ "note": format!("No. {n}"), "max_uses": 1_000 })).await);
        house.clock.advance(Duration::from_secs(1));
    }
    let first: InstanceInvitations =
        operator.get("/v1/operator/invitations?limit=2").await.expect(200).read();
    let cursor = first.next_cursor.expect("there is one more");
    let rest = operator.get(&format!("/v1/operator/invitations?limit=2&cursor={cursor}")).await;
    let rest: InstanceInvitations = rest.expect(200).read();
    let ids: Vec<_> = first.items.iter().chain(&rest.items).map(|it| it.id).collect();
    assert_eq!((ids, rest.next_cursor), (made.iter().rev().map(|it| it.invitation.id).collect(), None));
    for bad in [
        json!({ "max_uses": 0 }),
        json!({ "max_uses": 1_001 }),
        json!({ "expires_in_s": 59 }),
        json!({ "note": "\n" }),
    ] {
        operator.post("/v1/operator/invitations", &bad).await.expect(422);
    }

    // Nothing secret is stored.
    let kept = tertulia_auth::COLLECTIONS.iter().find(|it| it.name == "invitations").unwrap();
    let stored = house.documents.scan(kept, Scan::of(Index::ID, Key::new(), 10)).await.unwrap();
    assert_eq!(stored.items.len(), 3);
    let random = |it: &MadeInstanceInvitation| it.secret[5..].to_owned();
    assert!(stored.items.iter().all(|it| !made.iter().any(|made| it.body.get().contains(&random(made)))));

    let ana: SignedIn = app.come_by("ana", &made[0].secret).await.expect(201).read();
    let ana = app.of(&ana);
    let refused = [
        ana.get("/v1/operator/invitations").await,
        ana.post("/v1/operator/invitations", &json!({})).await,
        ana.delete(&format!("/v1/operator/invitations/{}", made[0].invitation.id)).await,
    ];
    for answer in refused {
        assert_eq!(answer.expect(403).code(), "operator_only");
    }
}
