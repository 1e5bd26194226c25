//! Messages that are posted later: once, at their time, or not at all and said so.

use std::time::Duration;

use serde_json::{Value, json};
use tertulia_contracts::{
    ConversationId,
    messaging::{
        Fact, MAX_SCHEDULE_AHEAD, MAX_SCHEDULED, Message, Posted, ScheduledMessage, ScheduledMessages,
        UserFact, UserLog,
    },
};
use tertulia_runtime::testkit::{TestClient, eventually, eventually_true};
use ulid::Ulid;

use crate::harness::{DEADLINE, House, make_group, whole_log};

/// How long what is scheduled waits: shorter than a token is good for.
const WAIT: Duration = Duration::from_mins(2);

fn path(conversation: ConversationId) -> String {
    format!("/v1/conversations/{conversation}/scheduled")
}

fn request(house: &House, client_id: Ulid, body: &str, ahead: Duration) -> Value {
    let send_at = house.ambient.now().plus(ahead);
    json!({"message": {"client_id": client_id, "body": body}, "send_at": send_at})
}

/// Schedules something, and expects it to be new.
async fn schedule(house: &House, client: &TestClient, place: ConversationId, body: &str) -> Ulid {
    let name = house.client_id();
    client.post(&path(place), &request(house, name, body, WAIT)).await.expect(201);
    name
}

async fn waiting(client: &TestClient) -> Vec<ScheduledMessage> {
    client.get("/v1/me/scheduled").await.expect(200).read::<ScheduledMessages>().items
}

async fn posted(client: &TestClient, conversation: ConversationId) -> Vec<Message> {
    let log = whole_log(client, conversation).await;
    let messages = log.into_iter().filter_map(|entry| match entry.e {
        Fact::MessagePosted { message } => Some(message),
        _ => None,
    });
    messages.collect()
}

async fn nothing_waits(client: &TestClient) {
    eventually_true(DEADLINE, async || waiting(client).await.is_empty()).await;
}

#[tokio::test]
async fn a_message_is_posted_when_its_time_has_come_and_not_before() {
    let house = House::open().await;
    let (one, _other) = (house.service().await, house.service().await);
    let (ann, ben) = (house.user(), house.user());
    let (anns, bens) = (house.client(&one, ann), house.client(&one, ben));
    let group = make_group(&anns, &[ben]).await;
    let mut wish = request(&house, house.client_id(), "Good *morning*", WAIT);
    wish["message"]["silent"] = json!(true);
    let first: ScheduledMessage = anns.post(&path(group), &wish).await.expect(201).read();
    assert_eq!((first.conversation_id, first.failure.is_none()), (group, true));
    let again: ScheduledMessage = anns.post(&path(group), &wish).await.expect(200).read();
    assert_eq!(again, first);
    wish["message"]["body"] = json!("Good night");
    assert_eq!(anns.post(&path(group), &wish).await.expect(409).code(), "client_id_reused");
    let soon = schedule(&house, &anns, group, "Soon").await;
    let listed: ScheduledMessages = anns.get(&path(group)).await.expect(200).read();
    assert_eq!(listed.items.len(), 2);
    // Nobody else sees what waits.
    assert!(bens.get(&path(group)).await.expect(200).read::<ScheduledMessages>().items.is_empty());
    assert!(waiting(&bens).await.is_empty());

    let sooner = json!({"send_at": house.ambient.now().plus(WAIT / 2), "body": "Sooner"});
    anns.patch(&format!("{}/{soon}", path(group)), &sooner).await.expect(200);
    house.clock.advance(WAIT / 2);
    eventually_true(DEADLINE, async || waiting(&anns).await.len() == 1).await;
    house.clock.advance(WAIT / 2);
    nothing_waits(&anns).await;
    let posted = posted(&bens, group).await;
    let said: Vec<_> = posted.iter().map(|it| (it.body.as_str(), it.author_id, it.silent)).collect();
    assert_eq!(said, [("Sooner", ann, false), ("Good *morning*", ann, true)]);
    assert_eq!(posted[1].created_at, house.ambient.now());
}

