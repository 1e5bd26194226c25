//! What people choose to be seen as, who sees whom, and when somebody was last connected.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tertulia_bus::{Bus, Listener};
use tertulia_contracts::{
    ConversationId, UserId,
    live::{Glance, log_channel, presence_channel},
    messaging::UserFact,
    presence::{Apart, ChosenStatus, Company, Face, Faces, MAX_PRESENCE_USERS, OFFLINE_GRACE},
};
use tertulia_runtime::{Timestamp, testkit::TestClient};

use crate::{
    harness::{House, make, make_group},
    live::hear,
};

const PATH: &str = "/v1/me/presence";

async fn company(service: &TestClient, user: UserId, others: &[UserId]) -> Vec<UserId> {
    let asked = json!({"user_id": user, "others": others});
    service.post("/internal/presence/company", &asked).await.expect(200).read::<Company>().user_ids
}

async fn face(service: &TestClient, user: UserId) -> Face {
    let asked = json!({"user_ids": [user]});
    let mut faces = service.post("/internal/presence/faces", &asked).await.expect(200).read::<Faces>().faces;
    faces.pop().expect("one was asked for")
}

async fn seen(service: &TestClient, user: UserId, at: Timestamp) {
    service.post("/internal/presence/seen", &json!({"seen": [[user, at]]})).await.expect(204);
}

async fn leave(client: &TestClient, group: ConversationId, user: UserId) {
    client.delete(&format!("/v1/conversations/{group}/members/{user}")).await.expect(204);
}

async fn next_glance(ear: &dyn Listener, of: UserId) -> Glance {
    loop {
        let (channel, payload) = hear(ear).await;
        if channel == presence_channel(of) {
            return serde_json::from_slice(&payload).unwrap();
        }
    }
}

#[tokio::test]
async fn what_one_chooses_lasts_until_its_end_and_is_told_to_the_other_devices() {
    let house = House::open().await;
    let service = house.service().await;
    let ann = house.user();
    let anns = house.client(&service, ann);
    assert_eq!(anns.get(PATH).await.expect(200).json(), json!({"status": "online"}));
    let until = house.ambient.now().plus(Duration::from_hours(1));
    let busy = json!({"status": "dnd", "text": "Writing", "until": until});
    for _ in 0..2 {
        assert_eq!(anns.put(PATH, &busy).await.expect(200).json(), busy);
        assert_eq!(anns.get(PATH).await.expect(200).json(), busy);
    }
    let log: Value = anns.get("/v1/me/log").await.expect(200).json();
    let status = ChosenStatus::Dnd;
    let told = UserFact::PresenceChanged { status, text: Some("Writing".to_owned()), until: Some(until) };
    assert_eq!(log["items"], json!([{"useq": 1, "e": told}]), "once, since it was the same");
    assert_eq!(face(&service.client, ann).await.until, Some(until));

    house.clock.advance(Duration::from_hours(1));
    let anns = house.client(&service, ann);
    assert_eq!(anns.get(PATH).await.expect(200).json(), json!({"status": "online"}));
    let shown = face(&service.client, ann).await;
    assert_eq!((shown.status, shown.text, shown.until), (ChosenStatus::Online, None, None));
    // The same once more is news: what was said is over.
    let again = json!({"status": "dnd"});
    assert_eq!(anns.put(PATH, &again).await.expect(200).json(), again);
}

#[tokio::test]
async fn a_text_has_a_hundred_characters_on_one_line_and_an_end_lies_ahead() {
    let house = House::open().await;
    let service = house.service().await;
    let anns = house.client(&service, house.user());
    let put = async |body: Value| anns.put(PATH, &body).await.status.as_u16();
    assert_eq!(put(json!({"status": "away", "text": "ü".repeat(100)})).await, 200);
    assert_eq!(put(json!({"status": "away", "text": "ü".repeat(101)})).await, 422);
    for text in ["", " ", "two\nlines"] {
        assert_eq!(put(json!({"status": "away", "text": text})).await, 422, "{text:?}");
    }
    assert_eq!(put(json!({"status": "offline"})).await, 422, "nobody chooses not to be connected");
    let now = house.ambient.now();
    assert_eq!(put(json!({"status": "away", "until": now})).await, 422);
    assert_eq!(put(json!({"status": "away", "until": now.plus(Duration::from_millis(1))})).await, 200);
}

