//! State = replay: who folds the log holds what the snapshots say, after every action.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::json;
use tertulia_contracts::{
    ConversationId,
    messaging::{Conversation, Members, Messages},
};
use tertulia_messaging::model::snapshot::Snapshot;
use tertulia_runtime::testkit::TestClient;

use crate::harness::{House, make, whole_log};

#[derive(Debug, Clone)]
enum Deed {
    Post(usize),
    Add(usize),
    Remove(usize),
    Retitle(u8),
    SetRole(usize, usize, &'static str),
    HandOver(usize, usize),
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        3 => (0..4_usize).prop_map(Deed::Post),
        2 => (1..4_usize).prop_map(Deed::Add),
        2 => (1..4_usize).prop_map(Deed::Remove),
        1 => (0..3_u8).prop_map(Deed::Retitle),
        2 => (0..4_usize, 0..4_usize, prop::sample::select(&["guest", "member", "moderator", "admin"][..]))
            .prop_map(|(by, user, role)| Deed::SetRole(by, user, role)),
        1 => (0..4_usize, 0..4_usize).prop_map(|(by, to)| Deed::HandOver(by, to)),
    ]
}

/// What the service's documents say.
async fn loaded(client: &TestClient, id: ConversationId) -> Snapshot {
    let path = format!("/v1/conversations/{id}");
    let conversation: Conversation = client.get(&path).await.expect(200).read();
    let members: Members = client.get(&format!("{path}/members?limit=200")).await.expect(200).read();
    let messages: Messages = client.get(&format!("{path}/messages?limit=200")).await.expect(200).read();
    Snapshot {
        kind: Some(conversation.kind),
        visibility: Some(conversation.visibility),
        title: conversation.title,
        handle: conversation.handle,
        members: members.items.into_iter().map(|member| (member.user_id, member)).collect::<BTreeMap<_, _>>(),
        messages: messages.items,
    }
}

async fn replayed(client: &TestClient, id: ConversationId) -> Snapshot {
    let log = whole_log(client, id).await;
    Snapshot::replay(log.iter().map(|entry| &entry.e))
}

async fn act_and_compare(deeds: &[Deed]) {
    let house = House::open().await;
    let services = [house.service().await, house.service().await];
    let users = [house.user(), house.user(), house.user(), house.user()];
    let mut owner = 0;
    let id = make(
        &house.client(&services[0], users[0]),
        json!({"kind": "group", "title": "T", "members": [users[1]]}),
    )
    .await
    .id;
    let path = format!("/v1/conversations/{id}");
    for (index, deed) in deeds.iter().enumerate() {
        // Every other deed goes through the other service.
        let client = |user: usize| house.client(&services[index % 2], users[user]);
        match deed {
            Deed::Post(user) => {
                let post = json!({"client_id": house.client_id(), "body": "Hello"});
                client(*user).post(&format!("{path}/messages"), &post).await;
            }
            Deed::Add(user) => {
                client(owner).put(&format!("{path}/members/{}", users[*user]), &()).await.expect(200);
            }
            Deed::Remove(user) => {
                client(0).delete(&format!("{path}/members/{}", users[*user])).await;
            }
            Deed::Retitle(title) => {
                let title = json!({"title": format!("Title {title}")});
                client(owner).patch(&path, &title).await.expect(200);
            }
            Deed::SetRole(by, user, role) => {
                client(*by).put(&format!("{path}/members/{}", users[*user]), &json!({"role": role})).await;
            }
            Deed::HandOver(by, to) => {
                let answer =
                    client(*by).post(&format!("{path}/owner"), &json!({"user_id": users[*to]})).await;
                if *by == owner && answer.status == 200 {
                    owner = *to;
                }
            }
        }
        let reader = client(owner);
        let (loaded, replayed) = (loaded(&reader, id).await, replayed(&reader, id).await);
        assert_eq!(loaded, replayed, "after {deed:?}");
    }
    assert!(!loaded(&house.client(&services[0], users[owner]), id).await.members.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn after_every_deed_the_log_adds_up_to_the_snapshot(deeds in prop::collection::vec(deed(), 1..12)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(act_and_compare(&deeds));
    }
}
