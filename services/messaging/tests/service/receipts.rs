//! Who has read how far.

use serde_json::json;
use tertulia_bus::{Bus, Heard};
use tertulia_contracts::{
    ConversationId, UserId,
    live::{Read, Receipt, log_channel},
    messaging::{MAX_RECEIPTS, Receipts},
};
use tertulia_runtime::testkit::TestClient;

use crate::harness::{DEADLINE, House, make, make_group};

async fn receipts(client: &TestClient, id: ConversationId) -> Vec<(UserId, u64)> {
    let page: Receipts = client.get(&format!("/v1/conversations/{id}/receipts")).await.expect(200).read();
    page.items.into_iter().map(|receipt| (receipt.user_id, receipt.seq)).collect()
}

async fn show(client: &TestClient, show: bool) {
    let privacy = json!({"show_receipts": show, "last_seen": "everyone"});
    assert_eq!(client.put("/v1/me/privacy", &privacy).await.expect(200).json(), privacy);
    assert_eq!(client.get("/v1/me/privacy").await.expect(200).json(), privacy);
}

async fn read_to(client: &TestClient, id: ConversationId, seq: u64) {
    client.put(&format!("/v1/conversations/{id}/cursor"), &json!({"seq": seq})).await.expect(200);
}

#[tokio::test]
async fn who_shows_how_far_they_have_read_sees_it_of_who_shows_it_too() {
    let house = House::open().await;
    let service = house.service().await;
    let (ann, ben, cid) = (house.user(), house.user(), house.user());
    let [anns, bens, cids] = [ann, ben, cid].map(|user| house.client(&service, user));
    let group = make_group(&anns, &[ben, cid]).await;
    for _ in 0..3 {
        house.post(&anns, group, "Hello").await;
    }
    // They joined at 2, 3 and 4; 5, 6 and 7 are the messages.
    read_to(&bens, group, 6).await;
    let mut all = vec![(ann, 2), (ben, 6), (cid, 4)];
    all.sort_unstable();
    assert_eq!(receipts(&anns, group).await, all);
    show(&bens, false).await;
    show(&bens, false).await;
    all.retain(|(user, _)| *user != ben);
    assert_eq!(receipts(&anns, group).await, all);
    assert_eq!(receipts(&cids, group).await, all);
    assert!(receipts(&bens, group).await.is_empty(), "who hides it does not see it");
    assert!(receipts(&bens, make_group(&bens, &[ann]).await).await.is_empty());

    // Live, it is told to who may know, and never of who hides it.
    let ear = house.bus.listen().await.unwrap();
    ear.join(&log_channel(group)).await.unwrap();
    read_to(&bens, group, 7).await;
    read_to(&cids, group, 7).await;
    read_to(&cids, group, 6).await;
    show(&bens, true).await;
    read_to(&anns, group, 7).await;
    let mut heard = Vec::new();
    while heard.len() < 2 {
        let Ok(Heard::Message(message)) = tokio::time::timeout(DEADLINE, ear.hear()).await else {
            panic!("it is broadcast")
        };
        let Receipt { mut read } = serde_json::from_slice(&message.payload).unwrap();
        read.to.sort_unstable();
        heard.push(read);
    }
    let mut but_ann = vec![ben, cid];
    but_ann.sort_unstable();
    assert_eq!(heard, [Read { user: cid, seq: 7, to: vec![ann] }, Read { user: ann, seq: 7, to: but_ann },]);
}

#[tokio::test]
async fn nobody_sees_it_in_a_crowd_in_a_channel_or_of_who_is_blocked() {
    let house = House::open().await;
    let service = house.service().await;
    let (ann, ben) = (house.user(), house.user());
    let (anns, bens) = (house.client(&service, ann), house.client(&service, ben));
    let crowd: Vec<UserId> = (0..100).map(|_| house.user()).collect();
    let group = make_group(&anns, &crowd).await;
    let add = async |user: UserId| {
        anns.put(&format!("/v1/conversations/{group}/members/{user}"), &()).await.expect(200);
    };
    for _ in 101..MAX_RECEIPTS {
        add(house.user()).await;
    }
    assert_eq!(receipts(&anns, group).await.len(), MAX_RECEIPTS);
    add(ben).await;
    assert!(receipts(&anns, group).await.is_empty());

    let wish =
        json!({"kind": "channel", "title": "C", "handle": "news", "visibility": "public", "members": [ben]});
    let channel = make(&anns, wish).await.id;
    assert!(receipts(&anns, channel).await.is_empty());
    let strangers = house.client(&service, house.user());
    strangers.get(&format!("/v1/conversations/{channel}/receipts")).await.expect(403);

    let direct = make(&anns, json!({"kind": "direct", "members": [ben]})).await.id;
    assert_eq!(receipts(&bens, direct).await.len(), 2);
    anns.put(&format!("/v1/me/blocks/{ben}"), &()).await.expect(200);
    assert!(receipts(&bens, direct).await.is_empty());
    assert!(receipts(&anns, direct).await.is_empty());
}
