//! Purging: all that somebody wrote goes, run by run.

use std::{collections::BTreeSet, time::Duration};

use serde_json::{Value, json};
use tertulia_contracts::{
    ConversationId, UserId,
    messaging::{Fact, MAX_PURGE, ModerationLog, Purged},
};
use tertulia_runtime::testkit::TestClient;

use crate::harness::{House, make_group, message_path, reason, whole_log};

async fn purge(client: &TestClient, conversation: ConversationId, user: UserId, wish: &Value) -> Purged {
    client.post(&purge_path(conversation, user), wish).await.expect(200).read()
}

fn purge_path(conversation: ConversationId, user: UserId) -> String {
    format!("/v1/conversations/{conversation}/members/{user}/purge")
}

fn purged(deleted: usize, before_seq: Option<u64>) -> Purged {
    Purged { deleted, more: before_seq.is_some(), before_seq }
}

#[tokio::test]
async fn all_that_somebody_wrote_goes_in_bounded_runs_and_again_is_the_same() {
    let house = House::open().await;
    let (service, other) = (house.service().await, house.service().await);
    let [ann, ben] = [(); 2].map(|()| house.user());
    let (anns, bens) = (house.client(&service, ann), house.client(&other, ben));
    let group = make_group(&anns, &[ben]).await;
    let kept = house.post(&anns, group, "Stays").await;
    let posts = (0..=MAX_PURGE).map(|number| {
        let (house, bens) = (&house, &bens);
        async move { house.post(bens, group, &format!("SECRET {number}")).await }
    });
    let posted = futures_util::future::join_all(posts).await;
    let oldest = posted.iter().map(|message| message.seq).min().unwrap();
    bens.patch(&message_path(&posted[0]), &json!({"body": "SECRET edit"})).await.expect(200);
    // He is out; what he wrote goes as well.
    anns.delete(&format!("/v1/conversations/{group}/members/{ben}")).await.expect(204);

    let wish = json!({"reason": "Spam"});
    let first = purge(&anns, group, ben, &wish).await;
    assert_eq!(first, purged(MAX_PURGE, Some(oldest + 1)), "one past the bound waits");
    assert_eq!(purge(&anns, group, ben, &wish).await, purged(0, Some(oldest + 1)), "again is the same");
    let wish = json!({"reason": "Spam", "before_seq": first.before_seq});
    assert_eq!(purge(&anns, group, ben, &wish).await, purged(1, None));
    assert_eq!(purge(&anns, group, ben, &wish).await, purged(0, None));

    let log = whole_log(&anns, group).await;
    let mut deleted = BTreeSet::new();
    for entry in &log {
        let text = serde_json::to_string(&entry.e).unwrap();
        assert!(!text.contains("SECRET"), "{text}");
        if let Fact::MessageDeleted { message_seq, by, .. } = entry.e {
            assert!(by == ann && deleted.insert(message_seq), "deleted once");
        }
    }
    assert_eq!(deleted, posted.iter().map(|message| message.seq).collect());
    let left = log.iter().find(|entry| entry.seq == kept.seq).map(|entry| entry.e.clone());
    assert_eq!(left, Some(Fact::MessagePosted { message: kept }));
    let page = anns.get(&format!("/v1/conversations/{group}/moderation-log?limit=200")).await;
    let acts = page.expect(200).read::<ModerationLog>().items;
    let deletions: Vec<_> = acts.iter().filter(|act| act.reason.as_deref() == Some("Spam")).collect();
    assert_eq!(deletions.len(), MAX_PURGE + 1);
    assert!(deletions.iter().all(|act| act.user_id == Some(ben)));
}

#[tokio::test]
async fn a_purge_since_a_moment_leaves_what_was_said_before() {
    let house = House::open().await;
    let service = house.service().await;
    let [ann, ben] = [(); 2].map(|()| house.user());
    let [anns, bens] = [ann, ben].map(|user| house.client(&service, user));
    let group = make_group(&anns, &[ben]).await;
    house.post(&bens, group, "Good").await;
    house.clock.advance(Duration::from_secs(1));
    let since = house.ambient.now();
    house.post(&bens, group, "Bad").await;
    house.post(&bens, group, "Worse").await;
    assert_eq!(purge(&anns, group, ben, &json!({"since": since})).await, purged(2, None));
    let text = anns.get(&format!("/v1/conversations/{group}/messages")).await.expect(200).text();
    assert!(text.contains("Good") && !text.contains("Bad") && !text.contains("Worse"), "{text}");
    let none = anns.post(&purge_path(group, ben), &json!({"before": 1})).await.expect(422);
    assert_eq!(none.wrong_fields(), ["before"]);
}

#[tokio::test]
async fn it_takes_an_admin_and_a_higher_rank() {
    let house = House::open().await;
    let service = house.service().await;
    let [ann, ben, cid, dan] = [(); 4].map(|()| house.user());
    let [anns, bens, cids] = [ann, ben, cid].map(|user| house.client(&service, user));
    let group = make_group(&anns, &[ben, cid, dan]).await;
    for (user, role) in [(ben, "moderator"), (cid, "admin")] {
        let place = format!("/v1/conversations/{group}/members/{user}");
        anns.put(&place, &json!({"role": role})).await.expect(200);
    }
    let before = whole_log(&anns, group).await.len();
    for (client, user, why) in [
        (&bens, dan, "role_lacks_it"),
        (&cids, cid, "outranked"),
        (&cids, ann, "outranked"),
        (&anns, ann, "outranked"),
    ] {
        let refused = client.post(&purge_path(group, user), &json!({})).await.expect(403);
        assert_eq!(reason(&refused.read()), why);
    }
    assert_eq!(purge(&cids, group, ben, &json!({})).await, purged(0, None));
    assert_eq!(whole_log(&anns, group).await.len(), before);
}

#[tokio::test]
async fn two_purges_at_once_and_somebody_who_goes_on_writing_delete_each_message_once() {
    let house = House::open().await;
    let (one, other) = (house.service().await, house.service().await);
    let [ann, ben] = [(); 2].map(|()| house.user());
    let [anns, others] = [&one, &other].map(|service| house.client(service, ann));
    let bens = house.client(&one, ben);
    let group = make_group(&anns, &[ben]).await;
    for _ in 0..20 {
        house.post(&bens, group, "Noise").await;
    }
    let wish = json!({});
    let writing = async {
        for _ in 0..10 {
            house.post(&bens, group, "More").await;
        }
    };
    tokio::join!(purge(&anns, group, ben, &wish), purge(&others, group, ben, &wish), writing);
    purge(&others, group, ben, &wish).await;
    let log = whole_log(&anns, group).await;
    let count = |wanted: fn(&Fact) -> bool| log.iter().filter(|entry| wanted(&entry.e)).count();
    assert_eq!(count(|fact| matches!(fact, Fact::MessageDeleted { .. })), 30, "each once");
    assert_eq!(count(|fact| matches!(fact, Fact::MessagePosted { message } if message.body.is_empty())), 30);
}