#[tokio::test]
async fn those_see_each_other_who_share_what_is_not_a_channel_and_do_not_keep_apart() {
    let house = House::open().await;
    let service = house.service().await;
    let (ann, ben, cid, dan) = (house.user(), house.user(), house.user(), house.user());
    let [anns, bens, cids] = [ann, ben, cid].map(|user| house.client(&service, user));
    make(&anns, json!({"kind": "direct", "members": [ben]})).await;
    let group = make_group(&anns, &[cid]).await;
    make(&anns, json!({"kind": "channel", "title": "News", "visibility": "public", "members": [dan]})).await;
    let nobody = UserId::from_ulid(house.ambient.ids.next_ulid());
    let everybody = [ann, ben, cid, dan, nobody];
    let of = async |user| company(&service.client, user, &everybody).await;
    assert_eq!(of(ann).await, [ann, ben, cid], "oneself, and whom one talks to; a channel is for strangers");
    assert_eq!(of(ben).await, [ann, ben]);
    assert_eq!(of(cid).await, [ann, cid]);
    assert_eq!(of(dan).await, [dan]);

    leave(&cids, group, cid).await;
    assert_eq!(of(ann).await, [ann, ben]);
    assert_eq!(of(cid).await, [cid]);
    for (client, other) in [(&anns, ben), (&bens, ann)] {
        let block = format!("/v1/me/blocks/{other}");
        client.put(&block, &()).await.expect(200);
        assert_eq!((of(ann).await, of(ben).await), (vec![ann], vec![ben]), "whoever blocks");
        client.delete(&block).await.expect(204);
        assert_eq!((of(ann).await, of(ben).await), (vec![ann, ben], vec![ann, ben]));
    }
}

#[tokio::test]
async fn one_question_names_two_hundred_people() {
    let house = House::open().await;
    let service = house.service().await;
    let mut others: Vec<UserId> = (0..MAX_PRESENCE_USERS).map(|_| house.ambient.ids.next()).collect();
    assert!(company(&service.client, house.user(), &others).await.is_empty());
    others.push(house.ambient.ids.next());
    let asked = json!({"user_id": house.user(), "others": others});
    service.client.post("/internal/presence/company", &asked).await.expect(422);
    service.client.post("/internal/presence/faces", &json!({"user_ids": others})).await.expect(422);
    let seen: Vec<_> = others.iter().map(|user| json!([user, house.ambient.now()])).collect();
    service.client.post("/internal/presence/seen", &json!({"seen": seen})).await.expect(422);
}

#[tokio::test]
async fn when_somebody_was_last_connected_is_kept_to_the_minute_for_those_who_may_know() {
    let house = House::open().await;
    let service = house.service().await;
    let ann = house.user();
    let last_seen = async || face(&service.client, ann).await.last_seen;
    assert_eq!(last_seen().await, None, "never");
    house.clock.set("2026-03-01T12:34:56.789Z".parse().unwrap());
    let anns = house.client(&service, ann);
    let minute: Timestamp = "2026-03-01T12:34:00Z".parse().unwrap();
    seen(&service.client, ann, house.ambient.now()).await;
    assert_eq!(last_seen().await, Some(minute));
    seen(&service.client, ann, minute.minus(Duration::from_mins(5))).await;
    assert_eq!(last_seen().await, Some(minute), "it does not go back");
    seen(&service.client, ann, minute.plus(Duration::from_hours(5))).await;
    assert_eq!(last_seen().await, Some(minute), "nor ahead of the clock");

    let hidden = json!({"show_receipts": true, "last_seen": "nobody"});
    assert_eq!(anns.put("/v1/me/privacy", &hidden).await.expect(200).json(), hidden);
    assert_eq!(last_seen().await, None);
    anns.put("/v1/me/privacy", &json!({"show_receipts": true})).await.expect(200);
    assert_eq!(last_seen().await, Some(minute), "shown unless hidden");
}

