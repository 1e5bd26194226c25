//! Messages that somebody keeps for later.

use serde_json::json;
use tertulia_contracts::{
    MessageId,
    messaging::{Message, Saved, SavedMessages, UserFact, UserLog},
};
use tertulia_runtime::testkit::TestClient;

use crate::harness::{House, make_group, message_path};

fn path(message: &Message) -> String {
    format!("{}/saved", message_path(message))
}

async fn kept(client: &TestClient, query: &str) -> SavedMessages {
    client.get(&format!("/v1/me/saved{query}")).await.expect(200).read()
}

async fn ids(client: &TestClient) -> Vec<MessageId> {
    kept(client, "").await.items.into_iter().map(|saved| saved.message_id).collect()
}

#[tokio::test]
async fn what_is_saved_is_listed_as_it_is_now_and_shows_nothing_that_is_gone() {
    let house = House::open().await;
    let service = house.service().await;
    let (ann, ben) = (house.user(), house.user());
    let (anns, bens) = (house.client(&service, ann), house.client(&service, ben));
    let (group, other) = (make_group(&anns, &[ben]).await, make_group(&anns, &[ben]).await);
    let edited = house.post(&anns, group, "Ann's").await;
    let deleted = house.post(&anns, group, "A secret").await;
    let lost = house.post(&anns, other, "Elsewhere").await;
    for message in [&edited, &deleted, &lost] {
        let saved: Saved = bens.put(&path(message), &json!({"note": "Why"})).await.expect(200).read();
        assert_eq!((saved.message.as_ref(), saved.note.as_deref()), (Some(message), Some("Why")));
    }
    assert_eq!(ids(&bens).await, [lost.id, deleted.id, edited.id], "the one saved last first");
    assert!(ids(&anns).await.is_empty(), "they are Ben's own");
    // Another note changes that and nothing else; without a body there is none.
    let again: Saved = bens.put(&path(&edited), &json!({"note": "Because"})).await.expect(200).read();
    assert_eq!(again.note.as_deref(), Some("Because"));
    assert_eq!(ids(&bens).await, [lost.id, deleted.id, edited.id]);

    anns.patch(&message_path(&edited), &json!({"body": "Anew"})).await.expect(200);
    anns.delete(&message_path(&deleted)).await.expect(204);
    anns.delete(&format!("/v1/conversations/{other}/members/{ben}")).await.expect(204);
    let items = kept(&bens, "").await.items;
    let bodies: Vec<Option<&str>> =
        items.iter().map(|saved| saved.message.as_ref().map(|message| message.body.as_str())).collect();
    assert_eq!(bodies, [None, None, Some("Anew")]);
    // What is gone can be let go of, and not be kept anew.
    assert_eq!(bens.put(&path(&deleted), &()).await.expect(404).code(), "message_not_found");
    assert_eq!(bens.put(&path(&lost), &()).await.expect(404).code(), "conversation_not_found");
    for message in [&deleted, &lost, &lost] {
        bens.delete(&path(message)).await.expect(204);
    }
    assert_eq!(ids(&bens).await, [edited.id]);
    let log: UserLog = bens.get("/v1/me/log").await.expect(200).read();
    let told = |fact: UserFact| log.items.iter().any(|entry| entry.e == fact);
    let (conversation_id, message_id) = (other, lost.id);
    assert!(told(UserFact::MessageUnsaved { conversation_id, message_id }));
    assert!(told(UserFact::MessageSaved { conversation_id: group, message_id: edited.id }));
}

#[tokio::test]
async fn saved_messages_are_paged_and_their_notes_bounded() {
    let house = House::open().await;
    let service = house.service().await;
    let anns = house.client(&service, house.user());
    let group = make_group(&anns, &[]).await;
    let mut messages = Vec::new();
    for _ in 0..5 {
        let message = house.post(&anns, group, "Hello").await;
        anns.put(&path(&message), &()).await.expect(200);
        messages.insert(0, message.id);
    }
    let first = kept(&anns, "?limit=3").await;
    let rest = kept(&anns, &format!("?limit=3&cursor={}", first.next_cursor.unwrap())).await;
    assert_eq!(rest.next_cursor, None);
    let listed: Vec<MessageId> =
        first.items.into_iter().chain(rest.items).map(|saved| saved.message_id).collect();
    assert_eq!(listed, messages);
    let message = house.post(&anns, group, "Hello").await;
    anns.put(&path(&message), &json!({"note": "é".repeat(500)})).await.expect(200);
    for note in [json!("é".repeat(501)), json!(" "), json!("a\u{7}"), json!(1)] {
        let refused = anns.put(&path(&message), &json!({"note": note})).await.expect(422);
        assert_eq!(refused.wrong_fields(), ["note"]);
    }
    let unknown: MessageId = house.ambient.ids.next();
    let elsewhere = format!("/v1/conversations/{group}/messages/{unknown}/saved");
    assert_eq!(anns.put(&elsewhere, &()).await.expect(404).code(), "message_not_found");
}
