//! Which entries of a log are acts of moderation, and what stands beside them that is not for everybody.

use super::poll::Ballot;
use serde::{Deserialize, Serialize};
use tertulia_contracts::{
    UserId,
    messaging::{Fact, Filters, Forward, Forwarded, Verdict},
};

/// What stands beside the fact of an entry. It is neither broadcast nor listed with the log nor published.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// Why it was done: for moderators, and for whom it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What was decided on a report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Verdict>,
    /// Which words and links are kept out from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filters: Option<Filters>,
    /// Which message is passed on, and whose words these are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passed_on: Option<PassedOn>,
    /// Who chose what in a poll.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ballot: Option<Ballot>,
}

/// A message that passes another one on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassedOn {
    /// What was asked for, by which a repeat is known.
    pub forward: Forward,
    /// What is told of where it comes from.
    pub forwarded: Forwarded,
}

impl Note {
    /// The note that gives this reason; none without one.
    pub fn reason(reason: Option<String>) -> Option<Self> {
        reason.map(|reason| Self { reason: Some(reason), ..Self::default() })
    }
}

/// Whether a fact keeps others in order: something done to somebody else, or to what somebody else wrote, by whoever may.
/// What was posted at a place is whose says `author`.
pub fn is_act(fact: &Fact, author: impl Fn(u64) -> Option<UserId>) -> bool {
    match fact {
        Fact::MemberLeft { user_id, by, .. } => user_id != by,
        Fact::MessageDeleted { message_seq, by, .. } | Fact::PollClosed { message_seq, by, .. } => {
            author(*message_seq) != Some(*by)
        }
        Fact::MemberRoleChanged { .. }
        | Fact::OwnerChanged { .. }
        | Fact::MemberBanned { .. }
        | Fact::MemberUnbanned { .. }
        | Fact::MemberMuted { .. }
        | Fact::MemberUnmuted { .. }
        | Fact::ReportDecided { .. }
        | Fact::FiltersChanged { .. }
        | Fact::RolePut { .. }
        | Fact::RoleDeleted { .. }
        | Fact::RoleGiven { .. }
        | Fact::RoleTaken { .. }
        | Fact::MemberOverridden { .. }
        | Fact::EmojiPut { .. }
        | Fact::EmojiRemoved { .. } => true,
        _ => false,
    }
}

/// Whom an act is about, as far as the fact alone says so.
pub fn subject(fact: &Fact) -> Option<UserId> {
    match fact {
        Fact::MemberLeft { user_id, .. }
        | Fact::MemberRoleChanged { user_id, .. }
        | Fact::OwnerChanged { to: user_id, .. }
        | Fact::MemberBanned { user_id, .. }
        | Fact::MemberUnbanned { user_id, .. }
        | Fact::MemberMuted { user_id, .. }
        | Fact::MemberUnmuted { user_id, .. }
        | Fact::RoleGiven { user_id, .. }
        | Fact::RoleTaken { user_id, .. }
        | Fact::MemberOverridden { user_id, .. } => Some(*user_id),
        _ => None,
    }
}
