//! Crashes and absences: what is acknowledged stays, what is half done is finished by whoever comes next.

use std::{collections::BTreeMap, time::Duration};

use futures_util::{StreamExt, stream::FuturesUnordered};
use serde_json::json;
use tertulia_bus::Bus;
use tertulia_contracts::{
    events::{MESSAGING, MemberJoined, MessagePosted, UserRegistered},
    messaging::{Conversation, Conversations, Fact, Members, UserLog},
};
use tertulia_documents::{Documents as _, Index, Key, Scan};
use tertulia_messaging::{COLLECTIONS, Config};
use tertulia_runtime::{Event, EventBody, testkit::eventually};

use crate::harness::{DEADLINE, House, Instance, make_group, whole_log};

/// The service's process dies: no goodbye, nothing is finished.
async fn kill(service: &Instance) {
    for collection in ["entries", "conversations", "members", "people", "checkpoints"] {
        service.store.break_writes(collection);
    }
    service.bus.go_away();
    service.supervisor.shutdown(DEADLINE).await;
}

fn posted(events: &[Event]) -> Vec<String> {
    let posts = events.iter().filter(|event| event.kind == MessagePosted::TYPE);
    posts.map(|event| event.body::<MessagePosted>().unwrap().message.body).collect()
}

async fn checkpoints(service: &Instance) -> Vec<String> {
    let collection = COLLECTIONS.iter().find(|collection| collection.name == "checkpoints").unwrap();
    let page = service.store.scan(collection, Scan::of(Index::ID, Key::new(), 10)).await.unwrap();
    page.items.into_iter().map(|found| found.body.get().to_owned()).collect()
}

#[tokio::test]
async fn a_change_that_was_not_applied_is_applied_by_whoever_reads() {
    let house = House::open().await;
    let (dying, other) = (house.service().await, house.service().await);
    let (ann, ben, cid) = (house.user(), house.user(), house.user());
    let anns = house.client(&dying, ann);
    let group = make_group(&anns, &[ben]).await;
    let path = format!("/v1/conversations/{group}");
    house.post(&anns, group, "Hello").await;

    // From here on entries are written but neither members nor titles.
    dying.store.break_writes("members");
    dying.store.break_writes("conversations");
    anns.put(&format!("{path}/members/{cid}"), &()).await.expect(503);
    anns.delete(&format!("{path}/members/{ben}")).await.expect(204);
    kill(&dying).await;

    house.client(&other, ben).get(&path).await.expect(404);
    let cids = house.client(&other, cid);
    let members: Members = cids.get(&format!("{path}/members")).await.expect(200).read();
    let ids: Vec<_> = members.items.iter().map(|member| member.user_id).collect();
    assert_eq!(ids, [ann, cid]);
    assert_eq!(whole_log(&cids, group).await.len(), 6);
}

#[tokio::test]
async fn a_conversation_whose_maker_dies_is_whole_or_not_there() {
    let house = House::open().await;
    let dying = house.service().await;
    let (ann, ben) = (house.user(), house.user());
    dying.store.break_writes("entries");
    let request = json!({"kind": "group", "title": "Half", "members": [ben]});
    house.client(&dying, ann).post("/v1/conversations", &request).await.expect(503);
    kill(&dying).await;

    // The next service to run finishes it; until then nobody sees it.
    let other = house.service().await;
    let bens = house.client(&other, ben);
    let listed = eventually(DEADLINE, || async {
        let listed: Conversations = bens.get("/v1/conversations").await.expect(200).read();
        listed.items.into_iter().next()
    })
    .await;
    assert_eq!((listed.title.as_deref(), listed.head_seq), (Some("Half"), 3));
    let facts = whole_log(&bens, listed.id).await;
    assert!(matches!(facts[0].e, Fact::ConversationCreated { .. }));
}

#[tokio::test]
async fn posting_goes_on_while_the_bus_is_away_and_all_is_published_when_it_is_back() {
    let house = House::open().await;
    let service = house.service().await;
    let anns = house.client(&service, house.user());
    let group = make_group(&anns, &[]).await;
    service.bus.go_away();
    let bodies: Vec<String> = (0..300).map(|index| index.to_string()).collect();
    for body in &bodies {
        house.post(&anns, group, body).await;
    }
    service.bus.come_back();
    eventually(DEADLINE, || async { (posted(&service.bus.published()).len() >= 300).then_some(()) }).await;
    assert_eq!(posted(&service.bus.published()), bodies, "in the order of the log, each once");
}

