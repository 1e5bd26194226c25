//! Custom roles that can be called by a word: whom it calls, who may say it, and whose word it is.

use http::StatusCode;
use serde_json::{Value, json};
use tertulia_contracts::{
    ConversationId, RoleId, UserId,
    events::UserRegistered,
    messaging::{Conversation, EntityKind, MAX_ENTITIES, MAX_MENTIONED, Message, Posted, Roles},
};
use tertulia_runtime::{
    Event,
    testkit::{TestClient, TestResponse, eventually},
};

use crate::harness::{DEADLINE, House, make_group, message_path, reason};

fn put(name: &str, mentionable: bool) -> Value {
    json!({"name": name, "mentionable": mentionable})
}

async fn mentions(client: &TestClient, group: ConversationId) -> u64 {
    let seen: Conversation = client.get(&format!("/v1/conversations/{group}")).await.expect(200).read();
    seen.membership.unwrap().mentions
}

async fn try_say(house: &House, client: &TestClient, group: ConversationId, body: &str) -> TestResponse {
    let post = json!({"client_id": house.client_id(), "body": body});
    client.post(&format!("/v1/conversations/{group}/messages"), &post).await
}

/// The roles that a message calls, and the words for them.
fn called(message: &Message) -> Vec<(RoleId, &str)> {
    let calls = message.entities.iter().filter_map(|entity| match entity.what {
        EntityKind::MentionCustomRole { role_id } => {
            let (from, length) = (entity.offset as usize, entity.length as usize);
            Some((role_id, &message.body[from..from + length]))
        }
        _ => None,
    });
    calls.collect()
}

#[tokio::test]
async fn a_word_calls_those_who_carry_the_role() {
    let house = House::open().await;
    let (one, other) = (house.service().await, house.service().await);
    let [ann, ben, cid] = [(); 3].map(|()| house.user());
    let [anns, cids] = [ann, cid].map(|user| house.client(&one, user));
    let bens = house.client(&other, ben);
    let group = make_group(&anns, &[ben, cid]).await;
    let path = format!("/v1/conversations/{group}");
    let role: RoleId = house.ambient.ids.next();
    let of_role = format!("{path}/roles/{role}");
    let carried = format!("{path}/members/{ben}/roles/{role}");
    anns.put(&of_role, &put("On Call", false)).await.expect(204);
    anns.put(&carried, &()).await.expect(204);
    let before = house.post(&anns, group, "@on-call").await;
    assert_eq!(before.entities, [], "nobody calls it yet");
    assert_eq!(house.post(&bens, group, "@on-call is just words").await.entities, []);

    anns.put(&of_role, &put("On Call", true)).await.expect(204);
    let roles: Roles = bens.get(&format!("{path}/roles")).await.expect(200).read();
    assert_eq!(roles.items[0].word.as_deref(), Some("on-call"));
    let message = house.post(&anns, group, "é @On-Call. `@on-call` \\@on-call").await;
    let entity = &serde_json::to_value(&message.entities).unwrap()[0];
    assert_eq!(
        *entity,
        json!({"kind": "mention_custom_role", "offset": 2, "length": 8, "role_id": role}),
        "less what ends the sentence"
    );
    assert_eq!(message.entities.len(), 2, "and code is code");
    assert_eq!((mentions(&bens, group).await, mentions(&cids, group).await), (1, 0));
    // Who says it needs what calling everybody needs; until then it is a refusal, not plain text.
    assert_eq!(reason(&try_say(&house, &cids, group, "@on-call").await.expect(403).read()), "role_lacks_it");
    let words = house.post(&cids, group, "Help").await;
    let edited = cids.patch(&message_path(&words), &json!({"body": "Help @on-call"})).await;
    assert_eq!(reason(&edited.expect(403).read()), "role_lacks_it");
    anns.put(&format!("{path}/members/{cid}/override"), &json!({"allow": ["mention_everyone"]}))
        .await
        .expect(204);
    let edited = cids.patch(&message_path(&words), &json!({"body": "Help @on-call"})).await;
    assert_eq!(called(&edited.expect(200).read()), [(role, "@on-call")]);
    assert_eq!(mentions(&bens, group).await, 2);
    // What a message called it calls, whatever the role is called by now; who carries it no longer is not called by it.
    anns.put(&of_role, &put("Night shift", true)).await.expect(204);
    assert_eq!(mentions(&bens, group).await, 2);
    assert_eq!(called(&house.post(&anns, group, "@on-call @night-shift").await), [(role, "@night-shift")]);
    assert_eq!(mentions(&bens, group).await, 3);
    anns.delete(&carried).await.expect(204);
    assert_eq!(mentions(&bens, group).await, 0);
    anns.delete(&of_role).await.expect(204);
    assert_eq!(house.post(&anns, group, "@night-shift").await.entities, []);
}

