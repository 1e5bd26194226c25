//! The live lane: what is broadcast from the services to the realtime nodes. Lossy, so every message can be
//! found again in a log or does not matter for long.

use std::fmt::Display;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{SessionId, UserId, identity::Denial};

/// The channel of a log, named by what it belongs to: a conversation's id or a user's.
pub fn log_channel(owner: impl Display) -> String {
    format!("log/{owner}")
}

/// The channel of what a user's sockets must know at once and no log holds.
pub fn control_channel(user: UserId) -> String {
    format!("control/{user}")
}

/// The channel on which every process that verifies hears of API tokens that are no longer good
/// ([`Control::SessionRevoked`]), since they are looked up and what was found is remembered; and of accounts whose tokens are
/// not ([`Control::AccountChanged`]).
pub const REVOCATIONS: &str = "revocations";

/// The channel of how a user is seen, on which [`Glance`] comes; heard by the nodes whose clients watch them.
pub fn presence_channel(user: UserId) -> String {
    format!("presence/{user}")
}

/// On a user's presence channel: something about how they are seen may be another now. It says what to look at and not
/// what is there to be seen, which not everybody may know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Glance {
    /// Whether also who may see whom, the user and others, may be another.
    pub sight: bool,
}

/// On a log's channel: entries that were just committed, ascending, without a gap among themselves.
#[derive(Debug, Serialize, Deserialize)]
pub struct Tail {
    /// The entries.
    pub entries: Vec<RawEntry>,
}

/// An entry whose fact stays encoded: it is encoded once, by the service that commits it.
#[derive(Debug, Serialize, Deserialize)]
pub struct RawEntry {
    /// Its position in the log.
    pub seq: u64,
    /// A [`crate::messaging::Fact`] or a [`crate::messaging::UserFact`].
    pub e: Box<RawValue>,
}

/// On a conversation's log channel: somebody is typing. No log holds it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Typing {
    /// Who.
    pub typing: UserId,
}

/// On a conversation's log channel: fewer may read it from now on, and nobody who is not a member can be named. Every
/// socket that follows it asks anew.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Narrowed {
    /// Always true.
    pub narrowed: bool,
}

/// On a conversation's log channel: somebody has read on. No log holds it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Receipt {
    /// What is to be told.
    pub read: Read,
}

/// On a conversation's log channel: whether its two keep apart may be another now. It says to look again, not what is
/// there to be seen.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LookAgain {
    /// Always true.
    pub look_again: bool,
}

/// That somebody has read on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Read {
    /// Who.
    pub user: UserId,
    /// Up to where.
    pub seq: u64,
    /// Who may know.
    pub to: Vec<UserId>,
}

/// On a user's control channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Control {
    /// A login ended: its sockets close and say "log in again".
    SessionRevoked {
        /// Which.
        session_id: SessionId,
    },
    /// The user may no longer read a log: their sockets stop hearing it.
    AccessLost {
        /// The conversation.
        conversation_id: crate::ConversationId,
    },
    /// On [`REVOCATIONS`]: an account is suspended, or holds another office. What was remembered of
    /// its API tokens may be no longer so.
    AccountChanged {
        /// What its access tokens must be of from now on.
        #[serde(flatten)]
        denial: Denial,
    },
}
