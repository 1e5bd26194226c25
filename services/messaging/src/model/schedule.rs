//! When messages may be scheduled for, and what becomes of one that is refused when its time has come.

use std::time::Duration;

use tertulia_contracts::messaging::{MAX_SCHEDULE_AHEAD, MAX_SCHEDULE_LATE};
use tertulia_runtime::{Fault, Kind, Timestamp};

use crate::Error;

/// Whether a message may be scheduled for this time.
pub fn check_time(send_at: Timestamp, now: Timestamp) -> Result<(), Error> {
    if send_at <= now {
        return Err(Error::invalid("send_at", "must lie ahead"));
    }
    if send_at > now.plus(MAX_SCHEDULE_AHEAD) {
        return Err(Error::invalid("send_at", "must lie at most 366 days ahead"));
    }
    Ok(())
}

/// Whether it is too late for a message of this time.
pub fn is_too_late(send_at: Timestamp, now: Timestamp) -> bool {
    now.since(send_at) > MAX_SCHEDULE_LATE
}

/// What becomes of a message that was not posted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Whatever is tried, it will not be posted: its author has to know.
    Failed,
    /// It will be posted after so long.
    PutOff(Duration),
    /// Whether it was posted is not known; it is tried again when whoever tried is taken for dead.
    InDoubt,
}

/// What a failure to post means.
pub fn outcome_of(error: &Error) -> Outcome {
    match error.kind() {
        Kind::NotFound | Kind::Conflict | Kind::Invalid | Kind::Unauthenticated | Kind::Forbidden => {
            Outcome::Failed
        }
        Kind::RateLimited => Outcome::PutOff(error.retry_after().unwrap_or(Duration::from_secs(1))),
        Kind::Unavailable | Kind::Timeout | Kind::Internal => Outcome::InDoubt,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_lies_ahead_and_at_most_a_year() {
        let now = Timestamp::from_millis(1_700_000_000_000);
        let last = now.plus(MAX_SCHEDULE_AHEAD);
        assert!(check_time(now, now).is_err());
        assert!(check_time(now.plus(Duration::from_millis(1)), now).is_ok());
        assert!(check_time(last, now).is_ok());
        assert!(check_time(last.plus(Duration::from_millis(1)), now).is_err());
        assert!(!is_too_late(now, now.plus(MAX_SCHEDULE_LATE)));
        assert!(is_too_late(now, now.plus(MAX_SCHEDULE_LATE + Duration::from_millis(1))));
    }

    #[test]
    fn what_may_pass_by_itself_is_tried_again() {
        assert_eq!(outcome_of(&Error::NoSuchConversation), Outcome::Failed);
        assert_eq!(outcome_of(&Error::ClientIdReused), Outcome::Failed);
        assert_eq!(outcome_of(&Error::Busy), Outcome::PutOff(Duration::from_secs(1)));
        assert_eq!(outcome_of(&Error::Stopped), Outcome::InDoubt);
    }
}
