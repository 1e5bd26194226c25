//! Editing and deleting: kept in the log, shown in the message, gone when deleted.

use serde_json::json;
use tertulia_contracts::{
    events::{MessageDeleted, MessageEdited},
    messaging::{Conversation, Fact, Message, Posted, Versions},
};
use tertulia_runtime::{
    EventBody,
    testkit::{TestClient, eventually},
};

use crate::harness::{DEADLINE, House, make_group, message_path, now, reaction_path, whole_log};

async fn edit(client: &TestClient, message: &Message, body: &str) -> Message {
    client.patch(&message_path(message), &json!({"body": body})).await.expect(200).read()
}

async fn versions(client: &TestClient, message: &Message) -> Vec<(u64, String)> {
    let versions: Versions = client.get(&format!("{}/edits", message_path(message))).await.expect(200).read();
    versions.items.into_iter().map(|version| (version.seq, version.body)).collect()
}

#[tokio::test]
async fn an_edit_is_shown_kept_and_told_and_the_log_says_what_was_posted() {
    let house = House::open().await;
    let service = house.service().await;
    let (ann, ben) = (house.user(), house.user());
    let (anns, bens) = (house.client(&service, ann), house.client(&service, ben));
    let group = make_group(&anns, &[ben]).await;
    let message = house.post(&anns, group, "One").await;
    house.clock.advance(std::time::Duration::from_secs(5));
    let edited = edit(&anns, &message, "Two").await;
    let at = house.ambient.now();
    let expected =
        Message { body: "Two".to_owned(), edited_at: Some(at), changed_seq: Some(5), ..message.clone() };
    assert_eq!(edited, expected);
    assert_eq!(now(&bens, &message).await, expected);
    assert_eq!(edit(&anns, &message, "Two").await, expected, "the same body is no edit");
    edit(&anns, &message, "Three").await;

    let said = |body: &str| body.to_owned();
    assert_eq!(versions(&bens, &message).await, [(4, said("One")), (5, said("Two")), (6, said("Three"))]);
    let log = whole_log(&bens, group).await;
    assert_eq!(log.len(), 6);
    assert_eq!(log[3].e, Fact::MessagePosted { message: message.clone() });
    let fact = Fact::MessageEdited {
        message_id: message.id,
        message_seq: 4,
        body: said("Two"),
        entities: vec![],
        by: ann,
        at,
    };
    assert_eq!(log[4].e, fact);
    let seen: Conversation = bens.get(&format!("/v1/conversations/{group}")).await.expect(200).read();
    assert_eq!(seen.membership.unwrap().unread, 1, "an edit is not unread");
    let event = eventually(DEADLINE, || async {
        service.bus.published().into_iter().find(|event| event.kind == MessageEdited::TYPE)
    })
    .await;
    let event: MessageEdited = event.body().unwrap();
    assert_eq!((event.message_id, event.seq, event.by), (message.id, 5, ann));
}

