//! A person's own place in a conversation, and the log by which it follows them from device to device.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use tertulia_bus::{Bus, Heard};
use tertulia_contracts::{
    ConversationId,
    live::{Tail, log_channel},
    messaging::{Conversation, Membership, UserEntry, UserFact, UserLog},
};
use tertulia_runtime::testkit::{TestClient, eventually};

use crate::harness::{DEADLINE, House, make_group};

async fn place(client: &TestClient, group: ConversationId) -> Membership {
    let seen: Conversation = client.get(&format!("/v1/conversations/{group}")).await.expect(200).read();
    seen.membership.unwrap()
}

async fn change(client: &TestClient, group: ConversationId, update: serde_json::Value) -> Membership {
    client.patch(&format!("/v1/conversations/{group}/membership"), &update).await.expect(200).read()
}

async fn read_to(client: &TestClient, group: ConversationId, seq: u64) -> Membership {
    client.put(&format!("/v1/conversations/{group}/cursor"), &json!({"seq": seq})).await.expect(200).read()
}

async fn own_log(client: &TestClient) -> Vec<UserEntry> {
    let log: UserLog = client.get("/v1/me/log?limit=200").await.expect(200).read();
    let useqs: Vec<u64> = log.items.iter().map(|entry| entry.useq).collect();
    assert_eq!(useqs, (1..=log.head_useq).collect::<Vec<_>>(), "the log has a gap");
    log.items
}

/// The log of somebody who was told so many things without doing any.
async fn told(client: &TestClient, count: usize) -> Vec<UserEntry> {
    eventually(DEADLINE, || async { Some(own_log(client).await).filter(|log| log.len() == count) }).await
}

#[tokio::test]
async fn a_cursor_that_moves_a_hundred_times_leaves_one_entry_and_no_gap() {
    let house = House::open().await;
    let service = house.service().await;
    let (ann, ben) = (house.user(), house.user());
    let (anns, bens) = (house.client(&service, ann), house.client(&service, ben));
    let group = make_group(&anns, &[ben]).await;
    told(&bens, 1).await;
    for _ in 0..100 {
        house.post(&anns, group, "Hello").await;
    }
    let ear = house.bus.listen().await.unwrap();
    ear.join(&log_channel(ben)).await.unwrap();
    // Seqs 4 to 103 are the messages.
    for seq in 4..=103 {
        assert_eq!(read_to(&bens, group, seq).await.unread, 103 - seq);
    }
    let read = |cursor_seq: u64| UserFact::PlaceChanged {
        conversation_id: group,
        cursor_seq,
        unread: 103 - cursor_seq,
        marked_unread: false,
        muted_until: None,
        hidden: false,
    };
    // Who listens hears each as it happens.
    for seq in 4..=103 {
        let Ok(Heard::Message(message)) = tokio::time::timeout(DEADLINE, ear.hear()).await else {
            panic!("it is broadcast")
        };
        let tail: Tail = serde_json::from_slice(&message.payload).unwrap();
        let heard: UserFact = serde_json::from_str(tail.entries[0].e.get()).unwrap();
        assert_eq!((tail.entries.len(), tail.entries[0].seq, heard), (1, seq - 2, read(seq)));
    }
    // Who comes later finds the newest word on everything, and that there were others.
    let log = own_log(&bens).await;
    assert_eq!(log.len(), 101);
    assert_eq!(log[0].e, UserFact::ConversationJoined { conversation_id: group });
    assert!(log[1..100].iter().all(|entry| entry.e == UserFact::Superseded {}));
    assert_eq!(log[100].e, read(103));
    let page: UserLog = bens.get("/v1/me/log?after_useq=99&limit=1").await.expect(200).read();
    assert_eq!((page.head_useq, page.items.len()), (101, 1));
    assert_eq!(page.items[0], UserEntry { useq: 100, e: UserFact::Superseded {} });
    let page: UserLog = bens.get("/v1/me/log?after_useq=9007199254740991").await.expect(200).read();
    assert_eq!((page.head_useq, page.items.len()), (101, 0));
    // Reading what is read already tells nothing.
    read_to(&bens, group, 50).await;
    read_to(&bens, group, u64::MAX).await;
    assert_eq!(own_log(&bens).await.len(), 101);
    assert_eq!(own_log(&anns).await.len(), 1, "nobody else is told");
}

#[tokio::test]
async fn a_mark_as_unread_lasts_until_the_cursor_moves() {
    let house = House::open().await;
    let service = house.service().await;
    let (ann, ben) = (house.user(), house.user());
    let (anns, bens) = (house.client(&service, ann), house.client(&service, ben));
    let group = make_group(&anns, &[ben]).await;
    house.post(&anns, group, "Hello").await;
    assert_eq!(read_to(&bens, group, 4).await.unread, 0);
    let marked = change(&bens, group, json!({"marked_unread": true})).await;
    assert_eq!((marked.marked_unread, marked.unread, marked.cursor_seq), (true, 0, 4));
    assert_eq!(place(&bens, group).await, marked);
    assert!(!place(&anns, group).await.marked_unread, "it is Ben's own");
    // Looking at it again takes the mark away, though there is nothing new to read.
    let seen = read_to(&bens, group, 4).await;
    assert!(!seen.marked_unread);
    assert_eq!(place(&bens, group).await, seen);
}

