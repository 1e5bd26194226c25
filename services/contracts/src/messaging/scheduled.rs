//! Messages that are to be posted later.

use garde::Validate;
use serde::{Deserialize, Serialize};
use tertulia_runtime::Timestamp;
use utoipa::ToSchema;

use super::{MAX_BODY_CHARS, PostMessage};
use crate::ConversationId;

/// `POST /v1/conversations/{id}/scheduled`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ScheduleMessage {
    /// What is to be posted. Its `client_id` names it until then, too: sending it again returns the first result.
    #[garde(dive)]
    pub message: PostMessage,
    /// When: ahead, and at most 366 days.
    #[garde(skip)]
    pub send_at: Timestamp,
}

/// `PATCH /v1/conversations/{id}/scheduled/{client_id}`. What is absent stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RescheduleMessage {
    /// What it is to say instead, by the rule for bodies.
    #[garde(inner(length(chars, max = MAX_BODY_CHARS), custom(super::body)))]
    #[schema(min_length = 1, max_length = 8000)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// When it is to be posted instead. A message that could not be posted waits again for this time.
    #[garde(skip)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub send_at: Option<Timestamp>,
}

/// A message that waits for its time. Its author alone sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ScheduledMessage {
    /// Where it is to be posted.
    pub conversation_id: ConversationId,
    /// What is to be posted.
    pub message: PostMessage,
    /// When.
    pub send_at: Timestamp,
    /// When it was scheduled.
    pub created_at: Timestamp,
    /// Why it could not be posted when its time had come; absent while it waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<ScheduleFailure>,
}

/// Why a message could not be posted when its time had come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ScheduleFailure {
    /// The code with which posting it was refused, or `too_late`.
    pub code: String,
    /// A sentence for its author.
    pub detail: String,
    /// When that was.
    pub at: Timestamp,
}

/// A person's messages that wait for their time.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ScheduledMessages {
    /// The one whose time comes first first; at most 100.
    pub items: Vec<ScheduledMessage>,
}
