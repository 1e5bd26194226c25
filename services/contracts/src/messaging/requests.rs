//! Wishes to be let into a conversation.

use garde::Validate;
use serde::{Deserialize, Serialize};
use tertulia_runtime::Timestamp;
use utoipa::ToSchema;

use super::MAX_NOTE_CHARS;
use crate::{ConversationId, InvitationId, UserId};

/// `POST /v1/conversations/{id}/requests`, and `POST /v1/invitations/{code}/accept`, whose body may be left out.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AskToJoin {
    /// What those who decide read, at most 500 characters.
    #[garde(inner(length(chars, max = MAX_NOTE_CHARS), custom(super::body)))]
    #[schema(min_length = 1, max_length = 500)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Somebody's wish to be let in, on which nobody has decided yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JoinRequest {
    /// Where.
    pub conversation_id: ConversationId,
    /// Who.
    pub user_id: UserId,
    /// What they say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Since when.
    pub asked_at: Timestamp,
    /// The invitation by which they ask, if by one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invitation_id: Option<InvitationId>,
}

/// A list of wishes.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct JoinRequests {
    /// Those that wait for a decision, the oldest first.
    pub items: Vec<JoinRequest>,
    /// Absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}
