//! Messages that disappear: shown to nobody once their time is over, and erased although nobody looks.

use std::time::Duration;

use serde_json::{Value, json};
use tertulia_contracts::{
    ConversationId,
    messaging::{Conversation, Fact, Message, Messages, Posted, Saved},
};
use tertulia_documents::{Documents as _, Index, Key, Scan};
use tertulia_messaging::{COLLECTIONS, Config};
use tertulia_runtime::testkit::{TestClient, eventually_true};

use crate::harness::{
    DEADLINE, House, Instance, handle_of, make, make_group, message_path, now, reaction_path, reason, stored,
    whole_log,
};

/// A service that erases nothing unless somebody looks.
async fn unswept(house: &House) -> Instance {
    house.service_with(Config { schedule_tick_ms: 3_600_000, ..Config::default() }).await
}

async fn set(client: &TestClient, id: ConversationId, seconds: u32) -> Conversation {
    let wish = json!({"disappear_after_s": seconds});
    client.patch(&format!("/v1/conversations/{id}"), &wish).await.expect(200).read()
}

fn deletions(log: &[tertulia_contracts::messaging::Entry]) -> usize {
    log.iter().filter(|entry| matches!(entry.e, Fact::MessageDeleted { .. })).count()
}

#[tokio::test]
async fn from_its_moment_on_a_message_is_nowhere() {
    let house = House::open().await;
    let service = unswept(&house).await;
    let (ann, ben) = (house.user(), house.user());
    let (anns, bens) = (house.client(&service, ann), house.client(&service, ben));
    let group = make_group(&anns, &[ben]).await;
    let at = format!("/v1/conversations/{group}");
    let stays = house.post(&anns, group, "Stays").await;
    assert_eq!(set(&anns, group, 60).await.disappear_after_s, Some(60));
    let client_id = house.client_id();
    let post = json!({"client_id": client_id, "body": format!("SECRET one @{}", handle_of(ben))});
    let goes: Message =
        anns.post(&format!("{at}/messages"), &post).await.expect(201).read::<Posted>().message;
    assert_eq!(
        (stays.expires_at, goes.expires_at),
        (None, Some(house.ambient.now().plus(Duration::from_mins(1))))
    );
    let edit = json!({"body": format!("SECRET two @{}", handle_of(ben))});
    anns.patch(&message_path(&goes), &edit).await.expect(200);
    anns.put(&format!("{}/pin", message_path(&goes)), &()).await.expect(204);
    bens.put(&format!("{}/saved", message_path(&goes)), &json!({})).await.expect(200);
    let quote = json!({"client_id": house.client_id(), "body": "What?", "reply_to": goes.id, "quote": {"text": "SECRET"}});
    set(&anns, group, 0).await;
    let answer = bens.post(&format!("{at}/messages"), &quote).await.expect(201).read::<Posted>().message;
    assert_eq!(answer.expires_at, None, "what is posted after it was turned off stays");

    house.clock.advance(Duration::from_millis(59_999));
    assert!(now(&bens, &goes).await.body.contains("SECRET"));
    let mentions = async || {
        let seen: Conversation = bens.get(&at).await.expect(200).read();
        seen.membership.unwrap().mentions
    };
    assert_eq!(mentions().await, 0, "they have written since");
    let other = house.client(&service, ann);
    assert_eq!(now(&bens, &answer).await.quote.unwrap().text.as_deref(), Some("SECRET"));
    house.clock.advance(Duration::from_millis(1));

    // Nothing is done with it any more, though nobody has looked yet.
    for refused in [
        bens.put(&reaction_path(&goes, "👍"), &()).await,
        other.patch(&message_path(&goes), &json!({"body": "Back"})).await,
    ] {
        assert_eq!(refused.expect(409).code(), "message_deleted");
    }
    for rest in ["/messages", "/log", "/pins", &format!("/messages/{}/edits", goes.id)] {
        let text = bens.get(&format!("{at}{rest}")).await.expect(200).text();
        assert!(!text.contains("SECRET"), "{rest}: {text}");
    }
    let saved: Value = bens.get("/v1/me/saved").await.expect(200).json();
    let saved: Vec<Saved> = serde_json::from_value(saved["items"].clone()).unwrap();
    assert_eq!((saved.len(), &saved[0].message), (1, &None));
    assert_eq!(now(&bens, &answer).await.quote.unwrap().text, None);
    let forward = json!({"client_id": house.client_id(),
        "forward": {"conversation_id": group, "message_id": goes.id}});
    assert_eq!(bens.post(&format!("{at}/messages"), &forward).await.expect(422).wrong_fields(), ["forward"]);
    // It is a deletion like any other, in its author's name; and a repeat is still one.
    let log = whole_log(&anns, group).await;
    let fact =
        Fact::MessageDeleted { message_id: goes.id, message_seq: goes.seq, by: ann, at: house.ambient.now() };
    assert_eq!((deletions(&log), &log.last().unwrap().e), (1, &fact));
    let again = anns.post(&format!("{at}/messages"), &post).await.expect(200).read::<Posted>().message;
    assert!(again.deleted_at.is_some());
    assert_eq!(now(&bens, &stays).await, stays);
    assert!(!stored(&service).await.contains("SECRET"));
}

