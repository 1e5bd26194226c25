//! What messaging says: conversations, their members, and the log each of them is.

mod messages;

use garde::Validate;
use serde::{Deserialize, Serialize};
use tertulia_runtime::Timestamp;
use utoipa::ToSchema;

pub use messages::{
    EditMessage, Message, Messages, Pin, Pins, PostMessage, Posted, Reaction, Version, Versions,
};

use crate::{ConversationId, MessageId, UserId};

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

/// The rule for a message's body: something to see, and no control characters but tab and line feed.
pub fn body(body: &str, _: &()) -> garde::Result {
    visible(body, |character| character.is_control() && !matches!(character, '\t' | '\n'))
}

/// The rule for a title: something to see, on one line.
pub fn title(title: &str, _: &()) -> garde::Result {
    visible(title, char::is_control)
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

/// `POST /v1/conversations`.
#[derive(Debug, Clone, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateConversation {
    /// What sort.
    #[garde(skip)]
    pub kind: ConversationKind,
    /// At most 120 characters; groups and channels need one.
    #[garde(inner(length(chars, max = 120), custom(self::title)))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// A channel's unique name, by the rule for handles.
    #[garde(inner(custom(crate::auth::handle)))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handle: Option<String>,
    /// `private` if absent; only channels may be public or paid.
    #[garde(skip)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visibility: Option<Visibility>,
    /// Who belongs to it besides the maker; a direct one names exactly one.
    #[garde(length(max = MAX_INITIAL_MEMBERS))]
    #[serde(default)]
    pub members: Vec<UserId>,
}

/// `PATCH /v1/conversations/{id}`.
#[derive(Debug, Clone, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateConversation {
    /// The new title.
    #[garde(inner(length(chars, max = 120), custom(self::title)))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
}

/// `PUT /v1/conversations/{id}/members/{user_id}`; the body may be left out.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetMember {
    /// What they are to be: lower than whoever asks. If absent, what they are already, or else a member.
    #[garde(skip)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<MemberRole>,
}

/// `POST /v1/conversations/{id}/owner`.
#[derive(Debug, Clone, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HandOver {
    /// The member who is to own it.
    #[garde(skip)]
    pub user_id: UserId,
}

/// A conversation as one of its readers sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Conversation {
    /// Its id.
    pub id: ConversationId,
    /// What sort.
    pub kind: ConversationKind,
    /// Its name; direct ones have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// A channel's unique name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handle: Option<String>,
    /// Who may find and read it.
    pub visibility: Visibility,
    /// Who made it.
    pub created_by: UserId,
    /// When.
    pub created_at: Timestamp,
    /// The newest position of its log.
    pub head_seq: u64,
    /// The reader's place in it; absent for a reader who is not a member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub membership: Option<Membership>,
}

/// A member's place in a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Membership {
    /// What they may do.
    pub role: MemberRole,
    /// When they joined.
    pub joined_at: Timestamp,
    /// How far they have read.
    pub cursor_seq: u64,
    /// How many messages stand behind that, their own not counted after their last.
    pub unread: u64,
}

/// A member, as the other members see them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Member {
    /// Who.
    pub user_id: UserId,
    /// What they may do.
    pub role: MemberRole,
    /// When they joined.
    pub joined_at: Timestamp,
}

/// A list of conversations.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Conversations {
    /// Those the caller is a member of.
    pub items: Vec<Conversation>,
    /// Absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// A list of members.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Members {
    /// In the order of their ids.
    pub items: Vec<Member>,
    /// Absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// Something that happened in a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type")]
