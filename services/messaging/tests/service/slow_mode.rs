//! Slow mode: who waits between two messages, and who does not.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tertulia_contracts::{
    ConversationId,
    messaging::{Conversation, Fact, MAX_SLOW_MODE_S, Message, ScheduledMessages},
};
use tertulia_messaging::model::settings::Settings;
use tertulia_runtime::testkit::{TestClient, TestResponse, eventually_true};

use crate::{
    harness::{DEADLINE, House, make, make_group, message_path, reason, whole_log},
    replay::{Asked, Dice},
};

/// In a random run, what is archived or slowed is opened again before long, or nothing would happen in it any more.
pub(crate) fn opening_deed(dice: &mut Dice, path: &str, boss: usize, settings: &Settings) -> Option<Asked> {
    if settings.archived_at.is_some() && dice.roll(5) == 0 {
        return Some((boss, Method::DELETE, format!("{path}/archive"), Value::Null));
    }
    let quickens = settings.slow_mode_s.is_some() && dice.roll(5) == 0;
    quickens.then(|| (boss, Method::PATCH, path.to_owned(), json!({"slow_mode_s": 0})))
}

async fn send(client: &TestClient, to: ConversationId, post: &Value) -> TestResponse {
    client.post(&format!("/v1/conversations/{to}/messages"), post).await
}

async fn say(house: &House, client: &TestClient, to: ConversationId) -> TestResponse {
    send(client, to, &json!({"client_id": house.client_id(), "body": "Hello"})).await
}

async fn slow(client: &TestClient, conversation: ConversationId, seconds: u32) -> TestResponse {
    client.patch(&format!("/v1/conversations/{conversation}"), &json!({"slow_mode_s": seconds})).await
}

/// That it is refused, and after how many seconds it would not be.
fn wait_s(answer: TestResponse) -> String {
    let refused = answer.expect(429);
    assert_eq!(refused.code(), "slow_mode");
    refused.headers["retry-after"].to_str().unwrap().to_owned()
}

async fn posted(client: &TestClient, conversation: ConversationId) -> Vec<Message> {
    let log = whole_log(client, conversation).await.into_iter();
    log.filter_map(|entry| match entry.e {
        Fact::MessagePosted { message } => Some(message),
        _ => None,
    })
    .collect()
}

#[tokio::test]
async fn in_slow_mode_a_member_posts_once_in_so_many_seconds_whichever_service_they_ask() {
    let house = House::open().await;
    let (one, other) = (house.service().await, house.service().await);
    let (ann, ben, cid) = (house.user(), house.user(), house.user());
    let (anns, bens) = (house.client(&one, ann), house.client(&one, ben));
    let group = make_group(&anns, &[ben, cid]).await;
    // What was posted before counts.
    let first = house.post(&bens, group, "Early").await;
    let set: Conversation = slow(&anns, group, 10).await.expect(200).read();
    assert_eq!(set.slow_mode_s, Some(10));
    assert_eq!(wait_s(say(&house, &bens, group).await), "10");
    house.clock.advance(Duration::from_millis(9_999));
    // A message that is deleted was posted all the same, and nothing but posting has to wait.
    bens.patch(&message_path(&first), &json!({"body": "Earlier"})).await.expect(200);
    bens.delete(&message_path(&first)).await.expect(204);
    for service in [&one, &other] {
        assert_eq!(wait_s(say(&house, &house.client(service, ben), group).await), "1");
    }
    house.post(&house.client(&other, cid), group, "Each waits for themselves").await;
    house.clock.advance(Duration::from_millis(1));
    let post = json!({"client_id": house.client_id(), "body": "Now"});
    let taken: Value = send(&bens, group, &post).await.expect(201).json();
    for service in [&one, &other] {
        let bens = house.client(service, ben);
        assert_eq!(wait_s(say(&house, &bens, group).await), "10");
        // What was taken is answered as a repeat, and nobody waits for that.
        assert_eq!(send(&bens, group, &post).await.expect(200).json(), taken);
    }
    // Whoever keeps order does not wait, nor whoever was told so by name; what is wrong is wrong at once.
    house.post(&anns, group, "One").await;
    house.post(&anns, group, "Two").await;
    let mine = json!({"allow": ["skip_slow_mode"], "deny": []});
    anns.put(&format!("/v1/conversations/{group}/members/{ben}/override"), &mine).await.expect(204);
    house.post(&bens, group, "Three").await;
    let cids = house.client(&one, cid);
    let elsewhere = house.post(&anns, make_group(&anns, &[]).await, "Elsewhere").await;
    let wrong = json!({"client_id": house.client_id(), "body": "A", "reply_to": elsewhere.id});
    assert_eq!(send(&cids, group, &wrong).await.expect(422).wrong_fields(), ["reply_to"]);
    assert_eq!(wait_s(say(&house, &cids, group).await), "10");
    // It ends.
    let set: Conversation = slow(&anns, group, 0).await.expect(200).read();
    assert_eq!(set.slow_mode_s, None);
    house.post(&cids, group, "Four").await;
    house.post(&cids, group, "Five").await;
}