#[tokio::test]
async fn times_and_numbers_are_bounded() {
    let house = House::open().await;
    let service = house.service().await;
    let anns = house.client(&service, house.user());
    let group = make_group(&anns, &[]).await;
    let path = path(group);
    for ahead in [Duration::ZERO, MAX_SCHEDULE_AHEAD + Duration::from_millis(1)] {
        let refused = anns.post(&path, &request(&house, house.client_id(), "Never", ahead)).await;
        assert_eq!(refused.expect(422).wrong_fields(), ["send_at"]);
    }
    let blank = request(&house, house.client_id(), " ", WAIT);
    assert_eq!(anns.post(&path, &blank).await.expect(422).wrong_fields(), ["message.body"]);
    let mut lost = request(&house, house.client_id(), "Answer", WAIT);
    lost["message"]["reply_to"] = json!(house.ambient.ids.next::<tertulia_contracts::ids::Message>());
    assert_eq!(anns.post(&path, &lost).await.expect(422).wrong_fields(), ["reply_to"]);

    // Two more than there is room for, all at once.
    let wishes = (0..MAX_SCHEDULED + 2).map(|_| {
        let wish = request(&house, house.client_id(), "Later", MAX_SCHEDULE_AHEAD);
        let (anns, path) = (anns.clone(), path.clone());
        async move { anns.post(&path, &wish).await }
    });
    let answers = futures_util::future::join_all(wishes).await;
    let refused: Vec<_> = answers.into_iter().filter(|answer| answer.status == 409).collect();
    assert_eq!(refused.len(), 2);
    assert!(refused.iter().all(|answer| answer.code() == "too_many_scheduled"));
    let all = waiting(&anns).await;
    assert_eq!(all.len(), MAX_SCHEDULED);
    // Where one is called off there is room for another.
    let one = format!("{path}/{}", all[0].message.client_id);
    anns.delete(&one).await.expect(204);
    assert_eq!(anns.delete(&one).await.expect(404).code(), "scheduled_not_found");
    schedule(&house, &anns, group, "Another").await;
}

#[tokio::test]
async fn a_process_that_dies_after_posting_doubles_nothing() {
    let house = House::open().await;
    let (dying, ann) = (house.service().await, house.user());
    let anns = house.client(&dying, ann);
    let group = make_group(&anns, &[]).await;
    let name = schedule(&house, &anns, group, "Once").await;
    // It takes the message, and dies when it is posted and before it can say so.
    let gate = dying.store.gate.write().await;
    house.clock.advance(WAIT);
    let one = format!("{}/{name}", path(group));
    let refused = eventually(DEADLINE, || async {
        let answer = anns.patch(&one, &json!({"body": "Twice"})).await;
        (answer.status == 409).then_some(answer)
    })
    .await;
    assert_eq!(refused.code(), "scheduled_under_way");
    assert_eq!(anns.delete(&one).await.expect(409).code(), "scheduled_under_way");
    dying.store.break_commits();
    drop(gate);
    eventually_true(DEADLINE, async || posted(&anns, group).await.len() == 1).await;
    dying.supervisor.shutdown(DEADLINE).await;

    let other = house.service().await;
    let anns = house.client(&other, ann);
    assert_eq!(waiting(&anns).await.len(), 1, "nobody knows yet that it was posted");
    house.clock.advance(Duration::from_secs(31));
    nothing_waits(&anns).await;
    assert_eq!(posted(&anns, group).await.len(), 1);
}

