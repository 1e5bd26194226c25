//! The audit trail: what is entered, how it is searched, and what a verification finds.

use serde_json::{Value, json};
use tertulia_bus::DeadLetter;
use tertulia_contracts::{
    UserId,
    auth::{
        AuditEntries, AuditEntry, AuditFault, AuditVerification, Bot, BrokenEntry, IssuedToken,
        MadeInstanceInvitation, SignedIn,
    },
    events::AUTH_AUDIT,
};
use tertulia_documents::{Collection, Draft, Index, Key, Write};
use tertulia_runtime::testkit::{TestClient, eventually};

use crate::app::{App, House, PASSWORD, SOON, config};

const AUDIT: &str = "/v1/operator/audit";

async fn search(operator: &TestClient, query: &str) -> AuditEntries {
    operator.get(&format!("{AUDIT}?{query}")).await.expect(200).read()
}

/// The kinds of what fits, oldest first, once there are so many.
async fn kinds(operator: &TestClient, query: &str, count: usize) -> Vec<String> {
    let found = eventually(SOON, async || {
        Some(search(operator, query).await.items).filter(|items| items.len() >= count)
    });
    found.await.into_iter().rev().map(|entry| entry.kind).collect()
}

async fn verify(operator: &TestClient, query: &str) -> AuditVerification {
    operator.get(&format!("{AUDIT}/verification?{query}")).await.expect(200).read()
}

/// An instance on which a few things were done, and its operator.
async fn busy() -> (House, App, TestClient) {
    let (house, app) = App::open().await;
    let operator = app.operator().await;
    let client = app.of(&operator);
    let ana = app.register("ana").await.account.id;
    let suspension = format!("/v1/operator/accounts/{ana}/suspension");
    let moderator = format!("/v1/operator/accounts/{ana}/moderator");
    client.put(&moderator, &json!({})).await.expect(200);
    client.put(&suspension, &json!({ "reason": "Spam." })).await.expect(200);
    client.delete(&suspension).await.expect(204);
    client.delete(&moderator).await.expect(204);
    kinds(&client, "", 5).await;
    (house, app, client)
}

#[tokio::test]
async fn each_act_is_entered_with_who_did_it_to_whom_and_from_which_network() {
    let (_house, app) = App::open().await;
    let from = app.client.with_header("x-forwarded-for".parse().unwrap(), "192.0.2.77");
    let request =
        json!({ "handle": "ada", "password": PASSWORD, "setup_token": app.setup.as_ref().unwrap().token });
    let ada: SignedIn = from.post("/v1/accounts", &request).await.expect(201).read();
    let operator = from.with_token(&ada.access_token);
    let made = operator.post("/v1/operator/invitations", &json!({})).await.expect(201);
    let made: MadeInstanceInvitation = made.read();
    operator.delete(&format!("/v1/operator/invitations/{}", made.invitation.id)).await.expect(204);
    let bot: Bot = operator.post("/v1/bots", &json!({ "handle": "a-bot" })).await.expect(201).read();
    let token = json!({ "name": "A program", "scopes": ["read"], "bot_id": bot.id });
    let issued: IssuedToken = operator.post("/v1/tokens", &token).await.expect(201).read();
    operator.delete(&format!("/v1/bots/{}", bot.id)).await.expect(204);
    let password = json!({ "current_password": PASSWORD, "password": "another correct horse" });
    operator.put("/v1/me/password", &password).await.expect(204);

    let acts = [
        "operator.made",
        "invitation.created",
        "invitation.withdrawn",
        "bot.created",
        "token.created",
        "bot.ended",
        "token.revoked",
        "password.changed",
    ];
    assert_eq!(kinds(&operator, "", acts.len()).await, acts);
    let entries = search(&operator, "").await.items;
    for entry in &entries {
        assert_eq!(entry.actor, Some(ada.account.id), "{entry:?}");
        assert_eq!(entry.network.as_deref(), Some("192.0.2.0/24"), "{entry:?}");
        let text = serde_json::to_string(entry).unwrap();
        assert!(
            ![&issued.token, &made.secret, &"192.0.2.77".to_owned()].iter().any(|it| text.contains(*it)),
            "{text}"
        );
    }
    let revoked: &AuditEntry = entries.iter().find(|entry| entry.kind == "token.revoked").unwrap();
    assert_eq!(revoked.subject, Some(bot.id));
    assert_eq!(revoked.details["token"], issued.api_token.id.to_string());
}

