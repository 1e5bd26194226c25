//! What can be set of a conversation, archives, and the bounds of both.

use serde_json::{Value, json};
use tertulia_contracts::{
    ConversationId,
    messaging::{Conversation, Fact, MAX_GROUP_MEMBERS, Visibility},
};
use tertulia_documents::{Documents, Draft, Write};
use tertulia_messaging::COLLECTIONS;

use crate::harness::{House, Instance, make, make_group, message_path, reason, whole_log};

#[tokio::test]
async fn settings_change_together_and_the_log_names_what_changed_alone() {
    let house = House::open().await;
    let service = house.service().await;
    let ann = house.client(&service, house.user());
    let id = make(&ann, json!({"kind": "channel", "title": "News", "visibility": "public"})).await.id;
    let path = format!("/v1/conversations/{id}");
    let wish = json!({"title": "News", "description": "Daily.", "tags": ["Rust", "rust", "Café"]});
    for _ in 0..2 {
        let seen: Conversation = ann.patch(&path, &wish).await.expect(200).read();
        assert_eq!((seen.title.as_deref(), seen.description.as_deref()), (Some("News"), Some("Daily.")));
        assert_eq!((seen.tags, seen.head_seq), (vec!["rust".to_owned(), "café".to_owned()], 3));
    }
    let fact = serde_json::to_value(whole_log(&ann, id).await.pop().unwrap().e).unwrap();
    let named: Vec<&str> = fact.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(named, ["at", "by", "description", "tags", "type"]);
    let wish = json!({"description": "", "tags": [], "visibility": "paid"});
    let seen: Conversation = ann.patch(&path, &wish).await.expect(200).read();
    assert_eq!((seen.description, seen.tags.len(), seen.visibility), (None, 0, Visibility::Paid));
    let seen: Conversation = ann.patch(&path, &json!({})).await.expect(200).read();
    assert_eq!(seen.head_seq, 4, "a change of nothing is none");
}

#[tokio::test]
async fn every_bound_of_the_settings_holds_at_it_and_one_past_it() {
    let house = House::open().await;
    let service = house.service().await;
    let (ann, ben) = (house.client(&service, house.user()), house.user());
    let path = format!("/v1/conversations/{}", make_group(&ann, &[]).await);
    let tags = |count: usize| (0..count).map(|number| format!("t{number}")).collect::<Vec<_>>();
    for (wish, status) in [
        (json!({"description": "x".repeat(1_000)}), 200),
        (json!({"description": "x".repeat(1_001)}), 422),
        (json!({"description": "Two\nlines"}), 200),
        (json!({"description": " "}), 422),
        (json!({"description": "\u{7}"}), 422),
        (json!({"tags": tags(10)}), 200),
        (json!({"tags": tags(11)}), 422),
        (json!({"tags": ["x".repeat(32)]}), 200),
        (json!({"tags": ["x".repeat(33)]}), 422),
        (json!({"tags": ["two words"]}), 422),
        (json!({"tags": [""]}), 422),
        (json!({"visibility": "private"}), 200),
        (json!({"visibility": "public"}), 422),
        (json!({"visibility": "paid"}), 422),
    ] {
        ann.patch(&path, &wish).await.expect(status);
    }
    let refused = ann.patch(&path, &json!({"tags": ["fine", "not fine"]})).await.expect(422);
    assert_eq!(refused.wrong_fields(), ["tags[1]"]);
    let direct = make(&ann, json!({"kind": "direct", "members": [ben]})).await.id;
    let refused = ann.patch(&format!("/v1/conversations/{direct}"), &json!({"visibility": "public"})).await;
    assert_eq!(reason(&refused.expect(403).read()), "kind_forbids");
}

#[tokio::test]
async fn a_channel_that_becomes_private_is_gone_for_strangers_at_every_process() {
    let house = House::open().await;
    let (one, other) = (house.service().await, house.service().await);
    let (ann, ben) = (house.user(), house.user());
    let (anns, bens) = (house.client(&one, ann), house.client(&other, ben));
    let id = make(&anns, json!({"kind": "channel", "title": "News", "visibility": "public"})).await.id;
    let path = format!("/v1/conversations/{id}");
    house.post(&anns, id, "Hello, world").await;
    let join = format!("{path}/members/{ben}");
    // The other service's writer remembers the channel as a public one.
    bens.put(&join, &()).await.expect(200);
    bens.delete(&join).await.expect(204);

    anns.patch(&path, &json!({"visibility": "private"})).await.expect(200);
    bens.put(&join, &()).await.expect(404);
    for rest in ["", "/log", "/messages"] {
        bens.get(&format!("{path}{rest}")).await.expect(404);
    }
    anns.patch(&path, &json!({"visibility": "public"})).await.expect(200);
    assert_eq!(whole_log(&bens, id).await.len(), 7, "its whole history is there for everybody again");
    bens.put(&join, &()).await.expect(200);
}

