//! People whose accounts were erased: what they wrote is gone, what they owned is somebody's, and nothing of theirs is left.

use std::{collections::BTreeMap, time::Duration};

use serde_json::json;
use tertulia_bus::Bus as _;
use tertulia_contracts::{
    ConversationId, UserId,
    events::{UserForgotten, UserRegistered},
    messaging::{
        Conversation, Conversations, Draft, Entry, Fact, IssuedHook, MemberRole, Members, Message, Posted,
        Report, Saved, UserLog,
    },
};
use tertulia_messaging::Config;
use tertulia_runtime::{
    Event, EventBody as _,
    testkit::{TestClient, eventually, eventually_true},
};

use crate::harness::{
    DEADLINE, House, Instance, handle_of, make, make_group, message_path, now, reaction_path, stored,
    whole_log,
};

const SECOND_LOOK: Duration = Duration::from_mins(1);

/// What was told of somebody who is forgotten, each time it was.
fn told(house: &House, user: UserId) -> Vec<BTreeMap<String, u64>> {
    let told = house.bus.published().into_iter().filter(|event| event.kind == UserForgotten::TYPE);
    let told = told.map(|event| event.body::<UserForgotten>().unwrap());
    told.filter(|forgotten| forgotten.user_id == user).map(|forgotten| forgotten.removed).collect()
}

