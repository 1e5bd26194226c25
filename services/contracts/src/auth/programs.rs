//! Bots, and the tokens that programs come with.

use garde::Validate;
use serde::{Deserialize, Serialize};
use tertulia_runtime::Timestamp;
use utoipa::{IntoParams, ToSchema};

use crate::{SessionId, TokenId, UserId, identity::Scope};

/// The most bots of one person.
pub const MAX_BOTS: usize = 20;
/// The most API tokens of one account, those that have expired among them.
pub const MAX_TOKENS: usize = 50;

/// `POST /v1/bots`.
#[derive(Debug, Clone, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateBot {
    /// Unique among people and bots, by the rule for handles.
    #[garde(custom(super::handle))]
    #[schema(min_length = 2, max_length = 32, pattern = "^[a-z0-9][a-z0-9_.-]*$")]
    pub handle: String,
    /// What others see; the handle if absent. At most 64 characters.
    #[garde(inner(length(chars, max = 64), custom(super::display_name)))]
    #[schema(min_length = 1, max_length = 64)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
}

/// An account that a program uses. It belongs to a person, has no password and cannot sign in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Bot {
    /// Its id: a user like others.
    pub id: UserId,
    /// Its unique name.
    pub handle: String,
    /// What others see.
    pub display_name: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A list of bots.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Bots {
    /// All of them, at most 20, oldest first.
    pub items: Vec<Bot>,
    /// Absent: there is one page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// `POST /v1/tokens`.
#[derive(Debug, Clone, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateToken {
    /// What it is for, as its owner will recognise it. At most 64 characters.
    #[garde(length(chars, max = 64), custom(super::display_name))]
    #[schema(min_length = 1, max_length = 64)]
    pub name: String,
    /// What it is good for: at least one, none twice.
    #[garde(length(min = 1, max = 2), custom(each_once))]
    #[schema(min_items = 1, max_items = 2)]
    pub scopes: Vec<Scope>,
    /// The caller's bot that it acts as; the caller if absent.
    #[garde(skip)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bot_id: Option<UserId>,
    /// When it ends by itself; never if absent.
    #[garde(skip)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "garde hands every rule its context so")]
fn each_once(scopes: &[Scope], _: &()) -> garde::Result {
    let twice = scopes.iter().enumerate().any(|(index, scope)| scopes[..index].contains(scope));
    if twice { Err(garde::Error::new("name each scope once")) } else { Ok(()) }
}

/// A token, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ApiTokenInfo {
    /// Its id.
    pub id: TokenId,
    /// What it is for.
    pub name: String,
    /// What it is good for.
    pub scopes: Vec<Scope>,
    /// The bot that it acts as; absent for a token of the person themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bot_id: Option<UserId>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// When it was last used, give or take five minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Timestamp>,
}

/// The answer to `POST /v1/tokens`.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct IssuedToken {
    /// What is kept of it.
    pub api_token: ApiTokenInfo,
    /// The token itself, for `Authorization: Bearer`. Shown once.
    pub token: String,
}

/// The query of `GET /v1/tokens`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListTokens {
    /// The caller's bot whose tokens are asked for; the caller's own if absent.
    #[garde(skip)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bot_id: Option<UserId>,
}

/// A list of tokens.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ApiTokens {
    /// All of them, at most 50, oldest first.
    pub items: Vec<ApiTokenInfo>,
    /// Absent: there is one page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// Between services: `POST /internal/tokens/look-up`.
#[derive(Clone, Serialize, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct LookUpToken {
    /// The token. In a body, since addresses are written into logs.
    #[garde(length(bytes, max = 128))]
    pub token: String,
}

/// Between services: whose a token is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TokenOwner {
    /// The account that it acts as.
    pub user_id: UserId,
    /// The login that it is.
    pub session_id: SessionId,
    /// Whether that account runs this instance.
    pub operator: bool,
    /// Whether that account is one of the instance's moderators'.
    #[serde(default)]
    pub moderator: bool,
    /// Whether it is a bot's.
    pub bot: bool,
    /// What it is good for.
    pub scopes: Vec<Scope>,
    /// When it ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}
