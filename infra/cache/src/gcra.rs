//! The generic cell rate algorithm (ITU-T I.371, Annex A, virtual scheduling): one number a quota, the moment
//! at which the bucket would be full again if nothing more came. The script for Redis says the same in Lua.

use std::time::Duration;

use crate::{Admission, Quota};

/// A quota in whole microseconds, within bounds that neither a 64-bit integer nor a double overflows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    /// The time that one costs; at least 1.
    pub(crate) period_us: u64,
    /// So many at once; at least 1.
    pub(crate) burst: u64,
}

/// A day: what is rarer than that is no rate.
const PERIOD_MAX_US: u64 = 86_400_000_000;

impl From<Quota> for Terms {
    fn from(quota: Quota) -> Self {
        let period_us = u64::try_from(quota.period.as_micros()).unwrap_or(u64::MAX);
        Self {
            period_us: period_us.clamp(1, PERIOD_MAX_US),
            burst: u64::from(quota.burst.max(1)).min(1 << 16),
        }
    }
}

impl Terms {
    /// How long a quota is remembered after it was last asked: then it is full, as if it had never been used.
    pub(crate) fn lifetime(self) -> Duration {
        Duration::from_micros(self.period_us * self.burst)
    }

    /// Takes one at `now_us`, given that the bucket is full at `full_at_us`; says when it is full after that.
    pub(crate) fn admit(self, full_at_us: u64, now_us: u64) -> (Admission, u64) {
        let next_full_us = full_at_us.max(now_us) + self.period_us;
        let tolerance_us = self.period_us * self.burst;
        let Some(spare_us) = (now_us + tolerance_us).checked_sub(next_full_us) else {
            let retry_after = Duration::from_micros(next_full_us - now_us - tolerance_us);
            return (Admission { allowed: false, remaining: 0, retry_after }, full_at_us);
        };
        let remaining = u32::try_from(spare_us / self.period_us).unwrap_or(u32::MAX);
        (Admission { allowed: true, remaining, retry_after: Duration::ZERO }, next_full_us)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERMS: Terms = Terms { period_us: 1_000, burst: 3 };

    #[test]
    fn a_burst_is_allowed_at_once_and_then_one_a_period() {
        let mut full_at_us = 0;
        let mut take = |now_us| {
            let (admission, next) = TERMS.admit(full_at_us, now_us);
            full_at_us = next;
            (admission.allowed, admission.remaining, admission.retry_after.as_micros())
        };
        let start_us = 1_000_000;
        assert_eq!(take(start_us), (true, 2, 0));
        assert_eq!(take(start_us), (true, 1, 0));
        assert_eq!(take(start_us), (true, 0, 0));
        assert_eq!(take(start_us), (false, 0, 1_000));
        assert_eq!(take(start_us + 400), (false, 0, 600));
        assert_eq!(take(start_us + 1_000), (true, 0, 0));
        assert_eq!(take(start_us + 1_000), (false, 0, 1_000));
        assert_eq!(take(start_us + 10_000), (true, 2, 0));
    }

    #[test]
    fn absurd_terms_are_brought_within_bounds() {
        let quotas =
            [Quota { burst: 0, period: Duration::ZERO }, Quota { burst: u32::MAX, period: Duration::MAX }];
        for quota in quotas {
            let (admission, _) = Terms::from(quota).admit(u64::MAX >> 11, 1_000_000);
            assert!(!admission.allowed);
            assert!(Terms::from(quota).admit(0, u64::MAX >> 11).0.allowed);
        }
    }
}
