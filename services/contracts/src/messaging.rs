//! What messaging says: conversations, their members, and the log each of them is.

mod conversations;
mod entities;
mod facts;
mod filters;
mod messages;
mod moderation;
mod reports;
mod user_log;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use conversations::{
    Conversation, Conversations, CreateConversation, HandOver, Member, Members, Membership, MoveCursor,
    SetMember, UpdateConversation,
};
pub use entities::{
    CALLED_ROLES, Entity, EntityKind, MAX_COUNTED_MENTIONS, MAX_ENTITIES, MAX_MENTIONED, MAX_URL_BYTES,
};
pub use facts::{Entry, Fact, Log};
pub use filters::{Filters, LinkFilter, LinkMode};
pub use messages::{
    EditMessage, Message, Messages, Pin, Pins, PostMessage, Posted, Reaction, Version, Versions,
};
pub use moderation::{Act, ModerationLog, PurgeMember, Purged, Restrict, Sanction, Sanctions};
pub use reports::{DecideReport, FileReport, Report, ReportCategory, Reports, Verdict};
pub use user_log::{UserEntry, UserFact, UserLog};

/// The most characters of a message's body.
pub const MAX_BODY_CHARS: usize = 8_000;
/// The most members named when a conversation is made.
pub const MAX_INITIAL_MEMBERS: usize = 100;
/// The most items of one page.
pub const MAX_PAGE: usize = 200;
/// How often a message may be edited: every edit is kept.
pub const MAX_EDITS: u32 = 100;
/// The most different emoji on one message.
pub const MAX_REACTIONS: usize = 20;
/// The most people that a reaction names.
pub const MAX_REACTION_USERS: usize = 10;
/// The most messages pinned in one conversation.
pub const MAX_PINS: usize = 50;

/// The most reports of one person in one conversation that wait for a decision.
pub const MAX_OPEN_REPORTS: usize = 20;
/// The most words that a conversation keeps out.
pub const MAX_FILTER_WORDS: usize = 100;
/// The most characters of such a word.
pub const MAX_FILTER_WORD_CHARS: usize = 40;
/// The most domains in a conversation's list for links.
pub const MAX_FILTER_DOMAINS: usize = 100;
/// The most messages that one purge looks at.
pub const MAX_PURGE: usize = 100;
/// The most characters of a reason that moderators give, and of a note on a report.
pub const MAX_REASON_CHARS: usize = 500;

/// The rule for a message's body: something to see, and no control characters but tab and line feed.
pub fn body(body: &str, _: &()) -> garde::Result {
    visible(body, |character| character.is_control() && !matches!(character, '\t' | '\n'))
}

/// The rule for a title: something to see, on one line.
pub fn title(title: &str, _: &()) -> garde::Result {
    visible(title, char::is_control)
}

/// The rule for domains: at least two labels of letters, digits and hyphens (RFC 1123 §2.1).
pub fn domain(domain: &str, _: &()) -> garde::Result {
    let is_label = |label: &str| {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        (1..=63).contains(&label.len()) && label.bytes().all(plain)
    };
    if domain.len() <= 253 && domain.contains('.') && domain.split('.').all(is_label) {
        return Ok(());
    }
    Err(garde::Error::new("use a domain in lower case, such as example.org"))
}

fn visible(text: &str, forbidden: impl Fn(char) -> bool) -> garde::Result {
    if text.chars().any(forbidden) {
        return Err(garde::Error::new("must not contain control characters"));
    }
    if text.trim().is_empty() {
        return Err(garde::Error::new("must not be blank"));
    }
    Ok(())
}

/// What sort of conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConversationKind {
    /// Two people; one per pair.
    Direct,
    /// Many who talk.
    Group,
    /// Few who write, many who read.
    Channel,
}

/// Who may find and read a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Visibility {
    /// Everybody on this instance.
    Public,
    /// Its members; to others it does not exist.
    Private,
    /// Everybody may find it, those who paid may read it.
    Paid,
}

/// What a member is to their conversation, from the lowest rank to the highest. What each may do is for
/// [`crate::permissions`] to say, and for nobody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MemberRole {
    /// Is let in to talk.
    Guest,
    /// Belongs to it.
    Member,
    /// Keeps it in order.
    Moderator,
    /// Runs it.
    Admin,
    /// Made it, or was handed it. There is one; direct conversations have none.
    Owner,
}
