//! Counters and quotas: exact under many callers on two nodes.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use futures_util::future::join_all;
use tertulia_runtime::testkit::eventually;
use tokio::time::Instant;

use super::{LONG, Rig};
use crate::{Admission, Cache, Quota};

const CALLERS: usize = 100;

/// A hundred callers, half of them on each of two nodes.
async fn callers(rig: &dyn Rig) -> Vec<Arc<dyn Cache>> {
    let nodes = [rig.node().await, rig.node().await];
    (0..CALLERS).map(|caller| nodes[caller % 2].clone()).collect()
}

pub(super) async fn a_counter_is_exact_under_many_callers(rig: Arc<dyn Rig>) {
    const EACH: usize = 10;
    let adding = callers(&*rig).await.into_iter().map(|node| async move {
        let mut seen = Vec::new();
        for _ in 0..EACH {
            seen.extend(node.add("k", 1, LONG).await);
        }
        seen
    });
    let seen: BTreeSet<u64> = join_all(adding).await.into_iter().flatten().collect();
    let expected: BTreeSet<u64> = (1..).take(CALLERS * EACH).collect();
    assert!(seen == expected, "{} different values of {}", seen.len(), expected.len());
    assert_eq!(rig.node().await.add("another", 5, LONG).await, Some(5));
}

pub(super) async fn a_counter_expires_so_long_after_it_began(rig: Arc<dyn Rig>) {
    let node = rig.node().await;
    node.add("k", 1_000_000, Duration::from_millis(200)).await;
    // Each of these touches it: if that prolonged it, it would never end.
    let restarted = eventually(rig.patience(), || async {
        node.add("k", 1, LONG).await.filter(|value| *value < 1_000_000)
    });
    assert_eq!(restarted.await, 1);
    assert_eq!(node.add("k", 1, Duration::from_millis(1)).await, Some(2));
}

pub(super) async fn a_quota_allows_exactly_its_burst(rig: Arc<dyn Rig>) {
    const BURST: u32 = 30;
    let quota = Quota { burst: BURST, period: LONG };
    let asking = callers(&*rig).await.into_iter().map(|node| async move { node.admit("k", quota).await });
    let (allowed, refused): (Vec<Admission>, Vec<_>) =
        join_all(asking).await.into_iter().partition(|admission| admission.allowed);
    let remaining: BTreeSet<u32> = allowed.iter().map(|admission| admission.remaining).collect();
    assert_eq!(allowed.len(), BURST as usize);
    assert_eq!(remaining, (0..BURST).collect(), "each was told another remainder");
    assert!(refused.iter().all(|admission| admission.remaining == 0));
    assert!(rig.node().await.admit("another", quota).await.allowed);
}

pub(super) async fn a_quota_refills_one_a_period(rig: Arc<dyn Rig>) {
    const PERIOD: Duration = Duration::from_millis(100);
    const MORE: u32 = 5;
    let node = rig.node().await;
    let quota = Quota { burst: 2, period: PERIOD };
    let begun = Instant::now();
    for _ in 0..quota.burst {
        assert!(node.admit("k", quota).await.allowed);
    }
    for _ in 0..MORE {
        eventually(rig.patience(), || async { node.admit("k", quota).await.allowed.then_some(()) }).await;
    }
    // A twentieth for the server's clock, which may be stepped.
    assert!(begun.elapsed() >= PERIOD * MORE * 19 / 20, "it took only {:?}", begun.elapsed());
}

pub(super) async fn a_refusal_says_when_to_come_back(rig: Arc<dyn Rig>) {
    let node = rig.node().await;
    let quota = Quota { burst: 1, period: Duration::from_millis(300) };
    let first = node.admit("k", quota).await;
    assert_eq!((first.allowed, first.remaining, first.retry_after), (true, 0, Duration::ZERO));
    let second = node.admit("k", quota).await;
    assert!(!second.allowed);
    assert!(second.retry_after > Duration::ZERO && second.retry_after <= quota.period, "{second:?}");
    tokio::time::sleep(second.retry_after + Duration::from_millis(5)).await;
    assert!(node.admit("k", quota).await.allowed, "what was said of when was not true");
}
