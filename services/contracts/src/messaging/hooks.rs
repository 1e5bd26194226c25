//! Incoming webhooks.

use garde::Validate;
use serde::{Deserialize, Serialize};
use tertulia_runtime::Timestamp;
use utoipa::ToSchema;

use super::MAX_HOOK_NAME_CHARS;
use crate::{HookId, UserId};

/// `POST /v1/conversations/{id}/hooks`.
#[derive(Debug, Clone, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateHook {
    /// Who seems to say what comes through it, unless that names itself. At most 64 characters, on one line.
    #[garde(length(chars, max = MAX_HOOK_NAME_CHARS), custom(super::title))]
    #[schema(min_length = 1, max_length = 64)]
    pub name: String,
}

/// A way for programs to post in a conversation, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Hook {
    /// Its id.
    pub id: HookId,
    /// Who seems to say what comes through it.
    pub name: String,
    /// Who made it. It is good for as long as they may post and manage hooks there.
    pub created_by: UserId,
    /// When.
    pub created_at: Timestamp,
}

/// The answer to `POST /v1/conversations/{id}/hooks`.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct IssuedHook {
    /// What is kept of it.
    pub hook: Hook,
    /// The address to post to, from the root of this API. Who knows it may post: it is shown once.
    pub path: String,
}

/// The hooks of a conversation.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Hooks {
    /// All of them, at most 20, oldest first.
    pub items: Vec<Hook>,
}

/// That a message came through a hook, and what it shows itself as. That is whatever its sender says, and nobody's identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Via {
    /// Which.
    pub hook_id: HookId,
    /// The hook's name, or the one that the post gave itself; absent once the message is deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// An emoji's short name between colons.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icon_emoji: Option<String>,
    /// The `https` address of a picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icon_url: Option<String>,
}

impl Via {
    /// Through this hook, and no more of it.
    pub const fn hook(hook_id: HookId) -> Self {
        Self { hook_id, name: None, icon_emoji: None, icon_url: None }
    }

    /// The author of what comes through the hook: an id like a user's, which no account has.
    pub fn author(&self) -> UserId {
        UserId::from_ulid(self.hook_id.ulid())
    }

    /// Takes out what its sender said of itself.
    pub fn forget(&mut self) {
        *self = Self::hook(self.hook_id);
    }
}
