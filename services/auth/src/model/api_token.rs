//! A token that a program comes with, as it is kept: everything but the token.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tertulia_contracts::{
    SessionId, TokenId, UserId,
    auth::{ApiTokenInfo, TokenOwner},
    identity::Scope,
};
use tertulia_runtime::Timestamp;

use super::account::Account;

/// `last_used_at` is moved only this often, so that a busy program does not cost a write a request.
pub(crate) const USE_STEP: Duration = Duration::from_mins(5);

/// An API token. Its text is known to its program alone.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct ApiToken {
    /// Its id.
    pub(crate) id: TokenId,
    /// The account that it acts as.
    pub(crate) user_id: UserId,
    /// The place it takes among the tokens of that account.
    pub(crate) slot: u64,
    /// What it is for.
    pub(crate) name: String,
    /// What it is good for.
    pub(crate) scopes: Vec<Scope>,
    /// What is stored in place of its text.
    pub(crate) fingerprint: String,
    /// When it was made.
    pub(crate) created_at: Timestamp,
    /// When it ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expires_at: Option<Timestamp>,
    /// When it was last used, to [`USE_STEP`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) last_used_at: Option<Timestamp>,
}

impl ApiToken {
    /// The login that it is: sockets and revocations know it by that.
    pub(crate) const fn session_id(&self) -> SessionId {
        SessionId::from_ulid(self.id.ulid())
    }

    /// The token that is this login.
    pub(crate) const fn id_of(session_id: SessionId) -> TokenId {
        TokenId::from_ulid(session_id.ulid())
    }

    /// Whether it has not ended by itself.
    pub(crate) fn lasts(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }

    /// Whether its last use is noted too long ago to say nothing of this one.
    pub(crate) fn is_newly_used(&self, now: Timestamp) -> bool {
        self.last_used_at.is_none_or(|noted| now.since(noted) >= USE_STEP)
    }

    /// As the person sees it whose it is, or whose bot's.
    pub(crate) fn view(&self, account: &Account) -> ApiTokenInfo {
        ApiTokenInfo {
            id: self.id,
            name: self.name.clone(),
            scopes: self.scopes.clone(),
            bot_id: account.bot.is_some().then_some(account.id),
            created_at: self.created_at,
            expires_at: self.expires_at,
            last_used_at: self.last_used_at,
        }
    }

    /// As other services see it.
    pub(crate) fn owner(&self, account: &Account) -> TokenOwner {
        TokenOwner {
            user_id: account.id,
            session_id: self.session_id(),
            operator: account.operator,
            moderator: account.moderator,
            bot: account.bot.is_some(),
            scopes: self.scopes.clone(),
            expires_at: self.expires_at,
        }
    }
}
