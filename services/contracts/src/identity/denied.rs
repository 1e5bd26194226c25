//! Accounts of which not every access token is good that has not expired: somebody was suspended, or holds another office.
//!
//! An account's tokens carry its epoch, which grows when what they say of it is no longer so. Those of an earlier one are
//! refused, and nobody compares clocks. Once every earlier token has expired by itself, there is nothing to remember.

use std::collections::HashMap;

use arc_swap::ArcSwap;
use serde::{Deserialize, Serialize};
use tertulia_runtime::Timestamp;

use crate::UserId;

/// Where auth tells which. Not in the route table, so that no gateway leads there.
pub const DENIALS_PATH: &str = "/internal/denials";
/// So many are told at once, the newest: whoever changes more accounts within an access token's life leaves what a process
/// that starts meanwhile does not know.
pub const MAX_DENIALS: usize = 1_000;

/// Tokens of this account that are of an earlier epoch are no longer good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Denial {
    /// Whose.
    pub user_id: UserId,
    /// The first epoch that is good.
    pub least_epoch: u64,
    /// When all earlier ones have expired.
    pub until: Timestamp,
}

/// What auth tells.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Denials {
    /// The newest first.
    pub items: Vec<Denial>,
}

/// The denials that last.
#[derive(Default)]
pub(super) struct Denied(ArcSwap<HashMap<UserId, Denial>>);

impl Denied {
    /// Adds what was heard. In any order and any number of times: an account's epoch does not go back.
    pub(super) fn hear(&self, denials: &[Denial], now: Timestamp) {
        self.0.rcu(|known| {
            let mut known = HashMap::clone(known);
            known.retain(|_, denial| now < denial.until);
            for denial in denials.iter().filter(|denial| now < denial.until) {
                let newest = known.entry(denial.user_id).or_insert(*denial);
                if newest.least_epoch <= denial.least_epoch {
                    *newest = *denial;
                }
            }
            known
        });
    }

    /// Whether a token of this account and epoch is still good.
    pub(super) fn admits(&self, user_id: UserId, epoch: u64) -> bool {
        self.0.load().get(&user_id).is_none_or(|denial| denial.least_epoch <= epoch)
    }
}

#[cfg(test)]
mod tests {
    use tertulia_runtime::testkit::frozen;

    use super::*;

    #[test]
    fn what_is_heard_late_or_twice_takes_nothing_back_and_all_is_forgotten_in_time() {
        let (ambient, clock) = frozen(1);
        let (denied, user_id) = (Denied::default(), ambient.ids.next());
        let minute = std::time::Duration::from_mins(1);
        let denial = |least_epoch| Denial { user_id, least_epoch, until: ambient.now().plus(minute) };
        let (first, second) = (denial(1), denial(2));
        for heard in [second, first, second] {
            denied.hear(&[heard], ambient.now());
            assert!(!denied.admits(user_id, 1) && denied.admits(user_id, 2));
            assert!(denied.admits(ambient.ids.next(), 0), "others are not meant");
        }
        clock.advance(minute);
        denied.hear(&[first], ambient.now());
        assert!(denied.0.load().is_empty());
    }
}
