//! What messages say besides words: entities, whom they call, and who may say what.

use serde_json::json;
use tertulia_contracts::{
    ConversationId, UserId,
    events::UserRegistered,
    messaging::{Conversation, EntityKind, MemberRole, Membership, Message, Posted},
};
use tertulia_runtime::{
    Event,
    testkit::{TestClient, TestResponse, eventually},
};

use crate::harness::{DEADLINE, House, handle_of, make, make_group, message_path, now, whole_log};

async fn place(client: &TestClient, conversation: ConversationId) -> Membership {
    let seen: Conversation =
        client.get(&format!("/v1/conversations/{conversation}")).await.expect(200).read();
    seen.membership.unwrap()
}

async fn mentions(client: &TestClient, conversation: ConversationId) -> u64 {
    place(client, conversation).await.mentions
}

async fn edit(client: &TestClient, message: &Message, body: &str) -> Message {
    client.patch(&message_path(message), &json!({"body": body})).await.expect(200).read()
}

async fn try_post(
    house: &House,
    client: &TestClient,
    conversation: ConversationId,
    body: &str,
) -> TestResponse {
    let post = json!({"client_id": house.client_id(), "body": body});
    client.post(&format!("/v1/conversations/{conversation}/messages"), &post).await
}

fn mentioned(message: &Message) -> Vec<UserId> {
    let users = message.entities.iter().filter_map(|entity| match entity.what {
        EntityKind::Mention { user_id } => Some(user_id),
        _ => None,
    });
    users.collect()
}

#[tokio::test]
async fn entities_are_committed_with_the_message_and_go_with_it() {
    let house = House::open().await;
    let service = house.service().await;
    let (ann, ben) = (house.user(), house.user());
    let anns = house.client(&service, ann);
    let group = make_group(&anns, &[ben]).await;
    let body = format!("👍 @{} `x` [y](https://example.org)", handle_of(ben));
    let message = house.post(&anns, group, &body).await;
    assert_eq!(
        serde_json::to_value(&message.entities).unwrap(),
        json!([
            {"kind": "emoji", "offset": 0, "length": 2},
            {"kind": "mention", "offset": 3, "length": 31, "user_id": ben},
            {"kind": "code", "offset": 35, "length": 3},
            {"kind": "link", "offset": 39, "length": 24, "url": "https://example.org"},
        ])
    );
    let plain = house.post(&anns, group, "Words").await;
    assert!(!serde_json::to_string(&plain).unwrap().contains("entities"), "words alone cost nothing");

    let edited = edit(&anns, &message, "```rust\n@everyone\n```").await;
    let block = EntityKind::CodeBlock { language: Some("rust".to_owned()) };
    assert_eq!(edited.entities.iter().map(|entity| &entity.what).collect::<Vec<_>>(), [&block]);
    assert_eq!(now(&anns, &message).await, edited);
    anns.delete(&message_path(&message)).await.expect(204);
    assert_eq!(now(&anns, &message).await.entities, []);
    let log = serde_json::to_string(&whole_log(&anns, group).await).unwrap();
    assert!(!log.contains("entities") && !log.contains("example.org"), "{log}");
}

#[tokio::test]
async fn a_post_that_is_sent_again_is_the_first_whoever_is_known_by_now() {
    let house = House::open().await;
    let service = house.service().await;
    let (ann, ben) = (house.user(), house.user());
    let anns = house.client(&service, ann);
    let group = make_group(&anns, &[]).await;
    let path = format!("/v1/conversations/{group}/messages");
    let post = json!({"client_id": house.client_id(), "body": format!("@{}", handle_of(ben))});
    let first: Posted = anns.post(&path, &post).await.expect(201).read();
    assert_eq!(first.message.entities, [], "who is not known is not mentioned");
    let registered = UserRegistered { user_id: ben, handle: handle_of(ben), display_name: "Ben".to_owned() };
    let event = Event::new(&house.ambient, "/auth", &registered);
    tertulia_bus::Bus::publish(&*house.bus, &[event]).await.unwrap();
    // Events arrive when they do: the next message that mentions him shows that this one did.
    let body = format!("Again @{}", handle_of(ben));
    eventually(DEADLINE, || async {
        let message = house.post(&anns, group, &body).await;
        (mentioned(&message) == [ben]).then_some(())
    })
    .await;
    assert_eq!(anns.post(&path, &post).await.expect(200).read::<Posted>(), first);
}

