//! The live lane: what is committed is broadcast, after it is committed.

use serde_json::json;
use tertulia_bus::{Bus, Heard, Listener};
use tertulia_contracts::{
    live::{Control, Narrowed, Tail, control_channel, log_channel},
    messaging::{Fact, Message, UserFact},
};

use tertulia_messaging::Config;

use crate::harness::{DEADLINE, House, make, make_group, whole_log};

pub(crate) async fn hear(ear: &dyn Listener) -> (String, bytes::Bytes) {
    match tokio::time::timeout(DEADLINE, ear.hear()).await.expect("something is broadcast") {
        Heard::Message(message) => (message.channel.clone(), message.payload.clone()),
        Heard::Gap => panic!("a message was lost"),
    }
}

#[tokio::test]
async fn what_is_committed_is_broadcast_in_order() {
    let house = House::open().await;
    let service = house.service().await;
    let anns = house.client(&service, house.user());
    let group = make_group(&anns, &[]).await;
    let ear = house.bus.listen().await.unwrap();
    ear.join(&log_channel(group)).await.unwrap();

    // Longer together than one broadcast may be.
    let long = "Long. ".repeat(1_300);
    let posts = (0..40).map(|_| house.post(&anns, group, &long));
    let mut posted: Vec<Message> = futures_util::future::join_all(posts).await;
    posted.sort_unstable_by_key(|message| message.seq);

    let mut heard: Vec<(u64, Fact)> = Vec::new();
    while heard.len() < posted.len() {
        let (_, payload) = hear(&*ear).await;
        assert!(payload.len() <= tertulia_bus::port::MAX_MESSAGE_BYTES);
        let tail: Tail = serde_json::from_slice(&payload).unwrap();
        heard.extend(
            tail.entries.iter().map(|entry| (entry.seq, serde_json::from_str(entry.e.get()).unwrap())),
        );
    }
    let expected: Vec<(u64, Fact)> =
        posted.into_iter().map(|message| (message.seq, Fact::MessagePosted { message })).collect();
    assert_eq!(heard, expected);
    assert_eq!(whole_log(&anns, group).await.len(), 42);
}

#[tokio::test]
async fn who_is_removed_is_told_at_once_and_in_their_log() {
    let house = House::open().await;
    let service = house.service().await;
    let (ann, ben) = (house.user(), house.user());
    let anns = house.client(&service, ann);
    let group = make_group(&anns, &[ben]).await;
    let ear = house.bus.listen().await.unwrap();
    ear.join(&control_channel(ben)).await.unwrap();
    ear.join(&log_channel(ben)).await.unwrap();
    anns.delete(&format!("/v1/conversations/{group}/members/{ben}")).await.expect(204);

    let (mut lost, mut left) = (false, false);
    while !(lost && left) {
        let (channel, payload) = hear(&*ear).await;
        if channel == control_channel(ben) {
            let control: Control = serde_json::from_slice(&payload).unwrap();
            assert_eq!(control, Control::AccessLost { conversation_id: group });
            lost = true;
        } else {
            let tail: Tail = serde_json::from_slice(&payload).unwrap();
            for entry in tail.entries {
                let fact: UserFact = serde_json::from_str(entry.e.get()).unwrap();
                left |= fact == UserFact::ConversationLeft { conversation_id: group };
            }
        }
    }
}

#[tokio::test]
async fn sockets_are_told_when_fewer_may_read_and_only_then() {
    let house = House::open().await;
    let service = house.service().await;
    let anns = house.client(&service, house.user());
    let id = make(&anns, json!({"kind": "channel", "title": "News", "visibility": "private"})).await.id;
    let ear = house.bus.listen().await.unwrap();
    ear.join(&log_channel(id)).await.unwrap();
    let mut narrowed = Vec::new();
    for visibility in ["public", "paid", "paid", "private", "public"] {
        anns.patch(&format!("/v1/conversations/{id}"), &json!({"visibility": visibility})).await.expect(200);
    }
    house.post(&anns, id, "The last").await;
    // Four changes, two of them narrowing, and the message.
    while narrowed.len() < 7 {
        let (_, payload) = hear(&*ear).await;
        narrowed.push(serde_json::from_slice::<Narrowed>(&payload).is_ok());
    }
    assert_eq!(narrowed, [false, false, true, false, true, false, false]);
}

/// Found by the simulation: the broadcast was refused, and who listened elsewhere was behind until the next entry.
#[tokio::test]
async fn what_could_not_be_broadcast_is_told_again() {
    let house = House::open().await;
    let service = house.service().await;
    let anns = house.client(&service, house.user());
    let group = make_group(&anns, &[]).await;
    let ear = house.bus.listen().await.unwrap();
    ear.join(&log_channel(group)).await.unwrap();
    service.bus.refuse_broadcasts(1);
    let posted = house.post(&anns, group, "Hello").await;
    let (_, payload) = hear(&*ear).await;
    let tail: Tail = serde_json::from_slice(&payload).unwrap();
    assert_eq!(tail.entries.iter().map(|entry| entry.seq).collect::<Vec<_>>(), [posted.seq]);
}

/// Found by the simulation: nothing brought it up again before the next entry of a log that gets few.
#[tokio::test]
async fn a_user_hears_of_their_conversation_whatever_became_of_the_first_telling() {
    let house = House::open().await;
    let service = house.service().await;
    let ben = house.user();
    let anns = house.client(&service, house.user());
    let ear = house.bus.listen().await.unwrap();
    ear.join(&log_channel(ben)).await.unwrap();
    // Both hear of it, in whichever order.
    service.bus.refuse_broadcasts(2);
    let group = make_group(&anns, &[ben]).await;
    let (_, payload) = hear(&*ear).await;
    let tail: Tail = serde_json::from_slice(&payload).unwrap();
    let facts: Vec<UserFact> =
        tail.entries.iter().map(|entry| serde_json::from_str(entry.e.get()).unwrap()).collect();
    assert_eq!(facts, [UserFact::ConversationJoined { conversation_id: group }]);
}

/// Found by the simulation: its writer died between the commit and the telling; whoever takes over tells.
#[tokio::test]
async fn what_a_dead_writer_could_not_tell_is_told_by_its_successor() {
    let house = House::open().await;
    let dying = house.service().await;
    let anns = house.client(&dying, house.user());
    let group = make_group(&anns, &[]).await;
    let ear = house.bus.listen().await.unwrap();
    ear.join(&log_channel(group)).await.unwrap();
    dying.bus.go_away();
    dying.bus.refuse_broadcasts(usize::MAX);
    let posted = house.post(&anns, group, "Hello").await;
    dying.supervisor.shutdown(std::time::Duration::ZERO).await;

    let _successor = house.service_with(Config { relay_lease_ms: 0, ..Config::default() }).await;
    let (_, payload) = hear(&*ear).await;
    let tail: Tail = serde_json::from_slice(&payload).unwrap();
    assert_eq!(tail.entries.iter().map(|entry| entry.seq).collect::<Vec<_>>(), [posted.seq]);
}
