//! What a user's own log says.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ConversationId;

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
