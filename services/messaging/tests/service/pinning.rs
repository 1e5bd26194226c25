//! Pins: a few messages kept at hand.

use serde_json::json;
use tertulia_contracts::{
    ConversationId,
    messaging::{Fact, Message, Pins},
};
use tertulia_runtime::testkit::TestClient;

use crate::harness::{House, make_group, message_path, whole_log};

async fn pinned(client: &TestClient, group: ConversationId) -> Vec<String> {
    let pins: Pins = client.get(&format!("/v1/conversations/{group}/pins")).await.expect(200).read();
    pins.items.into_iter().map(|pin| pin.message.body).collect()
}

fn pin(message: &Message) -> String {
    format!("{}/pin", message_path(message))
}

#[tokio::test]
async fn pins_are_listed_in_their_order_as_the_messages_are_now() {
    let house = House::open().await;
    let service = house.service().await;
    let ann = house.client(&service, house.user());
    let group = make_group(&ann, &[]).await;
    let (one, two) = (house.post(&ann, group, "One").await, house.post(&ann, group, "Two").await);
    for message in [&two, &one, &two] {
        ann.put(&pin(message), &()).await.expect(204);
    }
    assert_eq!(pinned(&ann, group).await, ["Two", "One"]);
    ann.patch(&message_path(&one), &json!({"body": "Edited"})).await.expect(200);
    assert_eq!(pinned(&ann, group).await, ["Two", "Edited"]);
    for _ in 0..2 {
        ann.delete(&pin(&two)).await.expect(204);
    }
    ann.put(&pin(&two), &()).await.expect(204);
    assert_eq!(pinned(&ann, group).await, ["Edited", "Two"]);
    ann.delete(&message_path(&one)).await.expect(204);
    assert_eq!(pinned(&ann, group).await, ["Two"], "what is deleted is unpinned");
    let log = whole_log(&ann, group).await;
    let pins = log.iter().filter(|entry| matches!(entry.e, Fact::MessagePinned { .. })).count();
    let unpins = log.iter().filter(|entry| matches!(entry.e, Fact::MessageUnpinned { .. })).count();
    assert_eq!((pins, unpins), (3, 1));
}

#[tokio::test]
async fn at_most_fifty_messages_are_pinned() {
    let house = House::open().await;
    let service = house.service().await;
    let ann = house.client(&service, house.user());
    let group = make_group(&ann, &[]).await;
    let posts = (0..51).map(|_| house.post(&ann, group, "Important"));
    let messages: Vec<Message> = futures_util::future::join_all(posts).await;
    let pins = messages.iter().map(|message| {
        let ann = ann.clone();
        async move { ann.put(&pin(message), &()).await }
    });
    let answers = futures_util::future::join_all(pins).await;
    let refused: Vec<_> = answers.into_iter().filter(|answer| answer.status == 409).collect();
    assert_eq!(refused.len(), 1, "fifty of fifty-one that come at once");
    assert_eq!(refused[0].code(), "too_many_pins");
    assert_eq!(pinned(&ann, group).await.len(), 50);
}
