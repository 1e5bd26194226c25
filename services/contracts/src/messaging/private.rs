//! What is a person's own and follows them from device to device: nobody else sees it.

use garde::Validate;
use serde::{Deserialize, Serialize};
use tertulia_runtime::Timestamp;
use utoipa::ToSchema;

use super::{MAX_BODY_CHARS, MAX_MARK_CHARS, Message};
use crate::{ConversationId, MessageId, UserId};

/// `PATCH /v1/conversations/{id}/membership`. What is left out stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateMembership {
    /// Until when not to be notified of it; `null` for: no longer.
    #[garde(skip)]
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "crate::null::given")]
    #[schema(value_type = Option<Timestamp>)]
    pub muted_until: Option<Option<Timestamp>>,
    /// Whether it is put away.
    #[garde(skip)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hidden: Option<bool>,
    /// Whether it is marked unread. The next move of the cursor takes the mark away.
    #[garde(skip)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub marked_unread: Option<bool>,
}

/// `PUT /v1/conversations/{id}/draft`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutDraft {
    /// At most as long as a message; nothing but white space, and no message that it answers, is no draft.
    #[garde(length(chars, max = MAX_BODY_CHARS), custom(super::writing))]
    #[schema(max_length = 8000)]
    pub body: String,
    /// The message it is to answer.
    #[garde(skip)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<MessageId>,
    /// The revision of the draft that this is to take the place of; absent for none.
    #[garde(skip)]
    #[schema(format = "uint64")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
}

/// What somebody is about to say in a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Draft {
    /// Where.
    pub conversation_id: ConversationId,
    /// CommonMark, as far as it has come.
    pub body: String,
    /// The message it is to answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<MessageId>,
    /// Grows with each change: what the next one names.
    pub revision: u64,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// A list of drafts.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Drafts {
    /// The one begun last first.
    pub items: Vec<Draft>,
    /// Absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// `PUT /v1/conversations/{id}/messages/{message_id}/saved`; the body may be left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SaveMessage {
    /// What to remember about it.
    #[garde(inner(length(chars, max = MAX_MARK_CHARS), custom(super::body)))]
    #[schema(min_length = 1, max_length = 500)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// A message that somebody keeps for later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Saved {
    /// Where it stands.
    pub conversation_id: ConversationId,
    /// Which.
    pub message_id: MessageId,
    /// What they noted about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Since when.
    pub saved_at: Timestamp,
    /// The message as it is now; absent when it is gone: deleted, or no longer theirs to read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<Message>,
}

/// A list of saved messages.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct SavedMessages {
    /// The one saved last first.
    pub items: Vec<Saved>,
    /// Absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// Somebody with whom somebody wants nothing to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Block {
    /// Who.
    pub user_id: UserId,
    /// Since when.
    pub blocked_at: Timestamp,
}

/// A list of blocks.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Blocks {
    /// The newest first.
    pub items: Vec<Block>,
    /// Absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// What somebody lets others see of them: `GET` and `PUT /v1/me/privacy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Privacy {
    /// Whether others see how far they have read. Who hides that does not see it of others. Shown unless hidden.
    #[garde(skip)]
    pub show_receipts: bool,
    /// Who learns when they were last connected, of those who may see them at all. Everyone if absent.
    #[garde(skip)]
    #[serde(default)]
    pub last_seen: Audience,
}

/// Who learns something, of those who may see somebody at all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Audience {
    /// All of them.
    #[default]
    Everyone,
    /// None of them.
    Nobody,
}

impl Default for Privacy {
    fn default() -> Self {
        Self { show_receipts: true, last_seen: Audience::default() }
    }
}

/// How far a member has read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Receipt {
    /// Who.
    pub user_id: UserId,
    /// Up to where.
    pub seq: u64,
}

/// How far the members of a conversation have read.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Receipts {
    /// In the order of the members' ids: of those who show it. Empty in channels, with more than 200 members, and for who
    /// hides theirs or is no member.
    pub items: Vec<Receipt>,
}
