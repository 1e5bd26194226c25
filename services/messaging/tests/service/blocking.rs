//! Who wants nothing to do with whom.

use serde_json::json;
use tertulia_contracts::{
    UserId,
    messaging::{Blocks, Conversation, MAX_BLOCKS, UserFact, UserLog},
};
use tertulia_runtime::testkit::TestClient;

use crate::harness::{House, make, make_group, message_path, reaction_path, whole_log};

fn path(user: UserId) -> String {
    format!("/v1/me/blocks/{user}")
}

async fn blocked(client: &TestClient) -> Vec<UserId> {
    let page: Blocks = client.get("/v1/me/blocks").await.expect(200).read();
    page.items.into_iter().map(|block| block.user_id).collect()
}

#[tokio::test]
async fn who_is_blocked_starts_nothing_with_who_blocks_nor_the_reverse() {
    let house = House::open().await;
    let service = house.service().await;
    let (ann, ben, cid) = (house.user(), house.user(), house.user());
    let (anns, bens) = (house.client(&service, ann), house.client(&service, ben));
    let (of_ann, of_ben) = (make_group(&anns, &[cid]).await, make_group(&bens, &[cid]).await);
    anns.put(&path(ben), &()).await.expect(200);
    anns.put(&path(ben), &()).await.expect(200);
    assert_eq!(blocked(&anns).await, [ben]);
    for (client, other, group) in [(&anns, ben, of_ann), (&bens, ann, of_ben)] {
        for wish in [
            json!({"kind": "direct", "members": [other]}),
            json!({"kind": "group", "title": "Us", "members": [cid, other]}),
        ] {
            let refused = client.post("/v1/conversations", &wish).await.expect(403);
            assert_eq!(refused.code(), "out_of_reach", "{wish}");
        }
        let member = format!("/v1/conversations/{group}/members/{other}");
        assert_eq!(client.put(&member, &()).await.expect(403).code(), "out_of_reach");
    }
    // Who may not add anybody is told that, and not what is between two people.
    let cids = house.client(&service, cid);
    let refused = cids.put(&format!("/v1/conversations/{of_ann}/members/{ben}"), &()).await.expect(403);
    assert_eq!(refused.code(), "not_allowed");
    // Ben is not told.
    let log: UserLog = bens.get("/v1/me/log").await.expect(200).read();
    assert!(log.items.iter().all(|entry| matches!(entry.e, UserFact::ConversationJoined { .. })), "{log:?}");
    assert!(blocked(&bens).await.is_empty());

    anns.delete(&path(ben)).await.expect(204);
    anns.delete(&path(ben)).await.expect(204);
    assert!(blocked(&anns).await.is_empty());
    make(&bens, json!({"kind": "direct", "members": [ann]})).await;
}

#[tokio::test]
async fn nothing_is_said_between_two_who_keep_apart_and_all_is_in_a_group() {
    let house = House::open().await;
    let (one, other) = (house.service().await, house.service().await);
    let (ann, ben) = (house.user(), house.user());
    let (anns, bens) = (house.client(&one, ann), house.client(&other, ben));
    let direct = make(&anns, json!({"kind": "direct", "members": [ben]})).await.id;
    let group = make_group(&anns, &[ben]).await;
    let (hers, his) = (house.post(&anns, direct, "Hello").await, house.post(&bens, direct, "Hi").await);
    anns.put(&path(ben), &()).await.expect(200);
    let before = whole_log(&anns, direct).await;
    for (client, own) in [(&anns, &hers), (&bens, &his)] {
        let post = json!({"client_id": house.client_id(), "body": "Listen"});
        let posts = format!("/v1/conversations/{direct}/messages");
        let refused = [
            client.post(&posts, &post).await,
            client.patch(&message_path(own), &json!({"body": "Listen"})).await,
            client.put(&reaction_path(&hers, "👍"), &()).await,
            client.put(&format!("{}/pin", message_path(own)), &()).await,
        ];
        for refused in refused {
            assert_eq!(refused.expect(403).code(), "out_of_reach");
        }
        // What was said can still be read, and found again.
        let wish = json!({"kind": "direct", "members": [if own.id == hers.id { ben } else { ann }]});
        let found: Conversation = client.post("/v1/conversations", &wish).await.expect(200).read();
        assert_eq!(found.id, direct);
        house.post(client, group, "To all").await;
    }
    assert_eq!(whole_log(&bens, direct).await, before);
    // A stranger learns nothing of it, and what is one's own may be taken back.
    let strangers = house.client(&one, house.user());
    let post = json!({"client_id": house.client_id(), "body": "Who?"});
    let refused = strangers.post(&format!("/v1/conversations/{direct}/messages"), &post).await.expect(404);
    assert_eq!(refused.code(), "conversation_not_found");
    bens.delete(&message_path(&his)).await.expect(204);
    anns.delete(&path(ben)).await.expect(204);
    house.post(&bens, direct, "Again").await;
}

#[tokio::test]
async fn blocks_are_bounded_and_about_others_who_exist() {
    let house = House::open().await;
    let service = house.service().await;
    let ann = house.user();
    let anns = house.client(&service, ann);
    assert_eq!(anns.put(&path(ann), &()).await.expect(422).wrong_fields(), ["user_id"]);
    let nobody: UserId = house.ambient.ids.next();
    assert_eq!(anns.put(&path(nobody), &()).await.expect(422).wrong_fields(), ["user_id"]);
    anns.delete(&path(nobody)).await.expect(204);
    for _ in 0..MAX_BLOCKS {
        anns.put(&path(house.user()), &()).await.expect(200);
    }
    assert_eq!(anns.put(&path(house.user()), &()).await.expect(409).code(), "too_many_blocks");
    let first = blocked(&anns).await[0];
    anns.put(&path(first), &()).await.expect(200);
    anns.delete(&path(first)).await.expect(204);
    anns.put(&path(house.user()), &()).await.expect(200);
    let page: Blocks = anns.get("/v1/me/blocks?limit=200").await.expect(200).read();
    assert!(page.items.len() == 200 && page.next_cursor.is_some());
}
