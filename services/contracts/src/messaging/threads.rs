//! Threads: what stands below a message, and how one follows it.

use serde::{Deserialize, Serialize};
use tertulia_runtime::Timestamp;
use utoipa::ToSchema;

use super::Message;
use crate::MessageId;

/// The thread below a message. Who folds the log counts each message that is posted in it, but for those that are not
/// above `last_seq`: they are in here already.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Thread {
    /// How many messages were posted in it, those deleted since among them.
    pub messages: u64,
    /// The position of the newest.
    pub last_seq: u64,
    /// When that was posted.
    pub last_at: Timestamp,
}

/// How somebody follows a thread.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Following {
    /// The message that the thread stands below.
    pub message_id: MessageId,
    /// How far they have read in it: the position of a message of it; what it was when they began to follow, until they
    /// move it.
    pub cursor_seq: u64,
    /// How many of its messages stand behind that, their own not counted after their last.
    pub unread: u64,
}

/// A thread that somebody follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FollowedThread {
    /// The message that it stands below.
    pub message: Message,
    /// How far they have read in it.
    pub cursor_seq: u64,
    /// How many of its messages stand behind that, their own not counted after their last.
    pub unread: u64,
}

/// A list of threads.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct FollowedThreads {
    /// Those in which something was posted last first.
    pub items: Vec<FollowedThread>,
    /// Absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}