#[tokio::test]
async fn what_a_dead_process_left_unpublished_another_publishes_under_the_same_ids() {
    let house = House::open().await;
    let dying = house.service().await;
    let (ann, ben) = (house.user(), house.user());
    let anns = house.client(&dying, ann);
    let group = make_group(&anns, &[]).await;
    house.post(&anns, group, "Published").await;
    eventually(DEADLINE, || async { (posted(&dying.bus.published()).len() == 1).then_some(()) }).await;
    dying.bus.go_away();
    house.post(&anns, group, "Left behind").await;
    anns.put(&format!("/v1/conversations/{group}/members/{ben}"), &()).await.expect(200);
    kill(&dying).await;

    // The heir has to see the checkpoint stand still for as long as a lease.
    let heir = house.service_with(Config { relay_lease_ms: 100, ..Config::default() }).await;
    let bens = house.client(&heir, ben);
    let told = eventually(DEADLINE, || async {
        let log: UserLog = bens.get("/v1/me/log").await.expect(200).read();
        log.items.into_iter().next()
    })
    .await;
    assert_eq!(told.useq, 1);
    let inherited = heir.bus.published();
    assert!(posted(&inherited).contains(&"Left behind".to_owned()));
    assert!(inherited.iter().any(|event| event.kind == MemberJoined::TYPE));

    // What both have published has one id, and the heir's order is the log's.
    let first: BTreeMap<_, _> =
        dying.bus.published().iter().map(|event| (event.data.get().to_owned(), event.id)).collect();
    for event in &inherited {
        assert!(first.get(event.data.get()).is_none_or(|id| *id == event.id), "an event got another id");
    }
    assert!(posted(&inherited).is_sorted_by_key(|body| body != "Published"));
}

/// A live process that was taken for dead would lose its checkpoint, and what it wrote until it noticed would be
/// nobody's to publish, should it die just then.
#[tokio::test]
async fn a_clock_that_leaps_makes_nobody_dead() {
    let house = House::open().await;
    let (alive, other) = (house.service().await, house.service().await);
    let (anns, bens) = (house.client(&alive, house.user()), house.client(&other, house.user()));
    let (anns_group, bens_group) = (make_group(&anns, &[]).await, make_group(&bens, &[]).await);
    alive.bus.go_away();
    house.post(&anns, anns_group, "Mine to tell").await;
    for body in ["One", "Two", "Three"] {
        let before = checkpoints(&other).await;
        house.post(&bens, bens_group, body).await;
        // The other's relay has been round when its checkpoint moves; then it looks after the others.
        eventually(DEADLINE, || async { (checkpoints(&other).await != before).then_some(()) }).await;
        house.clock.advance(Duration::from_mins(2));
    }
    assert_eq!(posted(&other.bus.published()), ["One", "Two", "Three"]);
    alive.bus.come_back();
    eventually(DEADLINE, || async { (posted(&alive.bus.published()) == ["Mine to tell"]).then_some(()) })
        .await;
}

#[tokio::test]
async fn a_service_that_ends_in_order_leaves_nothing_behind() {
    let house = House::open().await;
    let service = house.service().await;
    let anns = house.client(&service, house.user());
    let group = make_group(&anns, &[]).await;
    for index in 0..20 {
        house.post(&anns, group, &index.to_string()).await;
    }
    assert!(service.supervisor.shutdown(DEADLINE).await.is_empty());
    assert_eq!(posted(&service.bus.published()).len(), 20);
    let late = json!({"client_id": house.client_id(), "body": "Too late"});
    let refused = anns.post(&format!("/v1/conversations/{group}/messages"), &late).await;
    assert_eq!(refused.expect(503).code(), "shutting_down");
}

