//! How polls are voted in: what somebody chooses, and the fact it becomes.

use serde::{Deserialize, Serialize};
use tertulia_contracts::{
    UserId,
    messaging::{Fact, MAX_POLL_LIFE, Message, NewPoll, Poll},
};
use tertulia_runtime::Timestamp;

use crate::Error;

/// Who chose what. It stands beside the entry, since the fact of an anonymous poll does not say so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ballot {
    /// Who.
    pub user_id: UserId,
    /// What, ascending; nothing if they took their vote back.
    pub options: Vec<u8>,
}

/// Whether a poll may be asked until its end.
pub fn check_end(poll: &NewPoll, at: Timestamp) -> Result<(), Error> {
    match poll.closes_at {
        Some(end) if end <= at => Err(Error::invalid("poll.closes_at", "must lie ahead")),
        Some(end) if end > at.plus(MAX_POLL_LIFE) => {
            Err(Error::invalid("poll.closes_at", "must lie at most 366 days ahead"))
        }
        _ => Ok(()),
    }
}

/// Whether nobody may vote any more.
pub fn is_over(poll: &Poll, at: Timestamp) -> bool {
    poll.closed_at.is_some() || poll.closes_at.is_some_and(|end| end <= at)
}

/// Whether this can be chosen.
pub fn check_choice(poll: &Poll, options: &[u8]) -> Result<(), Error> {
    if options.iter().any(|option| usize::from(*option) >= poll.options.len()) {
        return Err(Error::invalid("options", "there is no such option"));
    }
    if options.len() > 1 && !poll.multiple {
        return Err(Error::invalid("options", "choose one"));
    }
    Ok(())
}

/// The fact that somebody chooses this who chose that before.
pub fn voted(
    (message, poll): (&Message, &Poll),
    before: &[u8],
    after: &[u8],
    by: UserId,
    at: Timestamp,
) -> Fact {
    let has = |choice: &[u8], option: usize| choice.iter().any(|it| usize::from(*it) == option);
    let counted = poll.options.iter().enumerate().map(|(index, option)| {
        (option.votes + u64::from(has(after, index))).saturating_sub(u64::from(has(before, index)))
    });
    // Whoever takes a vote back was counted, or else what was read is of two moments and the append will conflict.
    let people = (poll.voters + u64::from(!after.is_empty())).saturating_sub(u64::from(!before.is_empty()));
    Fact::PollVoted {
        message_id: message.id,
        message_seq: message.seq,
        votes: counted.collect(),
        voters: people,
        by: (!poll.anonymous).then_some(by),
        options: if poll.anonymous { Vec::new() } else { after.to_vec() },
        at,
    }
}

/// Folds a fact into a poll, as `reader` sees it.
pub fn apply_to_poll(poll: &mut Poll, fact: &Fact, reader: Option<UserId>) {
    match fact {
        Fact::PollVoted { votes, voters, by, options, .. } => {
            poll.options.iter_mut().zip(votes).for_each(|(option, votes)| option.votes = *votes);
            poll.voters = *voters;
            if by.is_some() && *by == reader {
                poll.my_vote.clone_from(options);
            }
        }
        Fact::PollClosed { at, .. } => poll.closed_at = Some(*at),
        _ => {}
    }
}