#[tokio::test]
async fn the_trail_is_searched_by_who_whom_what_and_when_page_by_page() {
    let (house, app, operator) = busy().await;
    let everything = [
        "operator.made",
        "moderator.appointed",
        "account.suspended",
        "account.restored",
        "moderator.dismissed",
    ];
    assert_eq!(kinds(&operator, "", 5).await, everything);
    let suspended = search(&operator, "kind=account.suspended").await.items.remove(0);
    let (ada, ana) = (suspended.actor.unwrap(), suspended.subject.unwrap());
    assert_eq!(suspended.details["reason"], "Spam.");
    assert_eq!(kinds(&operator, &format!("subject={ana}"), 4).await, everything[1..]);
    assert_eq!(
        kinds(&operator, &format!("actor={ada}&subject={ana}&kind=account.restored"), 1).await,
        ["account.restored"]
    );
    let nobody: UserId = "usr_01J00000000000000000000000".parse().unwrap();
    assert_eq!(kinds(&operator, &format!("actor={nobody}"), 0).await, Vec::<String>::new());

    house.clock.advance(std::time::Duration::from_secs(1));
    let since = house.ambient.clock.now();
    operator.put(&format!("/v1/operator/accounts/{ana}/moderator"), &json!({})).await.expect(200);
    assert_eq!(kinds(&operator, &format!("from={since}"), 1).await, ["moderator.appointed"]);
    assert_eq!(kinds(&operator, &format!("subject={ana}&to={since}"), 4).await, everything[1..]);

    let (mut seqs, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = search(&operator, &format!("limit=4{cursor}")).await;
        seqs.extend(page.items.into_iter().map(|entry| entry.seq));
        let Some(next) = page.next_cursor else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(seqs, [6, 5, 4, 3, 2, 1]);
    for bad in ["limit=0", "limit=201", "kind=", "actor=x", "cursor=x"] {
        operator.get(&format!("{AUDIT}?{bad}")).await.expect(422);
    }
    let ana = app.of(&app.sign_in("ana").await);
    for path in [AUDIT.to_owned(), format!("{AUDIT}/verification")] {
        assert_eq!(ana.get(&path).await.expect(403).code(), "operator_only");
    }
}

#[tokio::test]
async fn an_act_is_entered_once_however_many_processes_take_its_event_and_how_often() {
    let (house, app, operator) = busy().await;
    let _other = house.start(config()).await;
    let ana = search(&operator, "kind=account.suspended").await.items[0].subject.unwrap();
    for _ in 0..10 {
        operator
            .put(&format!("/v1/operator/accounts/{ana}/suspension"), &json!({ "reason": "x" }))
            .await
            .expect(200);
    }
    assert_eq!(kinds(&operator, "kind=account.suspended", 11).await.len(), 11);
    // The same event comes again.
    let entry = search(&operator, "").await.items.remove(0);
    let again = json!({
        "specversion": "1.0", "id": entry.event_id, "source": "/auth", "type": "act.noted",
        "time": entry.at, "partitionkey": "audit", "schemaversion": 1,
        "data": { "kind": entry.kind, "actor": entry.actor },
    });
    house.bus.publish(&[serde_json::from_value(again).unwrap()]).await.unwrap();
    let next = format!("/v1/operator/accounts/{ana}/suspension");
    operator.delete(&next).await.expect(204);
    assert_eq!(kinds(&operator, "kind=account.restored", 2).await.len(), 2);
    let whole = verify(&operator, "").await;
    assert_eq!((whole.good_to.seq, whole.complete, whole.broken), (16, true, None));
    let dead: Vec<DeadLetter> = house.bus.dead_letters(AUTH_AUDIT, 10).await.unwrap();
    assert!(dead.is_empty());
    drop(app);
}

/// The collection as it is kept.
fn kept() -> &'static Collection {
    tertulia_auth::COLLECTIONS.iter().find(|it| it.name == "audit").unwrap()
}