#[tokio::test]
async fn who_is_invisible_was_last_seen_when_they_became_so() {
    let house = House::open().await;
    let service = house.service().await;
    let ann = house.user();
    let noon: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
    // Of who goes it is told after ten seconds, too: the minute gives nothing away.
    house.clock.set(noon.plus(OFFLINE_GRACE));
    let anns = house.client(&service, ann);
    anns.put(PATH, &json!({"status": "invisible", "until": noon.plus(Duration::from_hours(1))}))
        .await
        .expect(200);
    assert_eq!(face(&service.client, ann).await.last_seen, Some(noon));
    house.clock.advance(Duration::from_mins(5));
    seen(&service.client, ann, house.ambient.now()).await;
    anns.put(PATH, &json!({"status": "invisible"})).await.expect(200);
    assert_eq!(face(&service.client, ann).await.last_seen, Some(noon), "nothing tells that they are there");
    anns.put(PATH, &json!({"status": "online"})).await.expect(200);
    seen(&service.client, ann, house.ambient.now()).await;
    assert_eq!(face(&service.client, ann).await.last_seen, Some(noon.plus(Duration::from_mins(5))));
}

#[tokio::test]
async fn whoever_watches_is_told_to_look_again_and_not_what_there_is_to_see() {
    let house = House::open().await;
    let service = house.service().await;
    let (ann, ben) = (house.user(), house.user());
    let [anns, bens] = [ann, ben].map(|user| house.client(&service, user));
    let group = make_group(&anns, &[ben]).await;
    let direct = make(&anns, json!({"kind": "direct", "members": [ben]})).await.id;
    // Behind the telling of what made these.
    let ear = house.bus.listen().await.unwrap();
    ear.join(&presence_channel(ben)).await.unwrap();
    bens.put(PATH, &json!({"status": "away"})).await.expect(200);
    while next_glance(&*ear, ben).await != (Glance { sight: false }) {}
    bens.put("/v1/me/privacy", &json!({"show_receipts": true, "last_seen": "nobody"})).await.expect(200);
    while next_glance(&*ear, ben).await != (Glance { sight: false }) {}
    bens.put(&format!("/v1/me/blocks/{ann}"), &()).await.expect(200);
    while next_glance(&*ear, ben).await != (Glance { sight: true }) {}
    leave(&bens, group, ben).await;
    assert_eq!(next_glance(&*ear, ben).await, Glance { sight: true });

    let path = format!("/internal/conversations/{direct}/apart");
    let apart = async || service.client.get(&path).await.expect(200).read::<Apart>().apart;
    assert!(apart().await);
    let ear = house.bus.listen().await.unwrap();
    ear.join(&log_channel(direct)).await.unwrap();
    bens.delete(&format!("/v1/me/blocks/{ann}")).await.expect(204);
    assert_eq!(hear(&*ear).await.1, &br#"{"look_again":true}"#[..]);
    assert!(!apart().await);
    anns.put(&format!("/v1/me/blocks/{ben}"), &()).await.expect(200);
    assert_eq!(hear(&*ear).await.1, &br#"{"look_again":true}"#[..], "the same, whoever it was");
    assert!(apart().await);
    // In a group both go on.
    let others = make_group(&anns, &[]).await;
    let path = format!("/internal/conversations/{others}/apart");
    assert!(!service.client.get(&path).await.expect(200).read::<Apart>().apart);
    let unknown: ConversationId = house.ambient.ids.next();
    let path = format!("/internal/conversations/{unknown}/apart");
    service.client.send(Method::GET, &path, None, "").await.expect(404);
}
