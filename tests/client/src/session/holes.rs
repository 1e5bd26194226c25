//! Reading what the socket did not tell.

use tertulia_contracts::ConversationId;

use super::{Client, Over};
use crate::{Closed, Network, Step};

/// Entries of one page of a log.
const PAGE: usize = 200;

impl<N: Network> Client<N> {
    /// Reads what lies behind `after` up to `until` from the log and applies it.
    pub(super) async fn fill(&mut self, c: ConversationId, mut after: u64, until: u64) -> Result<(), Over> {
        while after < until {
            let page = self.network.log(c, after, PAGE).await?;
            for entry in &page.items {
                if self.timeline.step(c, entry.seq) == Step::Apply {
                    self.journal.shown(c, entry.seq, &entry.e);
                    after = entry.seq;
                }
            }
            if page.items.is_empty() {
                return Err(Over::Closed(Closed::broken(format!(
                    "the log of {c} ends at {after}, before {until}"
                ))));
            }
        }
        Ok(())
    }

    pub(super) async fn fill_own(&mut self, mut after: u64, until: u64) -> Result<(), Over> {
        while after < until {
            let page = self.network.my_log(after, PAGE).await?;
            for entry in &page.items {
                if self.timeline.step_user(entry.useq) == Step::Apply {
                    self.journal.told(entry.useq, &entry.e);
                    after = entry.useq;
                }
            }
            if page.items.is_empty() {
                return Err(Over::Closed(Closed::broken(format!(
                    "the user's log ends at {after}, before {until}"
                ))));
            }
        }
        Ok(())
    }
}
