//! A channel's switch for comments: who writes in its threads while it is off, and who reads on.

use futures_util::future::join_all;
use serde_json::{Value, json};
use tertulia_contracts::{
    ConversationId,
    messaging::{Comments, Conversation, Message, Posted},
};
use tertulia_runtime::testkit::{TestClient, TestResponse};

use crate::harness::{House, all_messages, make, make_group, message_path, reason, whole_log};

async fn switch(client: &TestClient, channel: ConversationId, comments: &str) -> TestResponse {
    client.patch(&format!("/v1/conversations/{channel}"), &json!({"comments": comments})).await
}

fn below(house: &House, root: &Message) -> Value {
    json!({"client_id": house.client_id(), "body": "A comment", "thread_id": root.id})
}

async fn comment(client: &TestClient, root: &Message, post: &Value) -> TestResponse {
    client.post(&format!("/v1/conversations/{}/messages", root.conversation_id), post).await
}

#[tokio::test]
async fn while_comments_are_off_only_who_may_post_writes_in_threads() {
    let house = House::open().await;
    let (one, other) = (house.service().await, house.service().await);
    let [ann, ben, cid] = [(); 3].map(|()| house.user());
    let anns = house.client(&one, ann);
    let [bens, cids] = [ben, cid].map(|user| house.client(&other, user));
    let channel = make(&anns, json!({"kind": "channel", "title": "News", "members": [ben, cid]})).await;
    assert_eq!(channel.comments, Some(Comments::On), "so it was before anybody could say");
    let (id, path) = (channel.id, format!("/v1/conversations/{}", channel.id));
    let root = house.post(&anns, id, "News").await;
    let post = below(&house, &root);
    let first: Posted = comment(&bens, &root, &post).await.expect(201).read();

    assert_eq!(reason(&switch(&bens, id, "off").await.expect(403).read()), "role_lacks_it");
    let before = whole_log(&anns, id).await.len();
    for _ in 0..2 {
        let seen: Conversation = switch(&anns, id, "off").await.expect(200).read();
        assert_eq!(seen.comments, Some(Comments::Off));
    }
    let log = whole_log(&bens, id).await;
    assert_eq!(log.len(), before + 1, "what is so already is told to nobody");
    let fact = serde_json::to_value(&log[before].e).unwrap();
    assert_eq!((&fact["type"], &fact["comments"]), (&json!("conversation.updated"), &json!("off")));

    // What was posted stands and is its author's still; nothing comes to it, at once or later.
    assert_eq!(comment(&bens, &root, &post).await.expect(200).read::<Posted>(), first);
    let refused = comment(&bens, &root, &below(&house, &root)).await.expect(403);
    assert_eq!(reason(&refused.read()), "role_lacks_it");
    let later = json!({"message": below(&house, &root), "send_at": "2026-06-01T00:00:00Z"});
    bens.post(&format!("{path}/scheduled"), &later).await.expect(403);
    bens.patch(&message_path(&first.message), &json!({"body": "Mine"})).await.expect(200);
    let thread = all_messages(&cids, &format!("{}/thread", message_path(&root))).await;
    assert_eq!(thread.iter().map(|message| message.body.as_str()).collect::<Vec<_>>(), ["Mine"]);
    // It is asked of the engine: who posts by their role, or by a note beside their name, comments.
    comment(&anns, &root, &below(&house, &root)).await.expect(201);
    anns.put(&format!("{path}/members/{cid}/override"), &json!({"allow": ["post"]})).await.expect(204);
    comment(&cids, &root, &below(&house, &root)).await.expect(201);
    let denied = json!({"allow": ["post"], "deny": ["comment"]});
    anns.put(&format!("{path}/members/{cid}/override"), &denied).await.expect(204);
    assert_eq!(
        reason(&comment(&cids, &root, &below(&house, &root)).await.expect(403).read()),
        "member_denied"
    );

    switch(&anns, id, "on").await.expect(200);
    comment(&bens, &root, &below(&house, &root)).await.expect(201);
    // In a group everybody may post: there is nothing to switch.
    let group = make_group(&anns, &[ben]).await;
    assert_eq!(switch(&anns, group, "off").await.expect(422).wrong_fields(), ["comments"]);
    let seen: Conversation = anns.get(&format!("/v1/conversations/{group}")).await.expect(200).read();
    assert_eq!(seen.comments, None);
    switch(&anns, id, "some").await.expect(422);
}

#[tokio::test]
async fn no_comment_stands_behind_the_switch_however_close_they_come() {
    let house = House::open().await;
    let service = house.service().await;
    let (ann, ben) = (house.user(), house.user());
    let (anns, bens) = (house.client(&service, ann), house.client(&service, ben));
    let id = make(&anns, json!({"kind": "channel", "title": "News", "members": [ben]})).await.id;
    let root = house.post(&anns, id, "News").await;
    // While a run is held back, all these come to be decided together.
    let gate = service.store.gate.write().await;
    let posts: Vec<Value> = (0..6).map(|_| below(&house, &root)).collect();
    let asked = async {
        let comments = posts.iter().map(|post| comment(&bens, &root, post));
        let switched = switch(&anns, id, "off");
        tokio::join!(join_all(comments), switched)
    };
    let opened = async {
        tokio::task::yield_now().await;
        drop(gate);
    };
    let ((comments, switched), ()) = tokio::join!(asked, opened);
    switched.expect(200);
    let log = whole_log(&anns, id).await;
    let facts: Vec<Value> = log.iter().map(|entry| serde_json::to_value(&entry.e).unwrap()).collect();
    let off = facts.iter().position(|fact| fact["comments"] == "off").unwrap();
    assert!(facts[off..].iter().all(|fact| fact["message"]["thread_id"].is_null()), "{facts:?}");
    let stands = facts.iter().filter(|fact| fact["message"]["thread_id"].is_string()).count();
    assert_eq!(comments.iter().filter(|answer| answer.status == 201).count(), stands);
}
