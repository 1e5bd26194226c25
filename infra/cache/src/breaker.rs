//! Leaves a server that failed alone for a while, so that a dead one costs its callers next to nothing.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokio::time::Instant;

/// Closed while calls succeed. A failure opens it; each time that its patience is over one call may try.
pub(crate) struct Breaker {
    started: Instant,
    patience: Duration,
    /// In milliseconds since the start, never zero then; zero while closed.
    open_until_ms: AtomicU64,
}

impl Breaker {
    pub(crate) fn new(patience: Duration) -> Self {
        Self { started: Instant::now(), patience, open_until_ms: AtomicU64::new(0) }
    }

    /// Whether a call may be made now. Whoever asks must report how it went.
    pub(crate) fn permits(&self) -> bool {
        let until_ms = self.open_until_ms.load(Ordering::Relaxed);
        if until_ms == 0 {
            return true;
        }
        let (now_ms, next_ms) = self.now_and_next_ms();
        let exchange =
            || self.open_until_ms.compare_exchange(until_ms, next_ms, Ordering::Relaxed, Ordering::Relaxed);
        now_ms >= until_ms && exchange().is_ok()
    }

    /// Closes it; says whether it was open.
    pub(crate) fn succeeded(&self) -> bool {
        // Looked at first, so that calls that go well share the cache line.
        self.open_until_ms.load(Ordering::Relaxed) != 0 && self.open_until_ms.swap(0, Ordering::Relaxed) != 0
    }

    /// Opens it; says whether it was closed.
    pub(crate) fn failed(&self) -> bool {
        let (_, next_ms) = self.now_and_next_ms();
        self.open_until_ms.swap(next_ms, Ordering::Relaxed) == 0
    }

    fn now_and_next_ms(&self) -> (u64, u64) {
        let elapsed = self.started.elapsed();
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        (ms(elapsed), ms(elapsed + self.patience).max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_opens_it_and_a_success_closes_it() {
        let breaker = Breaker::new(Duration::from_hours(1));
        assert!(breaker.permits());
        assert!(breaker.failed());
        assert!(!breaker.permits());
        assert!(!breaker.failed(), "it was open already");
        assert!(breaker.succeeded());
        assert!(breaker.permits());
        assert!(!breaker.succeeded(), "it was closed already");
    }

    #[test]
    fn when_its_patience_is_over_one_call_may_try() {
        let breaker = Breaker::new(Duration::from_hours(1));
        breaker.open_until_ms.store(1, Ordering::Relaxed);
        while breaker.now_and_next_ms().0 < 1 {
            std::thread::yield_now();
        }
        assert!(breaker.permits());
        assert!(!breaker.permits());
    }
}