#[tokio::test]
async fn a_member_mutes_and_puts_away_what_they_like() {
    let house = House::open().await;
    let service = house.service().await;
    let (ann, ben) = (house.user(), house.user());
    let (anns, bens) = (house.client(&service, ann), house.client(&service, ben));
    let group = make_group(&anns, &[ben]).await;
    let before = place(&bens, group).await;
    assert_eq!((before.muted_until, before.hidden), (None, false));
    let until = house.ambient.now().plus(Duration::from_hours(1));
    let muted = change(&bens, group, json!({"muted_until": until})).await;
    assert_eq!(muted, Membership { muted_until: Some(until), ..before.clone() });
    let hidden = change(&bens, group, json!({"hidden": true})).await;
    assert_eq!(hidden, Membership { muted_until: Some(until), hidden: true, ..before.clone() });
    assert_eq!(place(&bens, group).await, hidden);
    assert!(!place(&anns, group).await.hidden);
    assert_eq!(change(&bens, group, json!({})).await, hidden);
    let open = change(&bens, group, json!({"muted_until": null, "hidden": false})).await;
    assert_eq!(open, before);
    // What is past is over.
    change(&bens, group, json!({"muted_until": until})).await;
    house.clock.advance(Duration::from_hours(1));
    let bens = house.client(&service, ben);
    assert_eq!(place(&bens, group).await, before);

    for (update, field) in [
        (json!({"muted_until": "tomorrow"}), "muted_until"),
        (json!({"hidden": null, "loud": true}), "loud"),
        (json!({"marked_unread": 1}), "marked_unread"),
    ] {
        let refused = bens.patch(&format!("/v1/conversations/{group}/membership"), &update).await.expect(422);
        assert_eq!(refused.wrong_fields(), [field], "{update}");
    }
}

#[tokio::test]
async fn devices_that_change_things_at_once_take_turns() {
    let house = House::open().await;
    let services = [house.service().await, house.service().await];
    let ann = house.user();
    let devices = services.each_ref().map(|service| house.client(service, ann));
    let mut groups = Vec::new();
    for _ in 0..8 {
        groups.push(make_group(&devices[0], &[]).await);
    }
    told(&devices[1], 8).await;
    let changes = groups.iter().flat_map(|group| {
        devices.iter().flat_map(move |device| {
            [("hidden", device), ("marked_unread", device)]
                .map(|(what, device)| change(device, *group, json!({what: true})))
        })
    });
    join_all(changes).await;
    let log = own_log(&devices[0]).await;
    assert_eq!(log.len(), 8 + 16, "what was so already was not done again");
    for group in groups {
        let seen = place(&devices[1], group).await;
        assert!(seen.hidden && seen.marked_unread, "no device undid what another did");
    }
}

#[tokio::test]
async fn what_a_dying_process_committed_and_did_not_put_away_is_put_away_by_whoever_comes() {
    let house = House::open().await;
    let (dying, heir) = (house.service().await, house.service().await);
    let ann = house.user();
    let (anns, later) = (house.client(&dying, ann), house.client(&heir, ann));
    let group = make_group(&anns, &[]).await;
    told(&later, 1).await;
    let path = format!("/v1/conversations/{group}");
    dying.store.break_writes("private");
    anns.patch(&format!("{path}/membership"), &json!({"hidden": true})).await.expect(503);
    // Whoever reads the log hears of it, and whoever asks again finds it done.
    let hidden = |entry: &UserEntry| matches!(entry.e, UserFact::PlaceChanged { hidden: true, .. });
    assert!(own_log(&later).await.last().is_some_and(hidden));
    assert!(place(&later, group).await.hidden);
    assert!(change(&later, group, json!({"hidden": true})).await.hidden);
    assert_eq!(own_log(&later).await.len(), 2);

    // Nor is it lost when the next change is of something else.
    let draft = json!({"body": "Dear"});
    anns.put(&format!("{path}/draft"), &draft).await.expect(503);
    change(&later, group, json!({"marked_unread": true})).await;
    assert_eq!(later.get(&format!("{path}/draft")).await.expect(200).json()["body"], "Dear");
    // Nothing was committed whose commit failed.
    dying.store.mend();
    dying.store.break_writes("user_heads");
    anns.put(&format!("{path}/draft"), &json!({"body": "Dearest", "revision": 3})).await.expect(503);
    assert_eq!(later.get(&format!("{path}/draft")).await.expect(200).json()["body"], "Dear");
    assert_eq!(own_log(&later).await.len(), 4);
}
