//! Posting: once, in order, by whoever may.

use serde_json::json;
use tertulia_contracts::messaging::{Fact, Posted};

use crate::harness::{House, make, make_group, whole_log};

#[tokio::test]
async fn a_message_is_posted_once_however_often_it_is_sent() {
    let house = House::open().await;
    let service = house.service().await;
    let (ann, ben) = (house.user(), house.user());
    let (anns, bens) = (house.client(&service, ann), house.client(&service, ben));
    let group = make_group(&anns, &[ben]).await;
    let path = format!("/v1/conversations/{group}/messages");
    let post = json!({"client_id": house.client_id(), "body": "Hello *there*\n\tyou"});

    let first: Posted = anns.post(&path, &post).await.expect(201).read();
    let message = &first.message;
    assert_eq!((message.seq, message.author_id, message.body.as_str()), (4, ann, "Hello *there*\n\tyou"));
    let again: Posted = anns.post(&path, &post).await.expect(200).read();
    assert_eq!(again, first);

    let other = json!({"client_id": post["client_id"], "body": "Something else"});
    assert_eq!(anns.post(&path, &other).await.expect(409).code(), "client_id_reused");
    let answering = json!({"client_id": post["client_id"], "body": post["body"], "reply_to": message.id});
    assert_eq!(anns.post(&path, &answering).await.expect(409).code(), "client_id_reused");

    // The name is its author's: another may use the same.
    bens.post(&path, &post).await.expect(201);
    assert_eq!(whole_log(&anns, group).await.len(), 5);
}

#[tokio::test]
async fn the_same_client_id_may_be_used_in_another_conversation() {
    let house = House::open().await;
    let service = house.service().await;
    let ann = house.client(&service, house.user());
    let post = json!({"client_id": house.client_id(), "body": "Hello"});
    for _ in 0..2 {
        let group = make_group(&ann, &[]).await;
        ann.post(&format!("/v1/conversations/{group}/messages"), &post).await.expect(201);
    }
}

#[tokio::test]
async fn a_batch_of_repeats_and_conflicts_is_answered_one_by_one() {
    let house = House::open().await;
    let service = house.service().await;
    let ann = house.client(&service, house.user());
    let group = make_group(&ann, &[]).await;
    let path = format!("/v1/conversations/{group}/messages");
    let ids: Vec<_> = (0..10).map(|_| house.client_id()).collect();
    // Each name three times at once: twice with one body, once with another.
    let posts = ids
        .iter()
        .flat_map(|id| ["same", "same", "other"].map(|body| json!({"client_id": id, "body": body})));
    let answers = posts.map(|post| {
        let (ann, path) = (ann.clone(), path.clone());
        async move { ann.post(&path, &post).await.status.as_u16() }
    });
    let statuses = futures_util::future::join_all(answers).await;
    for of_one_name in statuses.chunks(3) {
        assert_eq!(of_one_name.iter().filter(|status| **status == 201).count(), 1, "{of_one_name:?}");
        assert!(of_one_name.contains(&409), "{of_one_name:?}");
    }
    let log = whole_log(&ann, group).await;
    assert_eq!(log.iter().filter(|entry| matches!(entry.e, Fact::MessagePosted { .. })).count(), ids.len());
}

#[tokio::test]
async fn only_the_owner_writes_in_a_channel() {
    let house = House::open().await;
    let service = house.service().await;
    let (owner, reader) = (house.user(), house.user());
    let (owners, readers) = (house.client(&service, owner), house.client(&service, reader));
    let request = json!({"kind": "channel", "title": "News", "handle": "news", "visibility": "public"});
    let channel = make(&owners, request).await.id;
    let path = format!("/v1/conversations/{channel}/messages");

    let refused = readers.post(&path, &json!({"client_id": house.client_id(), "body": "Hi"})).await;
    assert_eq!(refused.expect(403).code(), "not_allowed", "a stranger who may read");
    readers.put(&format!("/v1/conversations/{channel}/members/{reader}"), &()).await.expect(200);
    let refused = readers.post(&path, &json!({"client_id": house.client_id(), "body": "Hi"})).await;
    assert_eq!(refused.expect(403).code(), "not_allowed", "a subscriber");
    house.post(&owners, channel, "News!").await;
}

#[tokio::test]
async fn an_answer_names_a_message_of_the_same_conversation() {
    let house = House::open().await;
    let service = house.service().await;
    let ann = house.client(&service, house.user());
    let (one, other) = (make_group(&ann, &[]).await, make_group(&ann, &[]).await);
    let asked = house.post(&ann, one, "Who?").await;
    let answer = |client_id| json!({"client_id": client_id, "body": "Me", "reply_to": asked.id});

    let path = format!("/v1/conversations/{one}/messages");
    let posted: Posted = ann.post(&path, &answer(house.client_id())).await.expect(201).read();
    assert_eq!(posted.message.reply_to, Some(asked.id));
    let path = format!("/v1/conversations/{other}/messages");
    let refused = ann.post(&path, &answer(house.client_id())).await.expect(422);
    assert_eq!(refused.wrong_fields(), ["reply_to"]);
}