pub enum Fact {
    /// The first entry of every log.
    #[serde(rename = "conversation.created")]
    ConversationCreated {
        /// What sort.
        kind: ConversationKind,
        /// Its first title; direct ones have none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        title: Option<String>,
        /// A channel's unique name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        handle: Option<String>,
        /// Who may find and read it.
        visibility: Visibility,
        /// Who made it.
        by: UserId,
        /// When.
        at: Timestamp,
    },
    /// Its title changed.
    #[serde(rename = "conversation.updated")]
    ConversationUpdated {
        /// The new title.
        title: String,
        /// Who changed it.
        by: UserId,
        /// When.
        at: Timestamp,
    },
    /// Somebody joined or was added.
    #[serde(rename = "member.joined")]
    MemberJoined {
        /// Who.
        member: Member,
        /// Who added them.
        by: UserId,
    },
    /// Somebody left or was removed.
    #[serde(rename = "member.left")]
    MemberLeft {
        /// Who.
        user_id: UserId,
        /// Who removed them.
        by: UserId,
        /// When.
        at: Timestamp,
    },
    /// A member's role changed.
    #[serde(rename = "member.role_changed")]
    MemberRoleChanged {
        /// Whose.
        user_id: UserId,
        /// What they are now.
        role: MemberRole,
        /// Who changed it.
        by: UserId,
        /// When.
        at: Timestamp,
    },
    /// It was handed over: its former owner is an admin now.
    #[serde(rename = "conversation.owner_changed")]
    OwnerChanged {
        /// Who owned it.
        from: UserId,
        /// Who owns it.
        to: UserId,
        /// When.
        at: Timestamp,
    },
    /// A message was posted.
    #[serde(rename = "message.posted")]
    MessagePosted {
        /// The message as it was posted; once it is deleted, what is left of it.
        message: Message,
    },
    /// Its author changed what a message says.
    #[serde(rename = "message.edited")]
    MessageEdited {
        /// Which message.
        message_id: MessageId,
        /// The position at which it was posted.
        message_seq: u64,
        /// What it says now; empty once the message is deleted.
        body: String,
        /// Who did it.
        by: UserId,
        /// When.
        at: Timestamp,
    },
    /// A message was deleted for everybody: its body, attachments, reactions and pin are gone.
    #[serde(rename = "message.deleted")]
    MessageDeleted {
        /// Which message.
        message_id: MessageId,
        /// The position at which it was posted.
        message_seq: u64,
        /// Who did it.
        by: UserId,
        /// When.
        at: Timestamp,
    },
    /// Somebody reacted who had not done so with this emoji.
    #[serde(rename = "reaction.set")]
    ReactionSet {
        /// Which message.
        message_id: MessageId,
        /// The position at which it was posted.
        message_seq: u64,
        /// The emoji.
        emoji: String,
        /// Who did it.
        by: UserId,
        /// When.
        at: Timestamp,
    },
    /// Somebody took a reaction back.
    #[serde(rename = "reaction.removed")]
    ReactionRemoved {
        /// Which message.
        message_id: MessageId,
        /// The position at which it was posted.
        message_seq: u64,
        /// The emoji.
        emoji: String,
        /// Who did it.
        by: UserId,
        /// When.
        at: Timestamp,
    },
    /// A message is kept at hand from now on.
    #[serde(rename = "message.pinned")]
    MessagePinned {
        /// Which message.
        message_id: MessageId,
        /// The position at which it was posted.
        message_seq: u64,
        /// Who did it.
        by: UserId,
        /// When.
        at: Timestamp,
    },
    /// A message is kept at hand no longer.
    #[serde(rename = "message.unpinned")]
    MessageUnpinned {
        /// Which message.
        message_id: MessageId,
        /// The position at which it was posted.
        message_seq: u64,
        /// Who did it.
        by: UserId,
        /// When.
        at: Timestamp,
    },
}

/// One entry of a conversation's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Entry {
    /// Its position: 1, 2, 3, without a gap.
    pub seq: u64,
    /// What happened.
    pub e: Fact,
}

/// A page of a log.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Log {
    /// Ascending by seq, without a gap.
    pub items: Vec<Entry>,
    /// The newest position when the page was read: the page is the last if it ends there.
    pub head_seq: u64,
}

/// Something that happened to a user: one entry of their own log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type")]
pub enum UserFact {
    /// They became a member.
    #[serde(rename = "conversation.joined")]
    ConversationJoined {
        /// Of what.
        conversation_id: ConversationId,
    },
    /// They are no longer a member.
    #[serde(rename = "conversation.left")]
    ConversationLeft {
        /// Of what.
        conversation_id: ConversationId,
    },
}

/// One entry of a user's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UserEntry {
    /// Its position: 1, 2, 3, without a gap.
    pub useq: u64,
    /// What happened.
    pub e: UserFact,
}

/// A page of a user's log.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct UserLog {
    /// Ascending by useq, without a gap.
    pub items: Vec<UserEntry>,
    /// The newest position when the page was read.
    pub head_useq: u64,
}

/// `PUT /v1/conversations/{id}/cursor`.
#[derive(Debug, Clone, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MoveCursor {
    /// Everything up to here is read. Only ever moves forward; past the head it stops at the head.
    #[garde(skip)]
    pub seq: u64,
}
