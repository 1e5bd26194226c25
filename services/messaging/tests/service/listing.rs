//! The list of somebody's conversations: it says of each what asking for it says, and what that costs.

use std::{collections::BTreeMap, time::Duration};

use serde_json::json;
use tertulia_contracts::messaging::{Conversation, Conversations, MAX_PAGE};
use tertulia_runtime::testkit::{TestClient, eventually_true};

use crate::harness::{DEADLINE, House, handle_of, make, make_group};

async fn list(client: &TestClient, limit: usize) -> Vec<Conversation> {
    let page = client.get(&format!("/v1/conversations?limit={limit}")).await;
    page.expect(200).read::<Conversations>().items
}

/// So many reads of each sort.
fn reads<const N: usize>(of: [(&str, usize); N]) -> BTreeMap<String, usize> {
    of.into_iter().map(|(what, times)| (what.to_owned(), times)).collect()
}

#[tokio::test]
async fn a_page_is_asked_for_by_id_once_however_many_it_holds() {
    let house = House::open().await;
    let service = house.service().await;
    let (anns, bens) = (house.client(&service, house.user()), house.client(&service, house.user()));
    for _ in 0..MAX_PAGE {
        make_group(&anns, &[]).await;
    }
    for limit in [1, MAX_PAGE] {
        let expected = reads([
            ("members by users", 1),
            ("conversations by many ids", 1),
            ("members by many ids", 1),
            ("private by many ids", 1),
            ("entries by changes", limit),
            ("entries by a range of ids", limit),
        ]);
        // What the service does besides reads, too, for as long as it tells of what was made.
        eventually_true(DEADLINE, async || {
            service.store.reads();
            assert_eq!(list(&anns, limit).await.len(), limit);
            let reads = service.store.reads();
            expected.iter().all(|(what, times)| reads.get(what) == Some(times))
                && !["conversations by id", "members by id", "private by id"]
                    .iter()
                    .any(|it| reads.contains_key(*it))
        })
        .await;
    }
    assert_eq!(list(&bens, MAX_PAGE).await, [], "nothing is asked for of nothing");
}

#[tokio::test]
async fn the_list_says_of_each_what_asking_for_it_says() {
    let house = House::open().await;
    let (one, other) = (house.service().await, house.service().await);
    let [ann, ben, cid] = [(); 3].map(|()| house.user());
    let (anns, bens) = (house.client(&one, ann), house.client(&other, ben));
    let direct = make(&anns, json!({"kind": "direct", "members": [ben]})).await.id;
    let called = make_group(&anns, &[ben, cid]).await;
    let noted = make_group(&bens, &[ann]).await;
    let fleeting = make_group(&anns, &[ben]).await;
    let left = make_group(&anns, &[ben]).await;
    let channel = make(&anns, json!({"kind": "channel", "title": "News", "members": [ben]})).await.id;
    for id in [direct, called, noted, channel] {
        house.post(&anns, id, "Hello").await;
    }
    house.post(&anns, called, &format!("@{} and @everyone", handle_of(ben))).await;
    let read = house.post(&anns, noted, "Read").await;
    let path = format!("/v1/conversations/{noted}");
    bens.put(&format!("{path}/cursor"), &json!({"seq": read.seq})).await.expect(200);
    bens.patch(&format!("{path}/membership"), &json!({"marked_unread": true, "hidden": true}))
        .await
        .expect(200);
    house.post(&anns, noted, "Unread").await;
    anns.patch(&format!("/v1/conversations/{fleeting}"), &json!({"disappear_after_s": 60})).await.expect(200);
    house.post(&anns, fleeting, "Over soon").await;
    house.clock.advance(Duration::from_mins(1));
    bens.delete(&format!("/v1/conversations/{left}/members/{ben}")).await.expect(204);

    let listed = list(&bens, MAX_PAGE).await;
    let ids: Vec<_> = listed.iter().map(|conversation| conversation.id).collect();
    assert_eq!(ids, [channel, fleeting, noted, called, direct], "the newest first, and none that was left");
    for conversation in listed {
        let path = format!("/v1/conversations/{}", conversation.id);
        assert_eq!(bens.get(&path).await.expect(200).read::<Conversation>(), conversation);
        let unread = conversation.membership.unwrap().unread;
        let expected = if conversation.id == called { 2 } else { 1 };
        assert_eq!(unread, expected, "{path}");
    }
}