#[tokio::test]
async fn a_post_that_failed_can_be_sent_again() {
    let house = House::open().await;
    let service = house.service().await;
    let anns = house.client(&service, house.user());
    let group = make_group(&anns, &[]).await;
    let path = format!("/v1/conversations/{group}/messages");
    let post = json!({"client_id": house.client_id(), "body": "Hello"});
    service.store.break_writes("entries");
    let refused = anns.post(&path, &post).await.expect(503);
    assert_eq!((refused.code().as_str(), refused.header("retry-after")), ("store_unavailable", Some("1")));
    service.store.mend();
    anns.post(&path, &post).await.expect(201);
    let seen: Conversation = anns.get(&format!("/v1/conversations/{group}")).await.expect(200).read();
    assert_eq!(seen.head_seq, 3);
}

#[tokio::test]
async fn an_append_whose_answer_was_lost_is_neither_doubled_nor_left_unpublished() {
    let house = House::open().await;
    let service = house.service().await;
    let ann = house.user();
    let anns = house.client(&service, ann);
    let group = make_group(&anns, &[]).await;
    let path = format!("/v1/conversations/{group}/messages");
    let post = json!({"client_id": house.client_id(), "body": "Hello"});
    service.store.lose_answers();
    anns.post(&path, &post).await.expect(503);
    service.store.mend();
    // It did stand in the log: sent again, it is a repeat.
    anns.post(&path, &post).await.expect(200);
    house.post(&anns, group, "Next").await;
    assert_eq!(whole_log(&anns, group).await.len(), 4);
    eventually(DEADLINE, || async {
        let bodies = posted(&service.bus.published());
        ["Hello", "Next"].iter().all(|body| bodies.contains(&(*body).to_owned())).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_conversation_that_cannot_keep_up_says_so() {
    let house = House::open().await;
    let service = house.service_with(Config { writer_queue: 2, ..Config::default() }).await;
    let anns = house.client(&service, house.user());
    let group = make_group(&anns, &[]).await;
    house.post(&anns, group, "Goes through").await;

    let closed = service.store.gate.write().await;
    let path = format!("/v1/conversations/{group}/messages");
    let mut posts: FuturesUnordered<_> = (0..12)
        .map(|_| {
            let (anns, path) = (anns.clone(), path.clone());
            let post = json!({"client_id": house.client_id(), "body": "Hello"});
            async move { anns.post(&path, &post).await }
        })
        .collect();
    // Nothing can be committed, so whoever is answered first is refused.
    let refused = posts.next().await.unwrap().expect(429);
    assert_eq!((refused.code().as_str(), refused.header("retry-after")), ("conversation_busy", Some("1")));
    drop(closed);
    let mut written = 0;
    while let Some(answer) = posts.next().await {
        assert!([201, 429].contains(&answer.status.as_u16()), "{}", answer.text());
        written += usize::from(answer.status == 201);
    }
    assert!(written >= 2, "what waited was written");
    assert_eq!(whole_log(&anns, group).await.len(), 3 + written);
}

#[tokio::test]
async fn who_registered_is_known_without_asking_auth() {
    let house = House::open().await;
    let service = house.service().await;
    let anns = house.client(&service, house.user());
    let group = make_group(&anns, &[]).await;
    // Auth, as far as the mesh goes, has never heard of this user.
    let user_id = house.ambient.ids.next();
    let member = format!("/v1/conversations/{group}/members/{user_id}");
    anns.put(&member, &()).await.expect(422);
    let registered = UserRegistered { user_id, handle: "dee".to_owned(), display_name: "Dee".to_owned() };
    let event = Event::new(&house.ambient, "/auth", &registered);
    let mut broken = Event::new(&house.ambient, "/auth", &registered);
    broken.data = serde_json::value::to_raw_value(&json!({"user_id": 7})).unwrap();
    house.bus.publish(&[broken, event.clone(), event]).await.unwrap();

    eventually(DEADLINE, || async { (anns.put(&member, &()).await.status == 200).then_some(()) }).await;
    // What cannot be read is set aside with its reason, and holds up nobody.
    let letters = eventually(DEADLINE, || async {
        let letters = house.bus.dead_letters(MESSAGING, 10).await.unwrap();
        (!letters.is_empty()).then_some(letters)
    })
    .await;
    assert_eq!((letters.len(), letters[0].attempts), (1, 1));
    assert!(letters[0].reason.contains("does not decode"), "{}", letters[0].reason);
}
