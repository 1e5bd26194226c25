//! What a client has of the logs it follows: the rule that applies each entry once and in order.

use std::collections::BTreeMap;

use tertulia_contracts::{ConversationId, frames::Resume};

/// What to do with an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It is the next: apply it.
    Apply,
    /// It was applied before: drop it.
    Known,
    /// Entries are missing: ask the log for what follows this position.
    Hole {
        /// The last position that was applied.
        after: u64,
    },
}

/// The positions reached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Timeline {
    /// What they are counted in; absent before the first `ready`.
    pub epoch: Option<String>,
    /// In the user's own log.
    pub useq: u64,
    /// In each conversation that is followed.
    pub seqs: BTreeMap<ConversationId, u64>,
}

impl Timeline {
    /// What a hello says to go on from here.
    pub fn resume(&self) -> Resume {
        Resume { epoch: self.epoch.clone(), useq: self.useq, seqs: self.seqs.clone() }
    }

    /// Judges an entry of a conversation and moves forward if it is the next.
    pub fn step(&mut self, c: ConversationId, seq: u64) -> Step {
        // Not followed any more: an event that was on its way when it was closed.
        self.seqs.get_mut(&c).map_or(Step::Known, |last| step(last, seq))
    }

    /// Judges an entry of the user's own log and moves forward if it is the next.
    pub fn step_user(&mut self, useq: u64) -> Step {
        step(&mut self.useq, useq)
    }
}

fn step(last: &mut u64, seq: u64) -> Step {
    if seq <= *last {
        return Step::Known;
    }
    if seq > *last + 1 {
        return Step::Hole { after: *last };
    }
    *last = seq;
    Step::Apply
}

#[cfg(test)]
mod tests {
    use ulid::Ulid;

    use super::*;

    #[test]
    fn an_entry_is_applied_once_and_only_when_it_is_the_next() {
        let c = ConversationId::from_ulid(Ulid::nil());
        let mut timeline = Timeline { seqs: BTreeMap::from([(c, 4)]), ..Timeline::default() };
        assert_eq!(timeline.step(c, 5), Step::Apply);
        assert_eq!(timeline.step(c, 5), Step::Known);
        assert_eq!(timeline.step(c, 8), Step::Hole { after: 5 });
        assert_eq!(timeline.step(c, 6), Step::Apply);
        assert_eq!(timeline.resume().seqs[&c], 6);
        assert_eq!(timeline.step_user(1), Step::Apply);
        let stranger = ConversationId::from_ulid(Ulid::from_parts(1, 1));
        assert_eq!(timeline.step(stranger, 1), Step::Known);
    }
}
