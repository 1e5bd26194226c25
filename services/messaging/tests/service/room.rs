//! How many conversations one person belongs to and makes.

use std::time::Duration;

use serde_json::{Value, json};
use tertulia_contracts::{
    ConversationId, UserId,
    messaging::{Conversation, MAX_CONVERSATIONS, MAX_MADE_A_DAY, MadeInvitation},
};
use tertulia_documents::{Documents, Draft, Key};
use tertulia_messaging::COLLECTIONS;

use crate::harness::{House, Instance, make, make_group};

/// Pretends that somebody belongs to so many conversations more, as like each other as eggs.
async fn pretend(service: &Instance, group: ConversationId, user: UserId, more: usize) {
    let members = COLLECTIONS.iter().find(|collection| collection.name == "members").unwrap();
    let counted = *members.indexes.iter().find(|index| index.name == "counted").unwrap();
    let id = format!("{group}/{user}");
    let body = service.store.get(members, &id).await.unwrap().unwrap().body;
    let drafts: Vec<Draft> = (0..more)
        .map(|number| {
            let keys = vec![(counted, Key::new().display(user))];
            Draft { id: format!("pretended/{user}/{number}"), keys, body: body.clone() }
        })
        .collect();
    for run in drafts.chunks(200) {
        assert_eq!(service.store.append_many(members, run.to_vec()).await.unwrap().committed, run.len());
    }
}

#[tokio::test]
async fn nobody_belongs_to_more_than_two_thousand_groups_and_channels() {
    let house = House::open().await;
    let service = house.service().await;
    let [ann, ben, cid] = [(); 3].map(|()| house.user());
    let [anns, bens] = [ann, ben].map(|user| house.client(&service, user));
    let first = make_group(&anns, &[ben]).await;
    pretend(&service, first, ben, MAX_CONVERSATIONS - 2).await;
    // One more is the last. Direct conversations, which nobody can leave, do not count.
    make(&anns, json!({"kind": "direct", "members": [ben]})).await;
    let last = make_group(&bens, &[]).await;
    let group = make_group(&anns, &[]).await;
    let channel = make(&anns, json!({"kind": "channel", "title": "Open", "visibility": "public"})).await.id;
    let paid = make(&anns, json!({"kind": "channel", "title": "Paid", "visibility": "paid"})).await.id;
    let invited = anns.post(&format!("/v1/conversations/{group}/invitations"), &json!({})).await;
    let accept = format!("/v1/invitations/{}/accept", invited.expect(201).read::<MadeInvitation>().code);
    let member = |id: ConversationId| format!("/v1/conversations/{id}/members/{ben}");
    let requests = format!("/v1/conversations/{paid}/requests");
    bens.post(&requests, &json!({})).await.expect(201);
    let wish = |members: Value| json!({"kind": "group", "title": "Us", "members": members});
    for refused in [
        bens.post("/v1/conversations", &wish(json!([]))).await,
        anns.post("/v1/conversations", &wish(json!([cid, ben]))).await,
        anns.put(&member(group), &()).await,
        bens.put(&member(channel), &()).await,
        bens.post(&accept, &()).await,
        anns.post(&format!("{requests}/{ben}/approve"), &()).await,
    ] {
        assert_eq!(refused.expect(409).code(), "too_many_conversations");
    }
    // What they have they keep: they are asked for again, found again, given roles, and written with.
    bens.put(&member(last), &()).await.expect(200);
    anns.put(&member(first), &json!({"role": "moderator"})).await.expect(200);
    house.post(&bens, first, "I am here").await;
    let direct = json!({"kind": "direct", "members": [ann]});
    bens.post("/v1/conversations", &direct).await.expect(200);
    make(&bens, json!({"kind": "direct", "members": [cid]})).await;

    bens.delete(&member(last)).await.expect(204);
    bens.post(&accept, &()).await.expect(200).read::<Conversation>();
    bens.post(&accept, &()).await.expect(200);
    assert_eq!(anns.put(&member(channel), &()).await.expect(409).code(), "too_many_conversations");
}

#[tokio::test]
async fn nobody_makes_more_than_two_hundred_within_a_day() {
    let house = House::open().await;
    let service = house.service().await;
    let ann = house.user();
    let anns = house.client(&service, ann);
    let met = house.user();
    let direct = |user: UserId| json!({"kind": "direct", "members": [user]});
    make(&anns, direct(met)).await;
    house.clock.advance(Duration::from_hours(1));
    // A token does not live that long.
    let anns = house.client(&service, ann);
    for _ in 1..MAX_MADE_A_DAY {
        make(&anns, direct(house.user())).await;
    }
    for wish in [direct(house.user()), json!({"kind": "group", "title": "One more"})] {
        let refused = anns.post("/v1/conversations", &wish).await.expect(429);
        assert_eq!(
            (refused.code().as_str(), refused.header("retry-after")),
            ("too_many_made", Some("82800"))
        );
    }
    // What there is is found, and others make theirs.
    anns.post("/v1/conversations", &direct(met)).await.expect(200);
    make(&house.client(&service, house.user()), direct(ann)).await;
    house.clock.advance(Duration::from_hours(23));
    let anns = house.client(&service, ann);
    make_group(&anns, &[]).await;
    anns.post("/v1/conversations", &direct(house.user())).await.expect(429);
}
