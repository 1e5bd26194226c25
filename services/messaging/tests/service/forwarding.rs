//! Passing messages on: a copy, with a name, and no more of where it comes from than everybody may know.

use serde_json::{Value, json};
use tertulia_contracts::{
    ConversationId,
    messaging::{Conversation, EntityKind, Forwarded, Message, Posted},
};
use tertulia_runtime::testkit::{TestClient, TestResponse};

use crate::harness::{House, handle_of, make, make_group, message_path, now, reason};

fn forward(house: &House, message: &Message) -> Value {
    let from = json!({"conversation_id": message.conversation_id, "message_id": message.id});
    json!({"client_id": house.client_id(), "forward": from})
}

async fn send(client: &TestClient, to: ConversationId, post: &Value) -> TestResponse {
    client.post(&format!("/v1/conversations/{to}/messages"), post).await
}

#[tokio::test]
async fn a_copy_says_whose_words_it_is_and_stays_when_the_original_changes_or_goes() {
    let house = House::open().await;
    let service = house.service().await;
    let (ann, ben, cem) = (house.user(), house.user(), house.user());
    let [anns, bens, cems] = [ann, ben, cem].map(|user| house.client(&service, user));
    let (private, other) = (make_group(&anns, &[ben]).await, make_group(&bens, &[cem]).await);
    let place = json!({"kind": "location", "latitude": 1, "longitude": 2});
    let body = format!("First @{} @everyone https://example.org/ 👍", handle_of(cem));
    let post = json!({"client_id": house.client_id(), "body": "Zero", "attachments": [place]});
    let original = send(&anns, private, &post).await.expect(201).read::<Posted>().message;
    anns.patch(&message_path(&original), &json!({"body": body})).await.expect(200);
    house.clock.advance(std::time::Duration::from_secs(5));

    let wish = forward(&house, &original);
    let copy = send(&bens, other, &wish).await.expect(201).read::<Posted>().message;
    // As it is now, attachments too; by whoever passes it on; and of a private place nothing but the name is told.
    assert_eq!((copy.author_id, &copy.body, &copy.attachments), (ben, &body, &original.attachments));
    let from = Forwarded { author_id: ann, conversation_id: None, message_id: None, at: original.created_at };
    assert_eq!(copy.forwarded.as_deref(), Some(&from));
    let text = send(&bens, other, &wish).await.expect(200).text();
    assert!(!text.contains(&private.to_string()) && !text.contains(&original.id.to_string()), "{text}");
    // Whoever was called there is not called here.
    let kinds: Vec<&EntityKind> = copy.entities.iter().map(|entity| &entity.what).collect();
    assert!(matches!(kinds[..], [EntityKind::Link { .. }, EntityKind::Emoji { .. }]), "{kinds:?}");
    let seen: Conversation = cems.get(&format!("/v1/conversations/{other}")).await.expect(200).read();
    assert_eq!(seen.membership.unwrap().mentions, 0);
    // Passed on again it is still the words of whoever said them.
    let third = make_group(&cems, &[]).await;
    let again = send(&cems, third, &forward(&house, &copy)).await.expect(201).read::<Posted>().message;
    assert_eq!((again.author_id, again.forwarded.as_deref()), (cem, Some(&from)));

    anns.delete(&message_path(&original)).await.expect(204);
    assert_eq!(now(&cems, &copy).await, copy, "the copy is whoever's who made it");
    // A repeat is one although there is nothing left to pass on.
    assert_eq!(send(&bens, other, &wish).await.expect(200).read::<Posted>().message, copy);
    let elsewise = json!({"client_id": wish["client_id"], "forward":
        {"conversation_id": other, "message_id": copy.id}});
    assert_eq!(send(&bens, other, &elsewise).await.expect(409).code(), "client_id_reused");
    let words = json!({"client_id": wish["client_id"], "body": body});
    assert_eq!(send(&bens, other, &words).await.expect(409).code(), "client_id_reused");
    let refused = send(&bens, other, &forward(&house, &original)).await.expect(422);
    assert_eq!(refused.wrong_fields(), ["forward"]);
    // A copy is deleted like anything else.
    bens.delete(&message_path(&copy)).await.expect(204);
    let left = now(&cems, &copy).await;
    assert_eq!((left.body.as_str(), left.forwarded.is_some(), left.attachments.len()), ("", false, 0));
    assert_eq!(send(&bens, other, &wish).await.expect(200).read::<Posted>().message, left);
}

#[tokio::test]
async fn a_public_channel_is_named_and_what_one_cannot_read_is_not_there() {
    let house = House::open().await;
    let service = house.service().await;
    let (ann, ben) = (house.user(), house.user());
    let (anns, bens) = (house.client(&service, ann), house.client(&service, ben));
    let news = make(&anns, json!({"kind": "channel", "title": "News", "visibility": "public"})).await.id;
    let paid = make(&anns, json!({"kind": "channel", "title": "Paid", "visibility": "paid"})).await.id;
    let hidden = make_group(&anns, &[]).await;
    let mine = make_group(&bens, &[]).await;
    let said = house.post(&anns, news, "Extra").await;
    let copy = send(&bens, mine, &forward(&house, &said)).await.expect(201).read::<Posted>().message;
    let from = copy.forwarded.unwrap();
    assert_eq!((from.conversation_id, from.message_id, from.author_id), (Some(news), Some(said.id), ann));

    let secret = house.post(&anns, hidden, "SECRET").await;
    let mut absent = secret.clone();
    absent.id = house.ambient.ids.next();
    let mut nowhere = secret.clone();
    nowhere.conversation_id = house.ambient.ids.next();
    let answers = [&secret, &absent, &nowhere, &house.post(&anns, paid, "SECRET").await];
    for unreadable in answers {
        let refused = send(&bens, mine, &forward(&house, unreadable)).await.expect(422);
        assert_eq!(refused.wrong_fields(), ["forward"], "{}", refused.text());
        assert!(refused.text().contains("that you can read"), "{}", refused.text());
    }
    // Where one may not post, one learns nothing of what can be passed on.
    let refused = send(&bens, hidden, &forward(&house, &said)).await.expect(404);
    assert_eq!(refused.code(), "conversation_not_found");
    send(&bens, news, &forward(&house, &said)).await.expect(403);
    // What holds here of links holds for what is passed on.
    let linked = house.post(&anns, news, "https://example.org/").await;
    let group = make_group(&anns, &[ben]).await;
    let note = json!({"deny": ["post_links"]});
    anns.put(&format!("/v1/conversations/{group}/members/{ben}/override"), &note).await.expect(204);
    let refused = send(&bens, group, &forward(&house, &linked)).await.expect(403);
    assert_eq!(reason(&refused.json()), "member_denied");
}

#[tokio::test]
async fn nothing_is_added_to_the_words_of_others() {
    let house = House::open().await;
    let service = house.service().await;
    let ann = house.client(&service, house.user());
    let group = make_group(&ann, &[]).await;
    let said = house.post(&ann, group, "Said").await;
    let place = json!({"kind": "location", "latitude": 1, "longitude": 2});
    for (field, value) in
        [("body", json!("More")), ("attachments", json!([place])), ("reply_to", json!(said.id))]
    {
        let mut wish = forward(&house, &said);
        wish[field] = value;
        assert_eq!(send(&ann, group, &wish).await.expect(422).wrong_fields(), ["forward"], "{field}");
    }
    // Nobody is called anew who is called in what they wrote themselves, either; silence can be asked for.
    let mut wish = forward(&house, &said);
    wish["silent"] = json!(true);
    assert!(send(&ann, group, &wish).await.expect(201).read::<Posted>().message.silent);
}