#[tokio::test]
async fn what_calls_a_member_is_counted_until_they_have_read_it() {
    let house = House::open().await;
    let (service, other) = (house.service().await, house.service().await);
    let [ann, ben, cid] = [(); 3].map(|()| house.user());
    let anns = house.client(&service, ann);
    let (bens, cids) = (house.client(&other, ben), house.client(&other, cid));
    let group = make_group(&anns, &[ben, cid]).await;
    let call = format!("Hello @{}.", handle_of(ben));
    let first = house.post(&anns, group, &call).await;
    house.post(&anns, group, "@everyone").await;
    house.post(&anns, group, &format!("{call} You @here?")).await;
    house.post(&anns, group, &format!("`{call}`")).await;
    assert_eq!((mentions(&bens, group).await, mentions(&cids, group).await), (3, 2));
    assert_eq!(mentions(&anns, group).await, 0, "nobody calls themselves");
    assert_eq!(place(&bens, group).await.unread, 4);

    let cursor = format!("/v1/conversations/{group}/cursor");
    let read: Membership = bens.put(&cursor, &json!({"seq": first.seq})).await.expect(200).read();
    assert_eq!((read.mentions, read.unread), (2, 3));
    bens.put(&cursor, &json!({"seq": first.seq + 3})).await.expect(200);
    assert_eq!(mentions(&bens, group).await, 0);
    // An edit that calls somebody is news to whoever has read the message; one that leaves the call is not.
    edit(&anns, &first, &format!("{call} Please.")).await;
    assert_eq!(mentions(&bens, group).await, 0);
    edit(&anns, &first, "Hello.").await;
    edit(&anns, &first, &call).await;
    assert_eq!(mentions(&bens, group).await, 1);
    assert_eq!(place(&bens, group).await.unread, 0, "an edit is not unread");
    anns.delete(&message_path(&first)).await.expect(204);
    assert_eq!(mentions(&bens, group).await, 0, "what is gone calls nobody");
    // Who answers has read.
    house.post(&anns, group, &call).await;
    house.post(&bens, group, "Yes?").await;
    assert_eq!(mentions(&bens, group).await, 0);
}

#[tokio::test]
async fn a_word_for_a_rank_calls_all_who_rank_as_high() {
    let house = House::open().await;
    let service = house.service().await;
    let [owner, admin, moderator, member] = [(); 4].map(|()| house.user());
    let clients = [owner, admin, moderator, member].map(|user| house.client(&service, user));
    let group = make_group(&clients[0], &[admin, moderator, member]).await;
    let path = format!("/v1/conversations/{group}/members");
    for (user, role) in [(admin, "admin"), (moderator, "moderator")] {
        clients[0].put(&format!("{path}/{user}"), &json!({"role": role})).await.expect(200);
    }
    let admins = house.post(&clients[1], group, "@admins").await;
    let what = EntityKind::MentionRole { role: MemberRole::Admin };
    assert_eq!(admins.entities.iter().map(|entity| &entity.what).collect::<Vec<_>>(), [&what]);
    house.post(&clients[1], group, "@moderators").await;
    for (client, expected) in clients.iter().zip([2, 0, 1, 0]) {
        assert_eq!(mentions(client, group).await, expected);
    }
}

#[tokio::test]
async fn calls_are_counted_to_a_hundred() {
    let house = House::open().await;
    let service = house.service().await;
    let (ann, ben) = (house.user(), house.user());
    let (anns, bens) = (house.client(&service, ann), house.client(&service, ben));
    let group = make_group(&anns, &[ben]).await;
    let call = format!("@{}", handle_of(ben));
    let posts = (0..99).map(|_| house.post(&anns, group, &call));
    futures_util::future::join_all(posts).await;
    assert_eq!(mentions(&bens, group).await, 99);
    for _ in 0..2 {
        house.post(&anns, group, &call).await;
        assert_eq!(mentions(&bens, group).await, 100);
    }
}

#[tokio::test]
async fn who_may_not_post_links_or_call_everyone_is_told_why() {
    let house = House::open().await;
    let service = house.service().await;
    let [owner, member, guest] = [(); 3].map(|()| house.user());
    let [owners, members, guests] = [owner, member, guest].map(|user| house.client(&service, user));
    let group = make_group(&owners, &[member, guest]).await;
    let direct = make(&owners, json!({"kind": "direct", "members": [member]})).await.id;
    let path = format!("/v1/conversations/{group}/members/{guest}");
    owners.put(&path, &json!({"role": "guest"})).await.expect(200);
    let refused = |answer: TestResponse| {
        let text = answer.expect(403).text();
        assert!(text.contains("not_allowed") && text.contains("(role_lacks_it)"), "{text}");
    };
    for body in ["https://example.org", "[x](http://example.org)", "<me@example.org>", "@everyone", "@admins"]
    {
        refused(try_post(&house, &guests, group, body).await);
    }
    try_post(&house, &members, group, "https://example.org").await.expect(201);
    refused(try_post(&house, &members, group, "All: @here").await);
    refused(try_post(&house, &members, group, "@moderators!").await);
    // What is code or escaped is neither.
    let harmless = "`https://example.org` \\@everyone";
    let message: Posted = try_post(&house, &guests, group, harmless).await.expect(201).read();
    for body in ["Now https://example.org", "Now @everyone"] {
        refused(guests.patch(&message_path(&message.message), &json!({"body": body})).await);
    }
    try_post(&house, &owners, group, "@everyone").await.expect(201);
    // Where nobody may call everyone, nobody is called.
    let between: Posted = try_post(&house, &members, direct, "He wrote @everyone").await.expect(201).read();
    assert_eq!(between.message.entities, []);
    assert_eq!(mentions(&owners, direct).await, 0);
}

#[tokio::test]
async fn calls_that_were_written_but_not_noted_are_noted_by_whoever_reads() {
    let house = House::open().await;
    let (dying, other) = (house.service().await, house.service().await);
    let (ann, ben) = (house.user(), house.user());
    let (anns, bens) = (house.client(&dying, ann), house.client(&other, ben));
    let group = make_group(&anns, &[ben]).await;
    let call = format!("@{}", handle_of(ben));
    dying.store.break_commits();
    let message = house.post(&anns, group, &call).await;
    assert_eq!(mentions(&bens, group).await, 1);
    anns.delete(&message_path(&message)).await.expect(503);
    assert_eq!(mentions(&bens, group).await, 0);
}
