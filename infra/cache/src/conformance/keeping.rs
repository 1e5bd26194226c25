//! Values: found, forgotten, bounded, filled once.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::{FutureExt as _, future::join_all};
use tertulia_runtime::testkit::eventually_true;

use super::{LONG, Rig};
use crate::Quota;

/// Long enough to be seen in passing, short enough to be waited for.
const SHORT: Duration = Duration::from_millis(200);
const CALLERS: usize = 100;

pub(super) async fn what_is_set_is_found_on_every_node(rig: Arc<dyn Rig>) {
    let (one, other) = (rig.node().await, rig.node().await);
    assert_eq!(other.get("k").await, None);
    for value in [Bytes::from_static(b"first"), Bytes::new(), Bytes::from_static(b"\x00\xff\r\n")] {
        one.set("k", value.clone(), LONG).await;
        assert_eq!(one.get("k").await, Some(value.clone()));
        assert_eq!(other.get("k").await, Some(value));
    }
    one.check().await.expect("the server answers");
}

pub(super) async fn what_is_removed_is_gone(rig: Arc<dyn Rig>) {
    let (one, other) = (rig.node().await, rig.node().await);
    one.set("k", Bytes::from_static(b"v"), LONG).await;
    one.set("other", Bytes::from_static(b"stays"), LONG).await;
    other.remove("k").await;
    other.remove("was never there").await;
    assert_eq!(one.get("k").await, None);
    assert_eq!(one.get("other").await, Some(Bytes::from_static(b"stays")));
}

pub(super) async fn values_counters_and_quotas_have_keys_of_their_own(rig: Arc<dyn Rig>) {
    let node = rig.node().await;
    let quota = Quota { burst: 1, period: LONG };
    assert_eq!(node.add("k", 7, LONG).await, Some(7));
    assert!(node.admit("k", quota).await.allowed);
    assert_eq!(node.get("k").await, None);
    node.set("k", Bytes::from_static(b"v"), LONG).await;
    node.remove("k").await;
    assert_eq!(node.add("k", 1, LONG).await, Some(8));
    assert!(!node.admit("k", quota).await.allowed);
}

pub(super) async fn an_entry_expires(rig: Arc<dyn Rig>) {
    let node = rig.node().await;
    node.set("long", Bytes::from_static(b"v"), LONG).await;
    node.set("short", Bytes::from_static(b"v"), SHORT).await;
    node.set("shortened", Bytes::from_static(b"v"), LONG).await;
    node.set("shortened", Bytes::from_static(b"v"), SHORT).await;
    node.set("prolonged", Bytes::from_static(b"v"), SHORT).await;
    node.set("prolonged", Bytes::from_static(b"v"), LONG).await;
    node.set("brief", Bytes::from_static(b"v"), Duration::from_nanos(1)).await;
    for key in ["short", "shortened", "brief"] {
        eventually_true(rig.patience(), || async { node.get(key).await.is_none() }).await;
    }
    for key in ["long", "prolonged"] {
        assert!(node.get(key).await.is_some(), "{key} expired too soon");
    }
}

pub(super) async fn memory_is_bounded(rig: Arc<dyn Rig>) {
    const VALUE_BYTES: usize = 16 << 10;
    let (node, capacity) = (rig.node().await, rig.capacity_bytes());
    let count = 4 * capacity / VALUE_BYTES;
    for number in 0..count {
        node.set(&number.to_string(), Bytes::from(vec![7; VALUE_BYTES]), LONG).await;
    }
    let kept = || async {
        let mut bytes = 0;
        for number in 0..count {
            bytes += node.get(&number.to_string()).await.map_or(0, |value| value.len());
        }
        bytes
    };
    eventually_true(rig.patience(), || async { kept().await <= capacity }).await;
    assert!(kept().await > 0, "it has room for some and keeps none");
}

pub(super) async fn reads_are_counted(rig: Arc<dyn Rig>) {
    let node = rig.node().await;
    node.set("k", Bytes::from_static(b"v"), LONG).await;
    for key in ["k", "k", "nothing"] {
        node.get(key).await;
    }
    let stats = node.stats();
    assert_eq!((stats.hits, stats.misses, stats.degraded), (2, 1, 0));
}

pub(super) async fn callers_that_miss_together_fill_once(rig: Arc<dyn Rig>) {
    let reader = rig.read_through(rig.node().await);
    let fills = Arc::new(AtomicUsize::new(0));
    let fill = || {
        let fills = fills.clone();
        async move {
            fills.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
            Bytes::from_static(b"made")
        }
        .boxed()
    };
    for _ in 0..2 {
        let values = join_all((0..CALLERS).map(|_| reader.get_or_fill("k", fill()))).await;
        assert!(values.iter().all(|value| value == "made"));
        assert_eq!(fills.load(Ordering::Relaxed), 1, "times filled");
    }
    reader.get_or_fill("another", fill()).await;
    assert_eq!(fills.load(Ordering::Relaxed), 2, "another key is filled by itself");
}
