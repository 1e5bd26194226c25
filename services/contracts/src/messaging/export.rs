//! A conversation as a file.

use garde::Validate;
use serde::{Deserialize, Serialize};
use tertulia_runtime::Timestamp;
use utoipa::{IntoParams, ToSchema};

use super::{ConversationKind, Member, Message, Roles, Version, Visibility};
use crate::{ConversationId, MessageId, UserId};

/// The version of [`ExportLine`]'s shape. Members may be added to it; what is there stays what it is.
pub const EXPORT_VERSION: u32 = 1;

/// The query of `GET /v1/conversations/{id}/export`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ExportQuery {
    /// As what; `json` if absent.
    #[garde(skip)]
    #[serde(default)]
    #[param(inline)]
    pub format: ExportFormat,
}

/// What a conversation is exported as.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExportFormat {
    /// JSON Lines: each line is an [`ExportLine`].
    #[default]
    Json,
    /// One page that holds all it shows and reads offline.
    Html,
}

/// A line of an exported conversation: one `export`, then the members, then the messages, then one `end`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ExportLine {
    /// What follows, and the conversation's settings.
    Export(Box<ExportCover>),
    /// A member, in the order of their ids.
    Member(ExportMember),
    /// A message, in the order of the log.
    Message(Box<ExportMessage>),
    /// The last line: without it the file is not whole.
    End {
        /// How many messages there were.
        messages: u64,
    },
}

/// The first line of an exported conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExportCover {
    /// Of what shape the lines are: 1.
    pub version: u32,
    /// When it began.
    pub exported_at: Timestamp,
    /// Who asked for it.
    pub exported_by: UserId,
    /// The newest entry of the log at that moment. Messages behind it are not among those that follow.
    pub head_seq: u64,
    /// Which conversation.
    pub conversation_id: ConversationId,
    /// What sort.
    pub kind: ConversationKind,
    /// What it is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Its unique name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handle: Option<String>,
    /// What it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Its tags.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Who may find and read it.
    pub visibility: Visibility,
    /// Since when it is closed for writing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archived_at: Option<Timestamp>,
    /// Who made it.
    pub created_by: UserId,
    /// When.
    pub created_at: Timestamp,
    /// What is pinned, in the order pinned.
    pub pins: Vec<MessageId>,
    /// Its custom roles, and what is noted beside names; absent, as the members are, for whoever may not list those.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roles: Option<Roles>,
}

/// A member of an exported conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExportMember {
    /// Their unique name, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handle: Option<String>,
    /// The membership.
    #[serde(flatten)]
    pub member: Member,
}

/// A message of an exported conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExportMessage {
    /// The unique name of its author, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author_handle: Option<String>,
    /// As it was when its line was written.
    pub message: Message,
    /// If it was edited, what it has said, the oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edits: Vec<Version>,
}
