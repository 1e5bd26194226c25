//! Two services that write to one conversation.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt, stream};
use serde_json::json;
use tertulia_contracts::messaging::{Fact, Posted};
use ulid::Ulid;

use crate::harness::{House, make_group, whole_log};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_services_that_write_at_once_leave_a_gapless_log() {
    const POSTS: usize = 1_000;
    let house = House::open().await;
    let (one, other) = (house.service().await, house.service().await);
    let (ann, ben) = (house.user(), house.user());
    let writers = [house.client(&one, ann), house.client(&other, ben)];
    let group = make_group(&writers[0], &[ben]).await;
    let path = format!("/v1/conversations/{group}/messages");

    let posts = (0..POSTS).map(|index| {
        let (writer, path) = (writers[index % 2].clone(), path.clone());
        let client_id = house.client_id();
        async move {
            let post = json!({"client_id": client_id, "body": format!("{index}")});
            writer.post(&path, &post).await.expect(201).read::<Posted>().message
        }
    });
    let acknowledged: Vec<_> = stream::iter(posts).buffer_unordered(64).collect().await;

    let log = whole_log(&writers[0], group).await;
    let stored: BTreeMap<u64, _> = log
        .into_iter()
        .filter_map(|entry| match entry.e {
            Fact::MessagePosted { message } => Some((entry.seq, message)),
            _ => None,
        })
        .collect();
    assert_eq!(stored.len(), POSTS);
    for message in &acknowledged {
        assert_eq!(
            stored.get(&message.seq),
            Some(message),
            "an acknowledged message is not where it was said to be"
        );
    }
    let names: BTreeSet<Ulid> = stored.values().map(|message| message.client_id).collect();
    assert_eq!(names.len(), POSTS, "a message was doubled");
}

#[tokio::test]
async fn who_was_removed_through_one_service_does_not_write_through_another() {
    let house = House::open().await;
    let (one, other) = (house.service().await, house.service().await);
    let (ann, ben) = (house.user(), house.user());
    let (anns, bens) = (house.client(&one, ann), house.client(&other, ben));
    let group = make_group(&anns, &[ben]).await;
    // Now the other service's writer remembers that Ben is a member.
    house.post(&bens, group, "Hello").await;

    anns.delete(&format!("/v1/conversations/{group}/members/{ben}")).await.expect(204);
    let post = json!({"client_id": house.client_id(), "body": "Still here?"});
    let refused = bens.post(&format!("/v1/conversations/{group}/messages"), &post).await.expect(404);
    assert_eq!(refused.code(), "conversation_not_found");
    assert_eq!(whole_log(&anns, group).await.len(), 5);
}

#[tokio::test]
async fn posts_that_wait_together_are_committed_together() {
    let house = House::open().await;
    let service = house.service().await;
    let ann = house.client(&service, house.user());
    let group = make_group(&ann, &[]).await;
    let posts = (0..100).map(|_| house.post(&ann, group, "Hello"));
    futures_util::future::join_all(posts).await;
    let page = service.metrics.text();
    let appends =
        page.lines().find_map(|line| line.strip_prefix("tertulia_messaging_entries_per_append_count "));
    let appends: usize = appends.expect("the figure is shown").parse().unwrap();
    assert!(appends < 50, "100 posts took {appends} appends");
}
