//! How a gateway leaves. What it carries for long, the tunnels of sockets and streams of events, would end all at once
//! with its process, and all those clients would come to the other gateways in the same moment. So each ends at a
//! moment of its own, and the gateway waits for the last.

use std::{sync::Arc, time::Duration};

use tertulia_mesh::Until;
use tertulia_runtime::{Entropy, entropy::random_part, lifecycle::CancellationToken};
use tokio::sync::watch;

/// Ends what is carried for long when the process leaves.
pub(crate) struct Leaving {
    stopping: CancellationToken,
    entropy: Arc<dyn Entropy>,
    spread: Duration,
    /// Has a receiver for all that is carried.
    carried: watch::Sender<()>,
}

impl Leaving {
    pub(crate) fn new(stopping: CancellationToken, entropy: Arc<dyn Entropy>, spread: Duration) -> Self {
        Self { stopping, entropy, spread, carried: watch::Sender::new(()) }
    }

    /// How long the next one is carried.
    pub(crate) fn until(&self) -> Until {
        let (stopping, carried) = (self.stopping.clone(), self.carried.subscribe());
        let moment = random_part(&*self.entropy, self.spread);
        Until::new(async move {
            stopping.cancelled().await;
            tokio::time::sleep(moment).await;
            drop(carried);
        })
    }

    /// The process leaves and nothing is carried any more.
    pub(crate) async fn done(&self) {
        self.stopping.cancelled().await;
        self.carried.closed().await;
    }
}

#[cfg(test)]
mod tests {
    use tertulia_runtime::entropy::SeededEntropy;
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_carried_ends_at_moments_of_its_own_and_the_gateway_waits_for_the_last() {
        let (stopping, spread) = (CancellationToken::new(), Duration::from_secs(2));
        let leaving = Leaving::new(stopping.clone(), Arc::new(SeededEntropy::new(3)), spread);
        let carried: Vec<Until> = (0..100).map(|_| leaving.until()).collect();
        drop(leaving.until());
        stopping.cancel();
        let begin = Instant::now();
        let ends = carried.into_iter().map(|until| async move {
            until.await;
            begin.elapsed()
        });
        let (ends, ()) = tokio::join!(futures_util::future::join_all(ends), leaving.done());
        let last = ends.iter().max().copied().unwrap();
        assert!(last <= spread + Duration::from_millis(1) && begin.elapsed() == last, "{last:?}");
        let early = ends.iter().filter(|end| **end < spread / 2).count();
        assert!((30..70).contains(&early), "{early} of 100 in the first half");
    }
}
