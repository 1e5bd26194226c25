//! Pages of messages, and how much of them is unread.

use serde_json::json;
use tertulia_contracts::{
    ConversationId,
    messaging::{Conversation, Conversations, Log, Membership, Messages},
};
use tertulia_runtime::testkit::TestClient;

use crate::harness::{House, make_group};

async fn page(client: &TestClient, group: ConversationId, query: &str) -> (Vec<String>, Option<String>) {
    let path = format!("/v1/conversations/{group}/messages?{query}");
    let page: Messages = client.get(&path).await.expect(200).read();
    (page.items.into_iter().map(|message| message.body).collect(), page.next_cursor)
}

#[tokio::test]
async fn messages_are_paged_from_either_end_past_what_is_no_message() {
    let house = House::open().await;
    let service = house.service().await;
    let (ann, ben) = (house.user(), house.user());
    let anns = house.client(&service, ann);
    let group = make_group(&anns, &[]).await;
    let member = format!("/v1/conversations/{group}/members/{ben}");
    for index in 1..=5 {
        house.post(&anns, group, &index.to_string()).await;
        anns.put(&member, &()).await.expect(200);
        anns.delete(&member).await.expect(204);
    }
    // Seqs: 1 and 2 are the founding, then a message, a coming and a going, five times: 3, 6, 9, 12, 15.
    assert_eq!(
        page(&anns, group, "limit=200").await,
        (vec!["1".into(), "2".into(), "3".into(), "4".into(), "5".into()], None)
    );

    let (newest, cursor) = page(&anns, group, "limit=2").await;
    assert_eq!(newest, ["4", "5"]);
    let (older, cursor) = page(&anns, group, &format!("limit=2&cursor={}", cursor.unwrap())).await;
    assert_eq!(older, ["2", "3"]);
    let (oldest, cursor) = page(&anns, group, &format!("limit=2&cursor={}", cursor.unwrap())).await;
    assert_eq!((oldest, cursor), (vec!["1".to_owned()], None));

    let (first, cursor) = page(&anns, group, "after_seq=0&limit=3").await;
    assert_eq!(first, ["1", "2", "3"]);
    let (rest, cursor) = page(&anns, group, &format!("limit=3&cursor={}", cursor.unwrap())).await;
    assert_eq!((rest, cursor), (vec!["4".to_owned(), "5".to_owned()], None));

    assert_eq!(page(&anns, group, "before_seq=6").await.0, ["1"]);
    assert_eq!(page(&anns, group, "after_seq=12").await.0, ["5"]);
    assert_eq!(page(&anns, group, "after_seq=18446744073709551615").await.0, [""; 0]);
    assert_eq!(page(&anns, group, "before_seq=0").await.0, [""; 0]);
}

#[tokio::test]
async fn the_log_is_read_from_any_position() {
    let house = House::open().await;
    let service = house.service().await;
    let anns = house.client(&service, house.user());
    let group = make_group(&anns, &[]).await;
    for index in 0..5 {
        house.post(&anns, group, &index.to_string()).await;
    }
    let log = async |query: &str| -> (Vec<u64>, u64) {
        let path = format!("/v1/conversations/{group}/log?{query}");
        let log: Log = anns.get(&path).await.expect(200).read();
        (log.items.into_iter().map(|entry| entry.seq).collect(), log.head_seq)
    };
    assert_eq!(log("").await, ((1..=7).collect(), 7));
    assert_eq!(log("after_seq=3&limit=2").await, (vec![4, 5], 7));
    assert_eq!(log("after_seq=7").await, (vec![], 7));
    assert_eq!(log("after_seq=18446744073709551615").await, (vec![], 7));
}

#[tokio::test]
async fn unread_is_what_others_said_behind_the_cursor() {
    let house = House::open().await;
    let service = house.service().await;
    let (ann, ben) = (house.user(), house.user());
    let (anns, bens) = (house.client(&service, ann), house.client(&service, ben));
    let group = make_group(&anns, &[ben]).await;
    let path = format!("/v1/conversations/{group}");
    let unread = async |client: &TestClient| {
        let seen: Conversation = client.get(&path).await.expect(200).read();
        let listed: Conversations = client.get("/v1/conversations").await.expect(200).read();
        let place = seen.membership.unwrap();
        assert_eq!(listed.items[0].membership.as_ref(), Some(&place));
        place.unread
    };
    let cursor = async |client: &TestClient, seq: u64| -> (u64, u64) {
        let place: Membership =
            client.put(&format!("{path}/cursor"), &json!({"seq": seq})).await.expect(200).read();
        (place.cursor_seq, place.unread)
    };

    for _ in 0..3 {
        house.post(&anns, group, "Hello").await;
    }
    // Seqs 4, 5 and 6 are the messages.
    assert_eq!((unread(&anns).await, unread(&bens).await), (0, 3));
    assert_eq!(cursor(&bens, 5).await, (5, 1));
    assert_eq!(cursor(&bens, 4).await, (5, 1), "it never moves back");
    assert_eq!(cursor(&bens, 0).await, (5, 1));
    assert_eq!(cursor(&bens, u64::MAX).await, (6, 0), "it stops at the head");
    house.post(&bens, group, "Hi").await;
    assert_eq!((unread(&anns).await, unread(&bens).await), (1, 0), "who answers has read");
    house.post(&anns, group, "Fine?").await;
    assert_eq!((unread(&anns).await, unread(&bens).await), (0, 1));
    anns.patch(&path, &json!({"title": "Renamed"})).await.expect(200);
    assert_eq!((unread(&anns).await, unread(&bens).await), (0, 1), "only messages are unread");
}
