//! Polls: a message that asks, and what members answer.

use std::{collections::BTreeSet, time::Duration};

use garde::Validate;
use serde::{Deserialize, Serialize};
use tertulia_runtime::Timestamp;
use utoipa::ToSchema;

use crate::UserId;

/// The most characters of a poll's question.
pub const MAX_QUESTION_CHARS: usize = 300;
/// The most characters of a poll's option.
pub const MAX_OPTION_CHARS: usize = 100;
/// The fewest options of a poll.
pub const MIN_OPTIONS: usize = 2;
/// The most options of a poll.
pub const MAX_OPTIONS: usize = 12;
/// How long a poll that ends by itself may be open.
pub const MAX_POLL_LIFE: Duration = Duration::from_hours(366 * 24);

/// What a message asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPoll {
    /// What is asked.
    #[garde(length(chars, max = MAX_QUESTION_CHARS), custom(super::title))]
    #[schema(min_length = 1, max_length = 300)]
    pub question: String,
    /// What can be answered: 2 to 12 that differ.
    #[garde(
        length(min = MIN_OPTIONS, max = MAX_OPTIONS),
        custom(different),
        inner(length(chars, max = MAX_OPTION_CHARS), custom(super::title))
    )]
    #[schema(min_items = 2, max_items = 12)]
    pub options: Vec<String>,
    /// Whether one may choose several.
    #[garde(skip)]
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub multiple: bool,
    /// Whether nobody learns who chose what.
    #[garde(skip)]
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub anonymous: bool,
    /// Until when one may vote, at most 366 days ahead; until somebody closes it if absent.
    #[garde(skip)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closes_at: Option<Timestamp>,
}

/// A poll, and how it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Poll {
    /// What is asked.
    pub question: String,
    /// What can be answered, in the order given. An option is named by its place, from 0.
    pub options: Vec<PollOption>,
    /// Whether one may choose several.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub multiple: bool,
    /// Whether nobody learns who chose what.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub anonymous: bool,
    /// Until when one may vote: from this moment on it is closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closes_at: Option<Timestamp>,
    /// When somebody closed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<Timestamp>,
    /// How many people have chosen something.
    pub voters: u64,
    /// What the reader chose. Only answers that are read by one person say so; no entry does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub my_vote: Vec<u8>,
}

/// One of a poll's options.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PollOption {
    /// What it says.
    pub text: String,
    /// How many chose it.
    pub votes: u64,
}

impl From<NewPoll> for Poll {
    fn from(poll: NewPoll) -> Self {
        let NewPoll { question, options, multiple, anonymous, closes_at } = poll;
        let options = options.into_iter().map(|text| PollOption { text, votes: 0 }).collect();
        let (closed_at, voters, my_vote) = (None, 0, Vec::new());
        Self { question, options, multiple, anonymous, closes_at, closed_at, voters, my_vote }
    }
}

/// `PUT /v1/conversations/{id}/messages/{message_id}/poll/vote`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutVote {
    /// What is chosen, by its place from 0. One, unless the poll takes several.
    #[garde(length(min = 1, max = MAX_OPTIONS))]
    #[schema(min_items = 1, max_items = 12)]
    pub options: Vec<u8>,
}

/// Somebody who voted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Vote {
    /// Who.
    pub user_id: UserId,
    /// All that they chose.
    pub options: Vec<u8>,
}

/// A page of those who chose an option.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Votes {
    /// The one whose vote is oldest first.
    pub items: Vec<Vote>,
    /// Absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

fn different<C>(options: &[String], _: &C) -> garde::Result {
    let texts: BTreeSet<&str> = options.iter().map(|option| option.trim()).collect();
    if texts.len() == options.len() { Ok(()) } else { Err(garde::Error::new("must differ")) }
}