#[tokio::test]
async fn of_posts_that_come_at_once_one_is_taken() {
    let house = House::open().await;
    let (one, other) = (house.service().await, house.service().await);
    let (ann, ben) = (house.user(), house.user());
    let anns = house.client(&one, ann);
    let group = make_group(&anns, &[ben]).await;
    slow(&anns, group, 60).await.expect(200);
    let bens = [&one, &other].map(|service| house.client(service, ben));
    let posts = (0..12).map(|number| {
        let post = json!({"client_id": house.client_id(), "body": format!("Number {number}")});
        let client = &bens[number % 2];
        async move {
            // Each of them twice, as a client does that lost patience.
            let statuses = futures_util::join!(send(client, group, &post), send(client, group, &post));
            [statuses.0, statuses.1].map(|answer| answer.status.as_u16())
        }
    });
    let statuses = futures_util::future::join_all(posts).await;
    let mut taken = statuses.iter().filter(|of_one| **of_one != [429, 429]);
    let mut both = *taken.next().expect("one is taken");
    both.sort_unstable();
    assert_eq!((both, taken.next()), ([200, 201], None), "{statuses:?}");
    assert_eq!(posted(&anns, group).await.len(), 1);
}

#[tokio::test]
async fn what_is_scheduled_waits_its_turn() {
    let house = House::open().await;
    let service = house.service().await;
    let (ann, ben) = (house.user(), house.user());
    let (anns, bens) = (house.client(&service, ann), house.client(&service, ben));
    let group = make_group(&anns, &[ben]).await;
    slow(&anns, group, 30).await.expect(200);
    let send_at = house.ambient.now().plus(Duration::from_secs(10));
    for body in ["One", "Two"] {
        let message = json!({"client_id": house.client_id(), "body": body});
        let request = json!({"message": message, "send_at": send_at});
        bens.post(&format!("/v1/conversations/{group}/scheduled"), &request).await.expect(201);
    }
    let left =
        async || bens.get("/v1/me/scheduled").await.expect(200).read::<ScheduledMessages>().items.len();
    house.clock.advance(Duration::from_secs(10));
    eventually_true(DEADLINE, async || left().await == 1).await;
    assert_eq!(posted(&bens, group).await.len(), 1);
    // By a second at a time: it waits from the moment at which it was refused, and that may still be to come.
    eventually_true(DEADLINE, async || {
        house.clock.advance(Duration::from_secs(1));
        left().await == 0
    })
    .await;
    let times: Vec<_> = posted(&bens, group).await.into_iter().map(|message| message.created_at).collect();
    assert!(times[1].since(times[0]) >= Duration::from_secs(30), "{times:?}");
}

#[tokio::test]
async fn slow_mode_is_set_within_its_bounds_by_whoever_may_and_told_once() {
    let house = House::open().await;
    let service = house.service().await;
    let (ann, ben) = (house.user(), house.user());
    let (anns, bens) = (house.client(&service, ann), house.client(&service, ben));
    let group = make_group(&anns, &[ben]).await;
    assert_eq!(reason(&slow(&bens, group, 1).await.expect(403).read()), "role_lacks_it");
    assert_eq!(slow(&anns, group, MAX_SLOW_MODE_S + 1).await.expect(422).wrong_fields(), ["slow_mode_s"]);
    let before = whole_log(&anns, group).await.len();
    slow(&anns, group, 0).await.expect(200);
    for _ in 0..2 {
        slow(&anns, group, MAX_SLOW_MODE_S).await.expect(200);
    }
    let log = whole_log(&bens, group).await;
    assert_eq!(log.len(), before + 1, "what is so already is told to nobody");
    let fact = serde_json::to_value(&log[before].e).unwrap();
    assert_eq!((&fact["type"], &fact["slow_mode_s"]), (&json!("conversation.updated"), &json!(21_600)));
    let direct = make(&anns, json!({"kind": "direct", "members": [ben]})).await.id;
    assert_eq!(reason(&slow(&anns, direct, 1).await.expect(403).read()), "kind_forbids");
}