#[tokio::test]
async fn a_message_is_edited_at_most_a_hundred_times() {
    let house = House::open().await;
    let service = house.service().await;
    let ann = house.client(&service, house.user());
    let group = make_group(&ann, &[]).await;
    let message = house.post(&ann, group, "0").await;
    for number in 1..=100 {
        edit(&ann, &message, &number.to_string()).await;
    }
    let refused = ann.patch(&message_path(&message), &json!({"body": "101"})).await.expect(409);
    assert_eq!(refused.code(), "too_many_edits");
    assert_eq!(versions(&ann, &message).await.len(), 101);
    assert_eq!(now(&ann, &message).await.body, "100");
    // What it says already may be said again, and it may still be deleted, all of it.
    edit(&ann, &message, "100").await;
    ann.delete(&message_path(&message)).await.expect(204);
    assert_eq!(versions(&ann, &message).await, []);
    assert!(log_text(&ann, &message).await.contains("message.edited"));
    assert!(!log_text(&ann, &message).await.contains(r#""body":"7"#));
}

/// The whole log as it goes over the wire.
async fn log_text(client: &TestClient, message: &Message) -> String {
    let path = format!("/v1/conversations/{}/log?limit=200", message.conversation_id);
    client.get(&path).await.expect(200).text()
}

#[tokio::test]
async fn a_deleted_message_leaves_nothing_of_what_it_said() {
    let house = House::open().await;
    let (service, other) = (house.service().await, house.service().await);
    let (ann, ben) = (house.user(), house.user());
    let (anns, bens) = (house.client(&service, ann), house.client(&other, ben));
    let group = make_group(&anns, &[ben]).await;
    let path = format!("/v1/conversations/{group}/messages");
    let first = house.post(&bens, group, "First").await;
    let post = json!({"client_id": house.client_id(), "body": "SECRET one", "reply_to": first.id});
    let message = anns.post(&path, &post).await.expect(201).read::<Posted>().message;
    edit(&anns, &message, "SECRET two").await;
    edit(&anns, &message, "SECRET three").await;
    bens.put(&reaction_path(&message, "👍"), &()).await.expect(204);
    anns.put(&format!("{}/pin", message_path(&message)), &()).await.expect(204);
    assert!(log_text(&bens, &message).await.contains("SECRET"));

    house.clock.advance(std::time::Duration::from_mins(1));
    for client in [&anns, &anns] {
        client.delete(&message_path(&message)).await.expect(204);
    }
    let left = now(&bens, &message).await;
    assert_eq!((left.body.as_str(), left.deleted_at), ("", Some(house.ambient.now())));
    assert_eq!((left.reply_to, left.reactions.len(), left.changed_seq), (Some(first.id), 0, Some(10)));
    assert_eq!(versions(&bens, &message).await, []);
    let log = whole_log(&bens, group).await;
    assert_eq!((log.len(), &log[4].e), (10, &Fact::MessagePosted { message: left.clone() }));
    for text in [
        log_text(&bens, &message).await,
        bens.get(&path).await.text(),
        bens.get(&format!("/v1/conversations/{group}/pins")).await.text(),
    ] {
        assert!(!text.contains("SECRET"), "{text}");
    }
    // Who sends it again because the first answer was lost gets the first result, as far as there is one.
    let again = anns.post(&path, &post).await.expect(200).read::<Posted>().message;
    assert_eq!(again, left);
    // Nothing is left to tell other words under its name from the first ones.
    let elsewise = json!({"client_id": post["client_id"], "body": "SECRET two", "reply_to": first.id});
    assert_eq!(anns.post(&path, &elsewise).await.expect(200).read::<Posted>().message, left);

    let seen: Conversation = anns.get(&format!("/v1/conversations/{group}")).await.expect(200).read();
    assert_eq!(seen.head_seq, 10);
    let event = eventually(DEADLINE, || async {
        service.bus.published().into_iter().find(|event| event.kind == MessageDeleted::TYPE)
    })
    .await;
    assert_eq!(event.body::<MessageDeleted>().unwrap().message_id, message.id);
}

#[tokio::test]
async fn nothing_more_is_done_with_a_deleted_message() {
    let house = House::open().await;
    let service = house.service().await;
    let ann = house.client(&service, house.user());
    let group = make_group(&ann, &[]).await;
    let message = house.post(&ann, group, "Gone").await;
    let path = message_path(&message);
    ann.delete(&path).await.expect(204);
    let refused = [
        ann.patch(&path, &json!({"body": "Back"})).await,
        ann.put(&reaction_path(&message, "👍"), &()).await,
        ann.put(&format!("{path}/pin"), &()).await,
    ];
    for answer in refused {
        assert_eq!(answer.expect(409).code(), "message_deleted");
    }
    // What is not there is not there.
    ann.delete(&reaction_path(&message, "👍")).await.expect(204);
    ann.delete(&format!("{path}/pin")).await.expect(204);
    assert_eq!(whole_log(&ann, group).await.len(), 4);
    // It can still be answered: its place is there.
    let answer = json!({"client_id": house.client_id(), "body": "What was it?", "reply_to": message.id});
    ann.post(&format!("/v1/conversations/{group}/messages"), &answer).await.expect(201);
}

#[tokio::test]
async fn alterations_that_were_written_but_not_applied_are_applied_by_whoever_reads() {
    let house = House::open().await;
    let (dying, other) = (house.service().await, house.service().await);
    let (ann, ben) = (house.user(), house.user());
    let (anns, bens) = (house.client(&dying, ann), house.client(&other, ben));
    let group = make_group(&anns, &[ben]).await;
    let message = house.post(&anns, group, "SECRET one").await;
    edit(&anns, &message, "SECRET two").await;

    // From here on entries are appended, but no document follows them: the process dies between the two.
    dying.store.break_commits();
    bens.put(&reaction_path(&message, "👍"), &()).await.expect(204);
    anns.put(&reaction_path(&message, "👍"), &()).await.expect(204);
    let shown = now(&bens, &message).await.reactions;
    assert_eq!((shown[0].count, shown[0].me), (2, true), "whoever reads applies what is not applied");
    // A deletion is not acknowledged before it is done.
    anns.delete(&message_path(&message)).await.expect(503);
    assert!(!log_text(&bens, &message).await.contains("SECRET"), "the reader applies it first");
    assert!(now(&bens, &message).await.deleted_at.is_some());
    assert_eq!(versions(&bens, &message).await, []);
    // Asked again after it came to, the dying one knows as well.
    dying.store.mend();
    anns.delete(&message_path(&message)).await.expect(204);
    assert_eq!(whole_log(&anns, group).await.len(), 8);
}

#[tokio::test]
async fn an_alteration_whose_answer_was_lost_is_made_once() {
    let house = House::open().await;
    let service = house.service().await;
    let ann = house.client(&service, house.user());
    let group = make_group(&ann, &[]).await;
    let message = house.post(&ann, group, "One").await;
    let path = message_path(&message);
    service.store.lose_answers();
    ann.patch(&path, &json!({"body": "Two"})).await.expect(503);
    service.store.mend();
    edit(&ann, &message, "Two").await;
    service.store.lose_answers();
    ann.put(&reaction_path(&message, "👍"), &()).await.expect(503);
    service.store.mend();
    ann.put(&reaction_path(&message, "👍"), &()).await.expect(204);
    service.store.lose_answers();
    ann.delete(&path).await.expect(503);
    service.store.mend();
    ann.delete(&path).await.expect(204);
    assert_eq!(whole_log(&ann, group).await.len(), 6, "the posting, and each of the three once");
}

#[tokio::test]
async fn edits_that_come_at_once_through_two_services_all_stand_and_the_last_one_shows() {
    let house = House::open().await;
    let (one, other) = (house.service().await, house.service().await);
    let ann = house.user();
    let clients = [house.client(&one, ann), house.client(&other, ann)];
    let group = make_group(&clients[0], &[]).await;
    let message = house.post(&clients[0], group, "0").await;
    let bodies: Vec<String> = (1..=60).map(|number| number.to_string()).collect();
    let edits = bodies.iter().enumerate().map(|(index, body)| edit(&clients[index % 2], &message, body));
    futures_util::future::join_all(edits).await;
    let log = whole_log(&clients[0], group).await;
    let said: Vec<String> = log
        .iter()
        .filter_map(|entry| match &entry.e {
            Fact::MessageEdited { body, .. } => Some(body.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(said.iter().collect::<std::collections::BTreeSet<_>>().len(), 60, "each edit is one entry");
    let shown = now(&clients[1], &message).await;
    assert_eq!((Some(&shown.body), shown.changed_seq), (said.last(), Some(log.len() as u64)));
    assert_eq!(versions(&clients[1], &message).await.len(), 61);
}
