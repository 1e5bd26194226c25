//! Keeping a conversation in order.

use garde::Validate;
use serde::{Deserialize, Serialize};
use tertulia_runtime::Timestamp;
use utoipa::ToSchema;

use super::{Fact, MAX_REASON_CHARS, Verdict};
use crate::UserId;

/// `PUT /v1/conversations/{id}/bans/{user_id}` and `…/mutes/{user_id}`; the body may be left out.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Restrict {
    /// Until when, a moment to come; for good if absent.
    #[garde(skip)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Why: for the moderators and for whom it is about. At most 500 characters.
    #[garde(inner(length(chars, max = MAX_REASON_CHARS), custom(super::body)))]
    #[schema(min_length = 1, max_length = 500)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A ban or a mute that lasts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Sanction {
    /// Whom it is about.
    pub user_id: UserId,
    /// Until when; for good if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Who did it.
    pub by: UserId,
    /// When.
    pub at: Timestamp,
    /// Why, if they said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A page of bans or of mutes.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Sanctions {
    /// Those that last, the one that ends first first.
    pub items: Vec<Sanction>,
    /// Absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// `POST /v1/conversations/{id}/members/{user_id}/purge`; the body may be left out.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PurgeMember {
    /// Only what was posted from this moment on; everything if absent.
    #[garde(skip)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Only what stands below this position: where the run before this one ended; from the newest on if absent.
    #[garde(skip)]
    #[schema(format = "uint64")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before_seq: Option<u64>,
    /// Why: for the moderators. At most 500 characters.
    #[garde(inner(length(chars, max = MAX_REASON_CHARS), custom(super::body)))]
    #[schema(min_length = 1, max_length = 500)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What a purge did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Purged {
    /// How many messages it deleted. Those that were deleted before are not among them.
    pub deleted: usize,
    /// Whether there are older ones to look at.
    pub more: bool,
    /// Where to go on, if there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before_seq: Option<u64>,
}

/// Something that was done to keep a conversation in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Act {
    /// The entry of the conversation's log that it is.
    pub seq: u64,
    /// What was done, by whom and when, as the log has it.
    pub e: Fact,
    /// Whom it is about; of a deletion the author. Absent when it is about nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    /// Why, if they said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What was decided, of a report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Verdict>,
}

/// A page of the moderation log.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ModerationLog {
    /// The newest first.
    pub items: Vec<Act>,
    /// Absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}