/// Waits until somebody was looked for once, and lets the time of the second look come.
async fn forgotten(house: &House, service: &Instance, user: UserId) -> BTreeMap<String, u64> {
    let looked = async || stored(service).await.contains(r#""looks":1"#);
    eventually_true(DEADLINE, looked).await;
    assert_eq!(told(house, user).len(), 0, "something may be left");
    house.clock.advance(SECOND_LOOK);
    let told = eventually(DEADLINE, async || told(house, user).into_iter().next());
    told.await
}

async fn conversation(client: &TestClient, id: ConversationId) -> Conversation {
    client.get(&format!("/v1/conversations/{id}")).await.expect(200).read()
}

async fn members(client: &TestClient, id: ConversationId) -> Vec<(UserId, MemberRole)> {
    let page: Members = client.get(&format!("/v1/conversations/{id}/members")).await.expect(200).read();
    page.items.into_iter().map(|member| (member.user_id, member.role)).collect()
}

fn deletions(log: &[Entry], of: UserId) -> usize {
    log.iter().filter(|entry| matches!(entry.e, Fact::MessageDeleted { by, .. } if by == of)).count()
}

async fn seat(client: &TestClient, id: ConversationId, user: UserId, role: &str) {
    client.put(&format!("/v1/conversations/{id}/members/{user}"), &json!({ "role": role })).await.expect(200);
}

/// Everything that somebody can leave behind, each with the word SECRET in it.
async fn live(
    house: &House,
    service: &Instance,
    ann: UserId,
    [ben, cid]: [UserId; 2],
) -> [ConversationId; 2] {
    let (anns, bens) = (house.client(service, ann), house.client(service, ben));
    let group = make_group(&anns, &[ben, cid]).await;
    let at = format!("/v1/conversations/{group}");
    seat(&anns, group, cid, "admin").await;
    let direct = make(&anns, json!({"kind": "direct", "members": [ben]})).await.id;
    house.post(&anns, direct, "SECRET to you").await;
    house.post(&bens, direct, "What Ben said").await;
    let said = house.post(&anns, group, "SECRET said").await;
    anns.patch(&message_path(&said), &json!({"body": format!("SECRET edit @{}", handle_of(ben))}))
        .await
        .expect(200);
    anns.put(&format!("{}/pin", message_path(&said)), &()).await.expect(204);
    bens.put(&format!("{}/saved", message_path(&said)), &json!({})).await.expect(200);
    let topic = house.post(&bens, group, "What do you think?").await;
    let comment = json!({"client_id": house.client_id(), "body": "SECRET thought", "thread_id": topic.id});
    anns.post(&format!("{at}/messages"), &comment).await.expect(201);
    let poll =
        json!({"client_id": house.client_id(), "poll": {"question": "SECRET?", "options": ["A", "B"]}});
    anns.post(&format!("{at}/messages"), &poll).await.expect(201);
    anns.put(&reaction_path(&topic, "👍"), &()).await.expect(204);
    anns.put(&format!("{at}/draft"), &json!({"body": "SECRET draft"}))
        .await
        .expect(200)
        .read::<Option<Draft>>();
    let report = json!({"message_id": topic.id, "category": "spam", "note": "SECRET note"});
    anns.post(&format!("{at}/reports"), &report).await.expect(201).read::<Report>();
    anns.post(&format!("{at}/hooks"), &json!({"name": "SECRET hook"})).await.expect(201).read::<IssuedHook>();
    let later = json!({"message": {"client_id": house.client_id(), "body": "SECRET later"},
        "send_at": house.ambient.now().plus(Duration::from_hours(1))});
    anns.post(&format!("{at}/scheduled"), &later).await.expect(201);
    anns.put("/v1/me/presence", &json!({"status": "away", "text": "SECRET place"})).await.expect(200);
    anns.put(&format!("/v1/me/blocks/{cid}"), &()).await.expect(200);
    let cids = house.client(service, cid);
    let paid = json!({"kind": "channel", "title": "Paid", "visibility": "paid"});
    let paid = make(&cids, paid).await.id;
    anns.post(&format!("/v1/conversations/{paid}/requests"), &json!({"note": "SECRET wish"}))
        .await
        .expect(201);
    let seen = json!({"seen": [[ann, house.ambient.now()]]});
    service.client.post("/internal/presence/seen", &seen).await.expect(204);
    [group, direct]
}

#[tokio::test]
async fn nothing_is_left_of_who_is_erased_and_the_others_go_on() {
    let house = House::open().await;
    let (one, other) = (house.service().await, house.service().await);
    let [ann, ben, cid] = [(); 3].map(|()| house.user());
    let [group, direct] = live(&house, &one, ann, [ben, cid]).await;
    let before = stored(&one).await;
    let traces = |text: &str| (text.matches("SECRET").count(), text.contains(&handle_of(ann)));
    assert!(traces(&before).0 >= 12, "{before}");

    house.erase(ann).await;
    let removed = forgotten(&house, &one, ann).await;
    let after = stored(&one).await;
    assert_eq!(traces(&after), (0, false), "{after}");
    let expected = [
        ("messages", 4),
        ("memberships", 1),
        ("handed_over", 1),
        ("scheduled_messages", 1),
        ("join_requests", 1),
        ("report_notes", 1),
        ("hooks", 1),
    ];
    for (what, number) in expected {
        assert_eq!(removed.get(what), Some(&number), "{what} of {removed:?}");
    }
    assert!(removed["private_things"] >= 4, "a draft, a status, a block, memberships: {removed:?}");

    let (bens, cids) = (house.client(&other, ben), house.client(&one, cid));
    assert_eq!(members(&bens, group).await, [(ben, MemberRole::Member), (cid, MemberRole::Owner)]);
    let log = whole_log(&cids, group).await;
    assert_eq!(deletions(&log, ann), 3);
    let said: Vec<String> = whole_log(&bens, direct)
        .await
        .into_iter()
        .filter_map(|entry| match entry.e {
            Fact::MessagePosted { message } => Some(message.body),
            _ => None,
        })
        .collect();
    assert_eq!(said, ["", "What Ben said"], "what others wrote stays");
    assert!(conversation(&bens, direct).await.membership.is_some());
    let saved = bens.get("/v1/me/saved").await.expect(200).json();
    let saved: Vec<Saved> = serde_json::from_value(saved["items"].clone()).unwrap();
    assert_eq!((saved.len(), &saved[0].message), (1, &None));
    let pins = bens.get(&format!("/v1/conversations/{group}/pins")).await.expect(200).json();
    assert!(!pins.to_string().contains("SECRET"), "{pins}");
    // Nobody gets to know them any more.
    let add = json!({"kind": "group", "title": "New", "members": [ann]});
    bens.post("/v1/conversations", &add).await.expect(422);
    assert_eq!(told(&house, ann).len(), 1, "once, though two processes looked");
}

#[tokio::test]
async fn what_comes_late_is_not_written_down() {
    let house = House::open().await;
    let service = house.service().await;
    let (ann, ben) = (house.user(), house.user());
    let (anns, bens) = (house.client(&service, ann), house.client(&service, ben));
    let group = make_group(&bens, &[ann]).await;
    house.post(&anns, group, "SECRET").await;
    house.erase(ann).await;
    forgotten(&house, &service, ann).await;
    let things = stored(&service).await;
    // An event that comes once more.
    let registered =
        UserRegistered { user_id: ann, handle: handle_of(ann), display_name: "SECRET".to_owned() };
    house.bus.publish(&[Event::new(&house.ambient, "/auth", &registered)]).await.unwrap();
    let zed = house.user();
    let registered = UserRegistered { user_id: zed, handle: handle_of(zed), display_name: String::new() };
    house.bus.publish(&[Event::new(&house.ambient, "/auth", &registered)]).await.unwrap();
    // Whose token was good until now: nothing of theirs begins again.
    anns.put("/v1/me/presence", &json!({"status": "away", "text": "SECRET"})).await.expect(200);
    let log: UserLog = anns.get("/v1/me/log").await.expect(200).read();
    assert_eq!((log.items.len(), log.head_useq), (0, 0));
    eventually_true(DEADLINE, async || stored(&service).await.contains(&handle_of(zed))).await;
    let after = stored(&service).await;
    assert!(!after.contains("SECRET") && !after.contains(&handle_of(ann)), "{after}\nbefore: {things}");
}

#[tokio::test]
async fn another_process_goes_on_where_one_died() {
    let house = House::open().await;
    let service = house.service().await;
    // Looks on, and erases nothing itself.
    let reader = house.service_with(Config { schedule_tick_ms: 3_600_000, ..Config::default() }).await;
    let (ann, ben) = (house.user(), house.user());
    let (anns, bens) = (house.client(&service, ann), house.client(&reader, ben));
    let mut groups = Vec::new();
    for _ in 0..3 {
        let group = make_group(&anns, &[ben]).await;
        for n in 0..70 {
            house.post(&anns, group, &format!("SECRET {n}")).await;
        }
        groups.push(group);
    }
    // It dies when it has deleted what is in the first of them, before it leaves any.
    service.store.break_writes("private");
    service.store.break_writes("members");
    house.erase(ann).await;
    let begun = async || deletions(&whole_log(&bens, groups[0]).await, ann) == 70;
    eventually_true(DEADLINE, begun).await;
    service.supervisor.shutdown(Duration::ZERO).await;
    let other = house.service().await;
    house.clock.advance(SECOND_LOOK);
    forgotten(&house, &other, ann).await;
    let bens = house.client(&other, ben);
    for group in groups {
        let log = whole_log(&bens, group).await;
        assert_eq!(deletions(&log, ann), 70, "each once");
        assert_eq!(members(&bens, group).await, [(ben, MemberRole::Owner)]);
    }
    assert!(!stored(&other).await.contains("SECRET"));
}

#[tokio::test]
async fn a_conversation_goes_to_the_highest_in_rank_who_is_a_person() {
    let house = House::open().await;
    let service = house.service().await;
    let [ann, guest, gone, late, early] = [(); 5].map(|()| house.user());
    let bot = house.bot_of(late);
    let anns = house.client(&service, ann);
    let group = make_group(&anns, &[bot, guest, gone]).await;
    house.clock.advance(Duration::from_secs(1));
    seat(&anns, group, early, "member").await;
    house.clock.advance(Duration::from_secs(1));
    seat(&anns, group, late, "member").await;
    for (user, role) in
        [(bot, "admin"), (gone, "admin"), (guest, "guest"), (late, "moderator"), (early, "moderator")]
    {
        seat(&anns, group, user, role).await;
    }
    let alone = make_group(&anns, &[]).await;
    let of_programs = make_group(&anns, &[bot]).await;
    house.erase(gone).await;
    forgotten(&house, &service, gone).await;
    house.erase(ann).await;
    let looked = async || stored(&service).await.matches(r#""looks":1"#).count() == 1;
    eventually_true(DEADLINE, looked).await;
    house.clock.advance(SECOND_LOOK);
    let removed = eventually(DEADLINE, async || told(&house, ann).into_iter().next()).await;
    assert_eq!((removed["memberships"], removed["handed_over"]), (3, 2), "{removed:?}");
    let earlys = house.client(&service, early);
    let owner = members(&earlys, group).await.into_iter().find(|(_, role)| *role == MemberRole::Owner);
    assert_eq!(owner, Some((early, MemberRole::Owner)));
    let lists = async |client: &TestClient| {
        let page: Conversations = client.get("/v1/conversations").await.expect(200).read();
        page.items.into_iter().map(|it| it.id).collect::<Vec<_>>()
    };
    assert_eq!(lists(&anns).await, [], "{alone} has nobody");
    assert_eq!(members(&house.client(&service, bot), of_programs).await, [(bot, MemberRole::Owner)]);
}

#[tokio::test]
async fn one_conversation_that_fails_keeps_no_other_and_is_tried_again() {
    let house = House::open().await;
    let service = house.service().await;
    let (ann, ben) = (house.user(), house.user());
    let (anns, bens) = (house.client(&service, ann), house.client(&service, ben));
    let [first, second] = [make_group(&anns, &[ben]).await, make_group(&anns, &[ben]).await];
    for group in [first, second] {
        house.post(&anns, group, "SECRET").await;
    }
    // Who is to have it cannot be asked for while auth is away.
    house.auth_away(true);
    house.erase(ann).await;
    let taken_back = async || {
        deletions(&whole_log(&bens, first).await, ann) + deletions(&whole_log(&bens, second).await, ann) == 2
    };
    eventually_true(DEADLINE, taken_back).await;
    assert_eq!(members(&bens, first).await.len(), 2, "nobody is left without an owner");
    let again = format!(r#""due_at":"{}","looks":0"#, house.ambient.now().plus(SECOND_LOOK));
    eventually_true(DEADLINE, async || stored(&service).await.contains(&again)).await;
    house.auth_away(false);
    house.clock.advance(SECOND_LOOK);
    let removed = forgotten(&house, &service, ann).await;
    assert_eq!((removed["handed_over"], removed["messages"]), (2, 2));
    let message: Message = {
        let posted = json!({"client_id": house.client_id(), "body": "Mine now"});
        bens.post(&format!("/v1/conversations/{second}/messages"), &posted)
            .await
            .expect(201)
            .read::<Posted>()
            .message
    };
    assert_eq!(now(&bens, &message).await.body, "Mine now");
}
