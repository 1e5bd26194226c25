//! Conversations and their members, as they are asked for and shown.

use garde::Validate;
use serde::{Deserialize, Serialize};
use tertulia_runtime::Timestamp;
use utoipa::ToSchema;

use super::{
    ConversationKind, MAX_DESCRIPTION_CHARS, MAX_INITIAL_MEMBERS, MAX_SLOW_MODE_S, MAX_TAGS, MemberRole,
    Visibility,
};
use crate::{ConversationId, UserId};

/// `POST /v1/conversations`.
#[derive(Debug, Clone, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateConversation {
    /// What sort.
    #[garde(skip)]
    pub kind: ConversationKind,
    /// At most 120 characters; groups and channels need one.
    #[garde(inner(length(chars, max = 120), custom(super::title)))]
    #[schema(min_length = 1, max_length = 120)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// A channel's unique name, by the rule for handles.
    #[garde(inner(custom(crate::auth::handle)))]
    #[schema(min_length = 2, max_length = 32, pattern = "^[a-z0-9][a-z0-9_.-]*$")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handle: Option<String>,
    /// `private` if absent; only channels may be public or paid.
    #[garde(skip)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visibility: Option<Visibility>,
    /// Who belongs to it besides the maker; a direct one names exactly one.
    #[garde(length(max = MAX_INITIAL_MEMBERS))]
    #[schema(max_items = 100)]
    #[serde(default)]
    pub members: Vec<UserId>,
}

/// `PATCH /v1/conversations/{id}`. What is absent stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateConversation {
    /// The new title.
    #[garde(inner(length(chars, max = 120), custom(super::title)))]
    #[schema(min_length = 1, max_length = 120)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What it is about, at most 1,000 characters; empty takes it away.
    #[garde(inner(length(chars, max = MAX_DESCRIPTION_CHARS), custom(super::description)))]
    #[schema(max_length = 1000)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// All its tags, at most 10; upper case is written back lower, and none stands there twice.
    #[garde(inner(length(max = MAX_TAGS), inner(custom(super::tag))))]
    #[schema(max_items = 10)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
    /// Who may find and read it, its whole history included; only a channel can be other than `private`.
    #[garde(skip)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visibility: Option<Visibility>,
    /// After how many seconds messages disappear that are posted from then on: a minute to a year; 0 for never.
    #[garde(inner(custom(super::disappearance)))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disappear_after_s: Option<u32>,
    /// Slow mode: how many seconds lie between two messages of one author, at most 21,600 (six hours); 0 ends it.
    #[garde(inner(range(max = MAX_SLOW_MODE_S)))]
    #[schema(maximum = 21600)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slow_mode_s: Option<u32>,
    /// Of a channel alone: whether its readers write in threads.
    #[garde(skip)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comments: Option<Comments>,
}

/// Whether those write in the threads of a channel who may not post in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Comments {
    /// They do.
    #[default]
    On,
    /// They only read what stands there.
    Off,
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
    /// What it is about; absent if nobody said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What it is found by besides its name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Who may find and read it.
    pub visibility: Visibility,
    /// Since when it is closed for writing; absent while it is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archived_at: Option<Timestamp>,
    /// After how many seconds messages disappear that are posted now; absent if they stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disappear_after_s: Option<u32>,
    /// How many seconds lie between two messages of one author; absent where there is no slow mode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slow_mode_s: Option<u32>,
    /// Of a channel: whether its readers write in threads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comments: Option<Comments>,
    /// How many belong to it; absent where nobody counted from the beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member_count: Option<u64>,
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
    /// How many messages call them behind that, by their name, their rank or all at once; 100 means 100 or more.
    #[serde(default)]
    pub mentions: u64,
    /// Whether they marked it unread themselves; the next move of the cursor takes the mark away.
    #[serde(default)]
    pub marked_unread: bool,
    /// Until when they do not want to be notified of it; absent when that is past.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub muted_until: Option<Timestamp>,
    /// Whether they put it away.
    #[serde(default)]
    pub hidden: bool,
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

/// `PUT /v1/conversations/{id}/cursor`.
#[derive(Debug, Clone, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MoveCursor {
    /// Everything up to here is read. Only ever moves forward; past the head it stops at the head. Wherever it moves, a
    /// mark as unread is gone.
    #[garde(skip)]
    #[schema(format = "uint64")]
    pub seq: u64,
}
