//! The directory: channels that everybody can find.

use serde::{Deserialize, Serialize};
use tertulia_runtime::Timestamp;
use utoipa::ToSchema;

use super::Visibility;
use crate::ConversationId;

/// In which order the directory is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DirectoryOrder {
    /// By handle, or by title where there is none.
    #[default]
    Name,
    /// The newest first.
    Newest,
}

/// A channel as the directory shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DirectoryEntry {
    /// Its id.
    pub id: ConversationId,
    /// Its unique name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handle: Option<String>,
    /// What it is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What it is found by besides its name.
    pub tags: Vec<String>,
    /// Who may read it.
    pub visibility: Visibility,
    /// How many belong to it; absent where nobody counted from the beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member_count: Option<u64>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A page of the directory.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Directory {
    /// In the order asked for. A search may give fewer than asked for, even none, and go on at `next_cursor`.
    pub items: Vec<DirectoryEntry>,
    /// Absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}