#[tokio::test]
async fn what_is_refused_when_its_time_has_come_is_kept_and_its_author_is_told() {
    let house = House::open().await;
    let service = house.service().await;
    let (ann, ben) = (house.user(), house.user());
    let (anns, bens) = (house.client(&service, ann), house.client(&service, ben));
    let group = make_group(&anns, &[ben]).await;
    let member = format!("/v1/conversations/{group}/members/{ben}");
    let name = schedule(&house, &bens, group, "I am back").await;
    anns.delete(&member).await.expect(204);
    house.clock.advance(WAIT);

    let failed = eventually(DEADLINE, || async { waiting(&bens).await.pop()?.failure }).await;
    assert_eq!((failed.code.as_str(), failed.at), ("conversation_not_found", house.ambient.now()));
    let told = eventually(DEADLINE, || async {
        let log: UserLog = bens.get("/v1/me/log").await.expect(200).read();
        let told = log.items.into_iter().filter(|it| matches!(it.e, UserFact::ScheduledFailed { .. }));
        Some(told.collect::<Vec<_>>()).filter(|told| !told.is_empty())
    })
    .await;
    let code = "conversation_not_found".to_owned();
    let expected = UserFact::ScheduledFailed { conversation_id: group, client_id: name, code };
    assert_eq!(told.iter().map(|it| &it.e).collect::<Vec<_>>(), [&expected], "told once");
    // They may not even know of the group any more, but what they wrote is theirs.
    let listed: ScheduledMessages = bens.get(&path(group)).await.expect(200).read();
    assert_eq!(listed.items.len(), 1);

    anns.put(&member, &()).await.expect(200);
    let later = json!({"send_at": house.ambient.now().plus(WAIT)});
    let one = format!("{}/{name}", path(group));
    let waits: ScheduledMessage = bens.patch(&one, &later).await.expect(200).read();
    assert_eq!(waits.failure, None);
    house.clock.advance(WAIT);
    nothing_waits(&bens).await;
    assert_eq!(posted(&anns, group).await.len(), 1);
    bens.get(&path(group)).await.expect(200);
    anns.delete(&member).await.expect(204);
    assert_eq!(bens.get(&path(group)).await.expect(404).code(), "conversation_not_found");
}

#[tokio::test]
async fn a_message_that_nobody_could_post_for_more_than_a_day_is_not_posted() {
    let house = House::open().await;
    let (away, ann) = (house.service().await, house.user());
    let anns = house.client(&away, ann);
    let group = make_group(&anns, &[]).await;
    schedule(&house, &anns, group, "Happy new year").await;
    away.supervisor.shutdown(DEADLINE).await;
    house.clock.advance(Duration::from_hours(25));
    let anns = house.client(&house.service().await, ann);
    let failed = eventually(DEADLINE, || async { waiting(&anns).await.pop()?.failure }).await;
    assert_eq!(failed.code, "too_late");
    assert!(posted(&anns, group).await.is_empty());
}

#[tokio::test]
async fn a_message_can_be_posted_at_once_and_is_posted_once() {
    let house = House::open().await;
    let service = house.service().await;
    let (ann, ben) = (house.user(), house.user());
    let (anns, bens) = (house.client(&service, ann), house.client(&service, ben));
    let group = make_group(&anns, &[ben]).await;
    let name = schedule(&house, &bens, group, "Now, after all").await;
    let send = format!("{}/{name}/send", path(group));
    let first: Posted = bens.post(&send, &()).await.expect(200).read();
    let again: Posted = bens.post(&send, &()).await.expect(200).read();
    assert_eq!(again, first);
    assert!(waiting(&bens).await.is_empty());
    let again = bens.post(&path(group), &request(&house, name, "Now, after all", WAIT)).await;
    assert_eq!(again.expect(409).code(), "client_id_reused");

    // What is refused waits on as it did.
    let other = schedule(&house, &bens, group, "Wait").await;
    anns.delete(&format!("/v1/conversations/{group}/members/{ben}")).await.expect(204);
    let before = waiting(&bens).await;
    let refused = bens.post(&format!("{}/{other}/send", path(group)), &()).await;
    assert_eq!(refused.expect(404).code(), "conversation_not_found");
    assert_eq!(waiting(&bens).await, before);
    house.clock.advance(WAIT * 2);
    assert_eq!(posted(&anns, group).await, [first.message]);
}