async fn stored(house: &House, seq: u64) -> (u64, Value) {
    let id = format!("{seq:016x}");
    let found = house.documents.get(kept(), &id).await.unwrap().unwrap();
    (found.revision, serde_json::from_str(found.body.get()).unwrap())
}

/// Writes this into a place of the trail, as somebody who has the store in hand.
async fn tamper(house: &House, seq: u64, entry: &Value) {
    let (revision, _) = stored(house, seq).await;
    let by_seq = Index::unique("by_seq");
    let body = serde_json::value::to_raw_value(entry).unwrap();
    let draft = Draft { id: format!("{seq:016x}"), keys: vec![(by_seq, Key::new().number(seq))], body };
    house.documents.commit(kept(), Write::Replace(draft, revision), Vec::new()).await.unwrap();
}

#[tokio::test]
async fn a_changed_entry_is_named() {
    let (house, _app, operator) = busy().await;
    assert_eq!(verify(&operator, "").await.broken, None);
    let (_, mut entry) = stored(&house, 3).await;
    entry["details"]["reason"] = json!("None.");
    tamper(&house, 3, &entry).await;
    let found = verify(&operator, "").await;
    assert_eq!(found.broken, Some(BrokenEntry { seq: 3, fault: AuditFault::Changed }));
    assert_eq!(found.good_to.seq, 2);
}

#[tokio::test]
async fn swapped_entries_are_named() {
    let (house, _app, operator) = busy().await;
    let ((_, one), (_, other)) = (stored(&house, 2).await, stored(&house, 3).await);
    tamper(&house, 2, &other).await;
    tamper(&house, 3, &one).await;
    assert_eq!(verify(&operator, "").await.broken.map(|broken| broken.seq), Some(2));
}

#[tokio::test]
async fn a_removed_entry_is_named_and_one_cut_off_the_end_by_whoever_noted_it() {
    let (house, _app, operator) = busy().await;
    let noted = verify(&operator, "").await.good_to;
    let point = format!("known_seq={}&known_hash={}", noted.seq, noted.hash);
    assert_eq!(verify(&operator, &point).await.broken, None);
    let remove = async |seq: u64| {
        let (revision, _) = stored(&house, seq).await;
        let write = Write::Delete(format!("{seq:016x}"), revision);
        house.documents.commit(kept(), write, Vec::new()).await.unwrap();
    };
    remove(5).await;
    assert_eq!(verify(&operator, "").await.broken, None, "a trail that ends earlier is whole in itself");
    assert_eq!(
        verify(&operator, &point).await.broken,
        Some(BrokenEntry { seq: 5, fault: AuditFault::Missing })
    );
    remove(3).await;
    assert_eq!(verify(&operator, "").await.broken, Some(BrokenEntry { seq: 3, fault: AuditFault::Missing }));
    for bad in ["known_seq=1", "known_hash=x", "known_seq=0&known_hash=x"] {
        operator.get(&format!("{AUDIT}/verification?{bad}")).await.expect(422);
    }
}

#[tokio::test]
async fn many_wrong_passwords_are_noted_once_and_what_was_typed_is_not() {
    let (_house, app) = App::open().await;
    let operator = app.operator().await;
    let client = app.of(&operator);
    for identifier in ["ada", "nobody-at-all"] {
        for _ in 0..13 {
            let request = json!({ "identifier": identifier, "password": "not this one" });
            let refused = app.client.post("/v1/sessions", &request).await.code();
            assert!(["wrong_credentials", "too_often"].contains(&refused.as_str()), "{refused}");
        }
    }
    assert_eq!(kinds(&client, "kind=sign_ins.refused", 2).await.len(), 2);
    let entries = search(&client, "kind=sign_ins.refused").await.items;
    let subjects: Vec<_> = entries.iter().rev().map(|entry| entry.subject).collect();
    assert_eq!(subjects, [Some(operator.account.id), None]);
    assert!(!serde_json::to_string(&entries).unwrap().contains("nobody-at-all"));
}
