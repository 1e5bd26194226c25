//! How fast one socket may speak: the generic cell rate algorithm (ITU-T I.371, annex A) in two words.

use std::time::Duration;

use tokio::time::Instant;

/// A rate and a burst, and where one socket stands in them.
pub(crate) struct Rate {
    interval: Duration,
    tolerance: Duration,
    theoretical_arrival: Option<Instant>,
}

impl Rate {
    /// So many a second on the long run, so many at once.
    pub(crate) fn new(per_second: f64, burst: u32) -> Self {
        let interval = Duration::from_secs_f64(1.0 / per_second);
        Self { interval, tolerance: interval * burst.saturating_sub(1), theoretical_arrival: None }
    }

    /// Whether one more conforms now; one that does not costs nothing.
    pub(crate) fn allow(&mut self, now: Instant) -> bool {
        let arrival = self.theoretical_arrival.map_or(now, |at| at.max(now));
        if arrival - now > self.tolerance {
            return false;
        }
        self.theoretical_arrival = Some(arrival + self.interval);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_the_burst_passes_at_once_and_the_rate_after_it() {
        let start = Instant::now();
        let mut rate = Rate::new(50.0, 200);
        assert_eq!((0..1_000).filter(|_| rate.allow(start)).count(), 200);
        let later = start + Duration::from_secs(1);
        assert_eq!((0..1_000).filter(|_| rate.allow(later)).count(), 50);
        let much_later = start + Duration::from_mins(1);
        assert_eq!((0..1_000).filter(|_| rate.allow(much_later)).count(), 200);
    }
}
