//! What members tell the moderators, and what these decide.

use garde::Validate;
use serde::{Deserialize, Serialize};
use tertulia_runtime::Timestamp;
use utoipa::ToSchema;

use super::MAX_REASON_CHARS;
use crate::{ConversationId, MessageId, ReportId, UserId};

/// What is wrong with what is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReportCategory {
    /// Nobody asked for it.
    Spam,
    /// It is meant to hurt somebody.
    Abuse,
    /// The law forbids it.
    Illegal,
    /// See the note.
    Other,
}

/// `POST /v1/conversations/{id}/reports`. It names a message or a member: one of the two.
#[derive(Debug, Clone, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FileReport {
    /// Which message of the conversation.
    #[garde(skip)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<MessageId>,
    /// Which member, also a past one.
    #[garde(skip)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    /// What is wrong.
    #[garde(skip)]
    pub category: ReportCategory,
    /// In the reporter's own words, for the moderators. At most 500 characters.
    #[garde(inner(length(chars, max = MAX_REASON_CHARS), custom(super::body)))]
    #[schema(min_length = 1, max_length = 500)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// What moderators make of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// There is nothing to be done.
    Dismissed,
    /// Something was done.
    Acted,
}

/// `POST /v1/conversations/{id}/reports/{report_id}/decision`.
#[derive(Debug, Clone, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DecideReport {
    /// What is decided. The reporter learns it.
    #[garde(skip)]
    pub decision: Verdict,
    /// Why: for the moderators. At most 500 characters.
    #[garde(inner(length(chars, max = MAX_REASON_CHARS), custom(super::body)))]
    #[schema(min_length = 1, max_length = 500)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// A report. It says which message, never what that said: what is deleted is gone from here too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Report {
    /// Its id.
    pub id: ReportId,
    /// Where.
    pub conversation_id: ConversationId,
    /// Who reports.
    pub reporter_id: UserId,
    /// Which message, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<MessageId>,
    /// Whom it is about; of a message the author.
    pub user_id: UserId,
    /// What is wrong.
    pub category: ReportCategory,
    /// In the reporter's own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// When.
    pub at: Timestamp,
    /// What was decided; absent while it is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Verdict>,
    /// Who decided, when and why stands in the moderation log, at this position.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_seq: Option<u64>,
}

/// A page of reports.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Reports {
    /// The oldest first.
    pub items: Vec<Report>,
    /// Absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}