#[tokio::test]
async fn a_word_is_one_roles_and_makes_a_handle() {
    let house = House::open().await;
    let service = house.service().await;
    let ann = house.client(&service, house.user());
    let group = make_group(&ann, &[]).await;
    let elsewhere = make_group(&ann, &[]).await;
    let new = |group: ConversationId| {
        format!(
            "/v1/conversations/{group}/roles/{}",
            house.ambient.ids.next::<tertulia_contracts::ids::Role>()
        )
    };
    for name in ["Größe", "Everyone", "here", "Moderators", "X", &"x".repeat(33)] {
        let refused = ann.put(&new(group), &put(name, true)).await.expect(422);
        assert_eq!(refused.wrong_fields(), ["mentionable"], "{name}");
        ann.put(&new(group), &put(name, false)).await.expect(204);
    }
    let (first, second) = (new(group), new(group));
    ann.put(&first, &put("On Call", true)).await.expect(204);
    ann.put(&first, &put("on call", true)).await.expect(204);
    assert_eq!(ann.put(&second, &put("on-call", true)).await.expect(409).code(), "role_word_taken");
    ann.put(&second, &put("on-call", false)).await.expect(204);
    ann.put(&new(elsewhere), &put("on-call", true)).await.expect(204);
    // Once the first gives it up it is free, and of two that come at once one has it.
    ann.put(&first, &put("On Call", false)).await.expect(204);
    let word = put("on call", true);
    let (one, other) = tokio::join!(ann.put(&first, &word), ann.put(&second, &word));
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [StatusCode::NO_CONTENT, StatusCode::CONFLICT]);
}

#[tokio::test]
async fn a_conversations_own_words_come_first_and_a_message_holds_so_many() {
    let house = House::open().await;
    let service = house.service().await;
    let (ann, ben): (UserId, UserId) = (house.user(), house.user());
    let anns = house.client(&service, ann);
    let group = make_group(&anns, &[]).await;
    let registered =
        UserRegistered { user_id: ben, handle: "ops".to_owned(), display_name: "Ben".to_owned() };
    let event = Event::new(&house.ambient, "/auth", &registered);
    tertulia_bus::Bus::publish(&*house.bus, &[event]).await.unwrap();
    eventually(DEADLINE, || async {
        let message = house.post(&anns, group, "@ops").await;
        let ben_called = EntityKind::Mention { user_id: ben };
        message.entities.iter().any(|entity| entity.what == ben_called).then_some(())
    })
    .await;
    let role: RoleId = house.ambient.ids.next();
    anns.put(&format!("/v1/conversations/{group}/roles/{role}"), &put("Ops", true)).await.expect(204);
    let message = house.post(&anns, group, "@ops").await;
    assert_eq!((called(&message), message.entities.len()), (vec![(role, "@ops")], 1));
    // Calls are kept when there is too much, and further names than so many are words.
    let crowded = house.post(&anns, group, &format!("{} @ops", "👍".repeat(MAX_ENTITIES))).await;
    assert_eq!((crowded.entities.len(), crowded.entities.last().unwrap().length), (MAX_ENTITIES, 4));
    let names =
        |count: usize| (0..count).map(|number| format!("@name{number}")).collect::<Vec<_>>().join(" ");
    let last = house.post(&anns, group, &format!("{} @ops", names(MAX_MENTIONED - 1))).await;
    assert_eq!(called(&last), [(role, "@ops")]);
    let beyond = house.post(&anns, group, &format!("{} @ops", names(MAX_MENTIONED))).await;
    assert_eq!(beyond.entities, []);
    // Nobody is called by what is passed on.
    let passed = json!({
        "client_id": house.client_id(),
        "forward": {"conversation_id": group, "message_id": message.id},
    });
    let copy = anns.post(&format!("/v1/conversations/{group}/messages"), &passed).await.expect(201);
    assert_eq!(copy.read::<Posted>().message.entities, []);
}
