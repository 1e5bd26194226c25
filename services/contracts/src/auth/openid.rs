//! Signing in with an account that somebody has elsewhere: OpenID Connect.

use garde::Validate;
use serde::{Deserialize, Serialize};
use tertulia_runtime::Timestamp;
use utoipa::ToSchema;

use crate::IdentityId;

/// The most identities of other providers that an account may be linked to.
pub const MAX_IDENTITIES: usize = 10;

/// A provider that people may sign in with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OpenidProvider {
    /// What it is called in paths.
    pub id: String,
    /// What people are shown.
    pub name: String,
}

/// `GET /v1/openid`: all of them, as the operator configured them.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct OpenidProviders {
    /// In the order of the configuration.
    pub items: Vec<OpenidProvider>,
    /// Always absent: there are few.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// A sign-in at a provider that has begun.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct OpenidStarted {
    /// Where the person's browser is to go now.
    pub authorization_url: String,
    /// What the provider gives back along with its answer.
    pub state: String,
    /// What this client keeps to itself and shows at the end: nobody else can finish what it began.
    pub secret: String,
    /// Until when it can be finished.
    pub expires_at: Timestamp,
}

/// `POST /v1/openid/finish` and `POST /v1/me/openid/finish`: what the provider answered.
#[derive(Clone, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FinishOpenid {
    /// The `state` that came back.
    #[garde(length(bytes, min = 1, max = 128))]
    #[schema(min_length = 1, max_length = 128)]
    pub state: String,
    /// The secret that the start answered.
    #[garde(length(bytes, min = 1, max = 128))]
    #[schema(min_length = 1, max_length = 128)]
    pub secret: String,
    /// The `code` that came back.
    #[garde(length(bytes, min = 1, max = 4096))]
    #[schema(min_length = 1, max_length = 4096)]
    pub code: String,
    /// The `iss` that came back, if one did (RFC 9207).
    #[garde(inner(length(bytes, max = 2048)))]
    #[schema(max_length = 2048)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iss: Option<String>,
}

/// What a new account could be called: the `proposal` of the problem `account_needed`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccountProposal {
    /// Free just now; absent where the provider told nothing to make one of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handle: Option<String>,
    /// What the provider calls them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
}

/// `POST /v1/openid/accounts`: an account for somebody whom a provider vouched for.
#[derive(Clone, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateOpenidAccount {
    /// The `state` that was finished with `account_needed`.
    #[garde(length(bytes, min = 1, max = 128))]
    #[schema(min_length = 1, max_length = 128)]
    pub state: String,
    /// Its secret.
    #[garde(length(bytes, min = 1, max = 128))]
    #[schema(min_length = 1, max_length = 128)]
    pub secret: String,
    /// Unique name: 2 to 32 lower-case letters, digits, `_`, `-` and `.`, beginning with a letter or digit.
    #[garde(custom(super::handle))]
    #[schema(min_length = 2, max_length = 32, pattern = "^[a-z0-9][a-z0-9_.-]*$")]
    pub handle: String,
    /// What others see; the handle if absent. At most 64 characters.
    #[garde(inner(length(chars, max = 64), custom(super::display_name)))]
    #[schema(min_length = 1, max_length = 64)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// The language that the account is written to in: a BCP 47 tag.
    #[garde(inner(custom(super::locale)))]
    #[schema(min_length = 1)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// Where accounts are made by invitation alone: its secret.
    #[garde(inner(length(bytes, max = 128)))]
    #[schema(max_length = 128)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invitation: Option<String>,
}

/// An identity elsewhere that signs in to an account here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LinkedIdentity {
    /// Its id here.
    pub id: IdentityId,
    /// The provider's `iss`.
    pub issuer: String,
    /// What the provider called its owner when it was linked: an address or a name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// When it was linked.
    pub linked_at: Timestamp,
    /// When somebody last signed in with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Timestamp>,
}

/// `GET /v1/me/openid`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct LinkedIdentities {
    /// Oldest first.
    pub items: Vec<LinkedIdentity>,
    /// Always absent: there are 10 at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}