#[tokio::test]
async fn who_repeats_what_is_over_is_not_shown_it_either() {
    let house = House::open().await;
    let service = unswept(&house).await;
    let anns = house.client(&service, house.user());
    let group = make_group(&anns, &[]).await;
    set(&anns, group, 60).await;
    let (path, post) = (
        format!("/v1/conversations/{group}/messages"),
        json!({"client_id": house.client_id(), "body": "SECRET"}),
    );
    let first = anns.post(&path, &post).await.expect(201).read::<Posted>().message;
    house.clock.advance(Duration::from_mins(1));
    let again = anns.post(&path, &post).await.expect(200).read::<Posted>().message;
    assert_eq!((again.id, again.body.as_str(), again.deleted_at), (first.id, "", Some(house.ambient.now())));
}

#[tokio::test]
async fn what_calls_somebody_calls_them_no_longer_when_it_is_over() {
    let house = House::open().await;
    let service = unswept(&house).await;
    let (ann, ben) = (house.user(), house.user());
    let (anns, bens) = (house.client(&service, ann), house.client(&service, ben));
    let group = make_group(&anns, &[ben]).await;
    set(&anns, group, 60).await;
    house.post(&anns, group, &format!("@{} now", handle_of(ben))).await;
    let mentions = async || {
        let seen: Conversation = bens.get(&format!("/v1/conversations/{group}")).await.expect(200).read();
        seen.membership.unwrap().mentions
    };
    assert_eq!(mentions().await, 1);
    house.clock.advance(Duration::from_mins(1));
    assert_eq!(mentions().await, 0);
}

#[tokio::test]
async fn what_is_over_is_erased_although_nobody_looks_and_its_author_left() {
    let house = House::open().await;
    let services = [house.service().await, house.service().await];
    let (ann, ben) = (house.user(), house.user());
    let (anns, bens) = (house.client(&services[0], ann), house.client(&services[1], ben));
    let group = make_group(&anns, &[ben]).await;
    set(&anns, group, 60).await;
    // More than one go.
    for number in 0..70 {
        house.post(&bens, group, &format!("SECRET {number}")).await;
    }
    bens.delete(&format!("/v1/conversations/{group}/members/{ben}")).await.expect(204);
    anns.put(&format!("/v1/conversations/{group}/archive"), &()).await.expect(200);
    assert!(stored(&services[0]).await.contains("SECRET 69"));
    house.clock.advance(Duration::from_mins(1));
    eventually_true(DEADLINE, async || !stored(&services[0]).await.contains("SECRET")).await;
    assert_eq!(deletions(&whole_log(&anns, group).await), 70, "one each, though two sweep");
    let is_swept =
        async || services[0].store.scan(expiries(), Scan::of(Index::ID, Key::new(), 1)).await.unwrap();
    eventually_true(DEADLINE, async || is_swept().await.items.is_empty()).await;
}

fn expiries() -> &'static tertulia_documents::Collection {
    COLLECTIONS.iter().find(|collection| collection.name == "expiries").unwrap()
}

#[tokio::test]
async fn a_process_that_dies_anywhere_between_leaves_nothing_to_be_seen() {
    let house = House::open().await;
    let (dying, other) = (unswept(&house).await, unswept(&house).await);
    let (ann, ben) = (house.user(), house.user());
    let (anns, bens) = (house.client(&dying, ann), house.client(&other, ben));
    let group = make_group(&anns, &[ben]).await;
    set(&anns, group, 60).await;
    // It dies after the entry, before anybody wrote down that the message is to disappear.
    dying.store.break_commits();
    let message = house.post(&anns, group, "SECRET").await;
    house.clock.advance(Duration::from_mins(1));
    // It dies after the deletion, before anything was erased: then nothing is shown.
    anns.get(&format!("/v1/conversations/{group}/messages")).await.expect(503);
    let shown: Messages = bens.get(&format!("/v1/conversations/{group}/messages")).await.expect(200).read();
    assert!(shown.items[0].deleted_at.is_some() && shown.items[0].id == message.id, "{shown:?}");
    dying.store.mend();
    assert_eq!(deletions(&whole_log(&anns, group).await), 1);
    assert!(!stored(&other).await.contains("SECRET"));
}

#[tokio::test]
async fn who_sets_it_and_to_what() {
    let house = House::open().await;
    let service = house.service().await;
    let (ann, ben) = (house.user(), house.user());
    let (anns, bens) = (house.client(&service, ann), house.client(&service, ben));
    let group = make_group(&anns, &[ben]).await;
    let direct = make(&anns, json!({"kind": "direct", "members": [ben]})).await.id;
    let wish = json!({"disappear_after_s": 60});
    let path = |id: ConversationId| format!("/v1/conversations/{id}");
    assert_eq!(reason(&bens.patch(&path(group), &wish).await.expect(403).json()), "role_lacks_it");
    for client in [&anns, &bens] {
        set(client, direct, 3_600).await;
        set(client, direct, 0).await;
    }
    let more = json!({"disappear_after_s": 60, "title": "Us"});
    bens.patch(&path(direct), &more).await.expect(403);
    for seconds in [60, 31_536_000, 0] {
        set(&anns, group, seconds).await;
    }
    for seconds in [json!(1), json!(59), json!(31_536_001), json!(-1)] {
        let refused = anns.patch(&path(group), &json!({"disappear_after_s": seconds})).await.expect(422);
        assert_eq!(refused.wrong_fields(), ["disappear_after_s"], "{seconds}");
    }
    let before = whole_log(&anns, group).await.len();
    set(&anns, group, 0).await;
    assert_eq!(whole_log(&anns, group).await.len(), before, "what is so already makes no entry");
}
