//! The server goes away: requests go on.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::FutureExt as _;
use tertulia_runtime::testkit::{eventually, eventually_true};
use tokio::time::timeout;

use super::{LONG, Loss, Rig};
use crate::{Cache, Quota};

const QUOTA: Quota = Quota { burst: 3, period: LONG };

/// A node that has found a value on its server, which is then gone.
async fn bereft(rig: &dyn Rig, loss: Loss) -> Arc<dyn Cache> {
    let node = rig.node().await;
    node.set("k", Bytes::from_static(b"v"), LONG).await;
    assert!(node.get("k").await.is_some());
    assert_eq!(node.stats().degraded, 0);
    rig.lose_server(loss).await;
    node
}

pub(super) async fn without_its_server_it_degrades_and_never_fails(rig: Arc<dyn Rig>) {
    for loss in [Loss::Killed, Loss::Silent] {
        let node = bereft(&*rig, loss).await;
        let before = node.stats();
        assert_eq!(node.get("k").await, None, "{loss:?}");
        node.set("k", Bytes::from_static(b"v"), LONG).await;
        node.remove("k").await;
        assert_eq!(node.add("k", 1, LONG).await, None, "{loss:?}");
        assert!(node.admit("k", QUOTA).await.allowed, "{loss:?}");
        let after = node.stats();
        assert_eq!(after.degraded - before.degraded, 5, "{loss:?}: calls counted as degraded");
        assert_eq!((after.hits - before.hits, after.misses - before.misses), (0, 1), "{loss:?}");
        assert!(node.check().await.is_err(), "{loss:?}");

        let made = async { Bytes::from_static(b"made") }.boxed();
        assert_eq!(rig.read_through(node).get_or_fill("k", made).await, "made", "{loss:?}");
        rig.return_server().await;
    }
}

pub(super) async fn without_its_server_a_quota_is_kept_by_the_node(rig: Arc<dyn Rig>) {
    let node = bereft(&*rig, Loss::Killed).await;
    for turn in 0..10 {
        assert_eq!(node.admit("k", QUOTA).await.allowed, turn < QUOTA.burst, "turn {turn}");
    }
}

pub(super) async fn a_silent_server_costs_little(rig: Arc<dyn Rig>) {
    let node = bereft(&*rig, Loss::Silent).await;
    let calls = async {
        for _ in 0..1_000 {
            node.get("k").await;
        }
    };
    timeout(Duration::from_secs(10), calls).await.expect("1,000 calls do not each wait for the server");
}

pub(super) async fn it_finds_its_server_again(rig: Arc<dyn Rig>) {
    for loss in [Loss::Killed, Loss::Silent] {
        let node = bereft(&*rig, loss).await;
        // Only a call tells it that the server has gone.
        node.get("k").await;
        rig.return_server().await;
        eventually(rig.patience(), || async {
            node.set("again", Bytes::from_static(b"v"), LONG).await;
            node.get("again").await
        })
        .await;
        eventually_true(rig.patience(), || async { node.check().await.is_ok() }).await;
        let degraded = node.stats().degraded;
        assert_eq!(node.add(&format!("{loss:?}"), 1, LONG).await, Some(1));
        assert_eq!(node.stats().degraded, degraded);
    }
}
