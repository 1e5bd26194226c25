//! Whether an instance is to be asked at all, from how it answered. A state machine that is told the time.
//!
//! *Closed* it is asked; *open* it is left alone for a while; when that is over, one request tries it (*half open*,
//! Nygard, Release It!) and decides for all. Each time in a row that it is left alone lasts twice as long.

use std::time::Duration;

use tokio::time::Instant;

/// When an instance is taken out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    /// How long it is left alone the first time.
    pub(crate) pass_over: Duration,
    /// Answers are counted over this time.
    pub(crate) window: Duration,
    /// So many failures in it, if they are half of the answers, take it out.
    pub(crate) failures: u32,
}

/// The longest that an instance is left alone, unless the first time is longer.
const LONGEST: Duration = Duration::from_secs(30);
/// Doublings after which the time cannot matter any more.
const DOUBLINGS: u32 = 8;

/// How an attempt ended, as far as it tells something about the instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It answered.
    Good,
    /// It could not be connected to.
    Refused,
    /// It broke off, answered that it had failed, or did not answer in time.
    Failed,
}

/// Why an instance is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    Refusing,
    Failing,
}

#[derive(Debug, Clone, Copy, Default)]
enum State {
    #[default]
    Closed,
    Open {
        until: Instant,
        cause: Cause,
    },
    Probed {
        cause: Cause,
    },
}

/// One instance's record.
#[derive(Debug, Default)]
pub(crate) struct Breaker {
    state: State,
    /// How often in a row it was taken out.
    trips: u32,
    window_end: Option<Instant>,
    answers: u32,
    failures: u32,
}

impl Breaker {
    /// Why it is not to be asked now, if it is not.
    pub(crate) fn out(&self, now: Instant) -> Option<Cause> {
        match self.state {
            State::Open { until, cause } if until > now => Some(cause),
            State::Probed { cause } => Some(cause),
            State::Closed | State::Open { .. } => None,
        }
    }

    /// A request is about to be sent there; whether it is the one that tries it.
    pub(crate) fn enter(&mut self, now: Instant) -> bool {
        match self.state {
            State::Open { until, cause } if until <= now => {
                self.state = State::Probed { cause };
                true
            }
            _ => false,
        }
    }

    /// The request that tried it ended without telling anything.
    pub(crate) fn abandon(&mut self, now: Instant) {
        if let State::Probed { cause } = self.state {
            self.state = State::Open { until: now, cause };
        }
    }

    /// Takes a verdict; returns why the instance is taken out, if it is by this one.
    pub(crate) fn judge(
        &mut self,
        verdict: Verdict,
        is_probe: bool,
        rules: &Rules,
        now: Instant,
    ) -> Option<Cause> {
        if is_probe {
            if verdict == Verdict::Good {
                *self = Self::default();
                return None;
            }
        } else if !matches!(self.state, State::Closed) {
            // It was asked for want of others; only the probe decides.
            return None;
        }
        let cause = match verdict {
            Verdict::Refused => Cause::Refusing,
            Verdict::Failed | Verdict::Good => {
                self.count(verdict, rules, now);
                let is_outlier = self.failures >= rules.failures && self.failures * 2 >= self.answers;
                if !is_probe && !is_outlier {
                    return None;
                }
                Cause::Failing
            }
        };
        let alone = rules.pass_over * 2_u32.pow(self.trips.min(DOUBLINGS));
        let until = now + alone.min(LONGEST.max(rules.pass_over));
        *self = Self { state: State::Open { until, cause }, trips: self.trips + 1, ..Self::default() };
        Some(cause)
    }

    /// Whether there is nothing to remember.
    pub(crate) fn is_fresh(&self, now: Instant) -> bool {
        matches!(self.state, State::Closed)
            && (self.failures == 0 || self.window_end.is_none_or(|end| end <= now))
    }

    fn count(&mut self, verdict: Verdict, rules: &Rules, now: Instant) {
        if self.window_end.is_none_or(|end| end <= now) {
            self.window_end = Some(now + rules.window);
            (self.answers, self.failures) = (0, 0);
        }
        self.answers = self.answers.saturating_add(1);
        self.failures += u32::from(verdict == Verdict::Failed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const RULES: Rules = Rules { pass_over: SECOND, window: Duration::from_secs(10), failures: 3 };

    fn judged(breaker: &mut Breaker, verdict: Verdict, now: Instant) -> Option<Cause> {
        let is_probe = breaker.enter(now);
        breaker.judge(verdict, is_probe, &RULES, now)
    }

    #[test]
    fn failures_take_it_out_only_within_a_window_and_as_half_of_the_answers() {
        let begin = Instant::now();
        let mut scattered = Breaker::default();
        for n in 0..20 {
            assert_eq!(judged(&mut scattered, Verdict::Failed, begin + n * 6 * SECOND), None);
        }
        let mut rare = Breaker::default();
        for verdict in [Verdict::Good, Verdict::Good, Verdict::Failed].repeat(20) {
            assert_eq!(judged(&mut rare, verdict, begin), None);
        }
        let mut failing = Breaker::default();
        assert_eq!(judged(&mut failing, Verdict::Failed, begin), None);
        assert_eq!(judged(&mut failing, Verdict::Failed, begin), None);
        assert_eq!(judged(&mut failing, Verdict::Failed, begin), Some(Cause::Failing));
        assert_eq!(failing.out(begin), Some(Cause::Failing));
    }

    #[test]
    fn one_probe_decides_and_the_time_alone_doubles_up_to_its_end() {
        let mut now = Instant::now();
        let mut breaker = Breaker::default();
        assert_eq!(judged(&mut breaker, Verdict::Refused, now), Some(Cause::Refusing));
        for alone in [1, 2, 4, 8, 16, 30, 30] {
            now += alone * SECOND;
            assert!(breaker.out(now - SECOND / 2).is_some(), "it is left alone for {alone} s");
            assert!(breaker.out(now).is_none());
            assert!(breaker.enter(now), "the first is the probe");
            assert!(breaker.out(now).is_some() && !breaker.enter(now), "and the only one");
            assert_eq!(breaker.judge(Verdict::Refused, true, &RULES, now), Some(Cause::Refusing));
        }
        now += 30 * SECOND;
        assert!(breaker.enter(now));
        breaker.abandon(now);
        assert!(breaker.enter(now), "a probe that told nothing is made up for");
        assert_eq!(breaker.judge(Verdict::Good, true, &RULES, now), None);
        assert!(breaker.is_fresh(now));
    }

    #[test]
    fn what_is_asked_for_want_of_others_changes_nothing() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        judged(&mut breaker, Verdict::Refused, now);
        for verdict in [Verdict::Good, Verdict::Refused, Verdict::Failed] {
            assert_eq!(judged(&mut breaker, verdict, now), None);
        }
        assert!(breaker.out(now + SECOND / 2).is_some() && breaker.out(now + SECOND).is_none());
    }
}
