//! What the clocks of a run say: the true time, which may leap ahead, and what each machine takes it for.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
    time::Duration,
};

use tertulia_runtime::{Clock, Timestamp};
use tokio::time::Instant;

/// The true time at the beginning: 2026-01-01T00:00:00Z.
const START: i64 = 1_767_225_600_000;
/// A machine's clock is wrong by so much at most, either way. What the product promises about time it keeps to that.
pub(crate) const MOST_WRONG: Duration = Duration::from_secs(10);

/// The true time.
pub(crate) struct Clocks {
    began: Instant,
    /// When the time leapt, and how far in all by then.
    leaps: Mutex<Vec<(Instant, Duration)>>,
}

impl Clocks {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { began: Instant::now(), leaps: Mutex::default() })
    }

    /// So much time is over at once, in which nobody did anything.
    pub(crate) fn leap(&self, by: Duration) {
        let mut leaps = self.leaps.lock().unwrap_or_else(PoisonError::into_inner);
        let before = leaps.last().map_or(Duration::ZERO, |(_, leapt)| *leapt);
        leaps.push((Instant::now(), before + by));
    }

    /// How often it has leapt.
    pub(crate) fn leaps(&self) -> usize {
        self.leaps.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// When a moment came, for those who were there; none if it lies ahead.
    pub(crate) fn came(&self, moment: Timestamp) -> Option<Instant> {
        if moment > self.now() {
            return None;
        }
        let after = moment.since(Timestamp::from_millis(START));
        let all = self.leaps.lock().unwrap_or_else(PoisonError::into_inner);
        let mut leapt = Duration::ZERO;
        for (at, by_then) in all.iter() {
            let came = self.began + after.saturating_sub(leapt);
            if came <= *at {
                return Some(came);
            }
            leapt = *by_then;
            if self.began + after.saturating_sub(leapt) <= *at {
                return Some(*at);
            }
        }
        Some(self.began + after.saturating_sub(leapt))
    }
}

impl Clock for Clocks {
    fn now(&self) -> Timestamp {
        let leapt = self.leaps.lock().unwrap_or_else(PoisonError::into_inner).last().map(|(_, leapt)| *leapt);
        Timestamp::from_millis(START).plus(self.began.elapsed() + leapt.unwrap_or_default())
    }
}

/// What one machine takes the time for.
pub(crate) struct MachineClock {
    clocks: Arc<Clocks>,
    wrong_ms: AtomicI64,
}

impl MachineClock {
    /// One that is wrong by so much.
    pub(crate) fn new(clocks: Arc<Clocks>, wrong_ms: i64) -> Arc<Self> {
        Arc::new(Self { clocks, wrong_ms: AtomicI64::new(wrong_ms) })
    }

    /// From now on it is wrong by so much.
    pub(crate) fn set_wrong(&self, by_ms: i64) {
        self.wrong_ms.store(by_ms, Relaxed);
    }
}

impl Clock for MachineClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.clocks.now().as_millis() + self.wrong_ms.load(Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_a_leap_passes_over_came_with_it() {
        let (clocks, began) = (Clocks::new(), Instant::now());
        let at = |seconds: i64| Timestamp::from_millis(START + seconds * 1_000);
        let came = |seconds| clocks.came(at(seconds)).map(|came| came.duration_since(began).as_secs());
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!((came(3), came(5), came(6)), (Some(3), Some(5), None));
        clocks.leap(Duration::from_mins(1));
        assert_eq!((came(3), came(6), came(65), came(66)), (Some(3), Some(5), Some(5), None));
        tokio::time::advance(Duration::from_secs(2)).await;
        clocks.leap(Duration::from_mins(1));
        assert_eq!((came(40), came(66), came(67), came(127)), (Some(5), Some(6), Some(7), Some(7)));
        assert_eq!((clocks.now(), clocks.leaps()), (at(127), 2));
    }
}
