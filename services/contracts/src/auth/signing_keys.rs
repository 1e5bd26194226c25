//! The keys that access tokens are signed with, as the operator sees them.

use serde::{Deserialize, Serialize};
use tertulia_runtime::Timestamp;
use utoipa::ToSchema;

/// What a key is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyState {
    /// Published, and signs nothing yet.
    Next,
    /// Signs.
    Signing,
    /// Signs no more, and is published until the last token that it signed is over.
    Old,
}

/// A key, without its private half.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SigningKeyInfo {
    /// What a token's header names, and `/.well-known/jwks.json` lists.
    pub kid: String,
    /// What it is now.
    pub state: KeyState,
    /// Since when it signs, or will.
    pub signs_from: Timestamp,
    /// From when on it is published no more, once there is one to follow it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gone_from: Option<Timestamp>,
}

/// The keys that are published.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct SigningKeys {
    /// The newest first, at most 8.
    pub items: Vec<SigningKeyInfo>,
    /// Absent: there is one page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}