#[tokio::test]
async fn an_archived_conversation_is_read_and_left_and_not_written_in() {
    let house = House::open().await;
    let (one, other) = (house.service().await, house.service().await);
    let (ann, ben, cid) = (house.user(), house.user(), house.user());
    let (anns, bens) = (house.client(&one, ann), house.client(&other, ben));
    let group = make_group(&anns, &[ben]).await;
    let path = format!("/v1/conversations/{group}");
    let said = house.post(&bens, group, "Before").await;
    assert_eq!(reason(&bens.put(&format!("{path}/archive"), &()).await.expect(403).read()), "role_lacks_it");
    for _ in 0..2 {
        let seen: Conversation = anns.put(&format!("{path}/archive"), &()).await.expect(200).read();
        assert!(seen.archived_at.is_some() && seen.head_seq == 5);
    }
    // The other service's writer remembers it as open.
    let post = json!({"client_id": house.client_id(), "body": "After"});
    for refused in [
        bens.post(&format!("{path}/messages"), &post).await,
        bens.patch(&message_path(&said), &json!({"body": "Other"})).await,
        anns.put(&format!("{path}/members/{cid}"), &()).await,
        anns.patch(&path, &json!({"title": "Other"})).await,
        anns.post(&format!("{path}/invitations"), &json!({})).await,
    ] {
        assert_eq!(reason(&refused.expect(403).read()), "archived");
    }
    bens.get(&format!("{path}/log")).await.expect(200);
    bens.delete(&message_path(&said)).await.expect(204);
    bens.delete(&format!("{path}/members/{ben}")).await.expect(204);
    let seen: Conversation = anns.delete(&format!("{path}/archive")).await.expect(200).read();
    assert_eq!((seen.archived_at, seen.head_seq, seen.member_count), (None, 8, Some(1)));
    anns.delete(&format!("{path}/archive")).await.expect(200);
    house.post(&anns, group, "Open again").await;
    let log = whole_log(&anns, group).await;
    assert!(matches!(log[4].e, Fact::ConversationArchived { by, .. } if by == ann));
    assert!(matches!(log[7].e, Fact::ConversationUnarchived { by, .. } if by == ann));
    assert_eq!(log.len(), 9);
}

/// Lets a group count as having so many members.
async fn pretend(service: &Instance, group: ConversationId, members: u64) {
    let conversations = COLLECTIONS.iter().find(|collection| collection.name == "conversations").unwrap();
    let id = group.to_string();
    let stored = service.store.get(conversations, &id).await.unwrap().unwrap();
    let mut body: Value = serde_json::from_str(stored.body.get()).unwrap();
    body["members"] = members.into();
    let body = serde_json::value::to_raw_value(&body).unwrap();
    let draft = Draft { id, keys: Vec::new(), body };
    service.store.commit(conversations, Write::Replace(draft, stored.revision), Vec::new()).await.unwrap();
}

#[tokio::test]
async fn a_group_that_is_full_takes_nobody_until_somebody_leaves() {
    let house = House::open().await;
    let service = house.service().await;
    let ann = house.client(&service, house.user());
    let group = make_group(&ann, &[]).await;
    let path = format!("/v1/conversations/{group}");
    pretend(&service, group, MAX_GROUP_MEMBERS - 1).await;
    // Both ask at once for the one place there is.
    let (ben, cid) = (house.user(), house.user());
    let (ben_path, cid_path) = (format!("{path}/members/{ben}"), format!("{path}/members/{cid}"));
    let (bens, cids) = tokio::join!(ann.put(&ben_path, &()), ann.put(&cid_path, &()));
    let (inside, refused) = if bens.status == 200 { (&ben_path, cids) } else { (&cid_path, bens) };
    assert_eq!(refused.expect(409).code(), "group_full");
    ann.put(inside, &json!({"role": "moderator"})).await.expect(200);
    ann.delete(inside).await.expect(204);
    ann.put(&cid_path, &()).await.expect(200);
}
