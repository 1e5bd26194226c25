//! What a user's own log says.

use serde::{Deserialize, Serialize};
use tertulia_runtime::Timestamp;
use ulid::Ulid;
use utoipa::ToSchema;

use super::Verdict;
use crate::{ConversationId, ReportId};

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
    /// They are kept out, and a member no longer if they were one.
    #[serde(rename = "conversation.banned")]
    ConversationBanned {
        /// Of what.
        conversation_id: ConversationId,
        /// Until when; for good if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
        /// What the moderators say why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// They are kept out no longer.
    #[serde(rename = "conversation.unbanned")]
    ConversationUnbanned {
        /// Of what.
        conversation_id: ConversationId,
    },
    /// They may not write.
    #[serde(rename = "conversation.muted")]
    ConversationMuted {
        /// Where.
        conversation_id: ConversationId,
        /// Until when; for good if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
        /// What the moderators say why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// They may write again.
    #[serde(rename = "conversation.unmuted")]
    ConversationUnmuted {
        /// Where.
        conversation_id: ConversationId,
    },
    /// They asked to be let in, and were not. (Who is let in becomes a member.)
    #[serde(rename = "join_request.declined")]
    JoinRequestDeclined {
        /// Where.
        conversation_id: ConversationId,
    },
    /// The moderators decided on a report of theirs.
    #[serde(rename = "report.decided")]
    ReportDecided {
        /// Where.
        conversation_id: ConversationId,
        /// Which report.
        report_id: ReportId,
        /// What they decided.
        decision: Verdict,
    },
    /// A message that they had scheduled could not be posted when its time had come. It waits for them to decide.
    #[serde(rename = "scheduled.failed")]
    ScheduledFailed {
        /// Where.
        conversation_id: ConversationId,
        /// Which.
        #[schema(value_type = String)]
        client_id: Ulid,
        /// Why: the code with which posting it was refused, or `too_late`.
        code: String,
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
