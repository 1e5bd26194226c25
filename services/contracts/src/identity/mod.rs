//! Who asks: access tokens, made by auth and verified by everyone.
//!
//! An access token is a JWT in the profile of RFC 9068, signed with Ed25519 (RFC 8037). Promises of
//! [`Verifier`]:
//!
//! * **Strict.** The algorithm, the type, the issuer and the audience are pinned, the key must be one that auth
//!   publishes, every claim must be there, and a token counts from its making until its expiry and not a
//!   moment longer but for [`LEEWAY`]. The time is the injected clock's.
//! * **Offline.** Auth is asked for its keys only: at first use, when a token names a key that is not known
//!   here (at most once in [`MIN_FETCH_INTERVAL`], whatever strangers send), and when the keys are
//!   older than [`MAX_KEY_AGE`]. While auth is away the known keys go on being good.
//! * **Revocation is told.** That a login has ended is broadcast, and its tokens are refused from then on, though they have
//!   not expired. Whoever may have missed some ends asks auth of each token that was made until then; while auth is away
//!   these go on being good. Sockets learn of it over the control channel.
//! * **Suspension is told and remembered.** Of an account that was suspended or holds another office, every earlier token is
//!   refused at once ([`Denial`]): it is broadcast, and asked for together with the keys by whoever may have missed it.
//! * **API tokens are looked up.** A program's token ([`ApiToken`]) says nothing by itself: auth is asked, and what it
//!   answered is remembered for [`TOKEN_MEMORY`] at most. A revocation is broadcast and ends that at once. While auth is
//!   away the remembered ones go on being good until their time is over; of others it cannot be told.

mod api_token;
mod caller;
mod denied;
mod ended;
#[cfg(any(test, feature = "testkit"))]
pub mod hostile;
mod keys;
mod looked_up;
mod scope;
#[cfg(any(test, feature = "testkit"))]
pub mod testkit;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_of_api_tokens;
#[cfg(test)]
mod tests_of_denials;
#[cfg(test)]
mod tests_of_endings;
mod verified;
mod verifier;

use std::{borrow::Cow, time::Duration};

use serde::{Deserialize, Serialize};
use tertulia_runtime::{Fault, Kind, Timestamp};

use crate::{SessionId, UserId, permissions::InstanceRole};

pub use api_token::{API_TOKEN_PREFIX, ApiToken, MalformedToken, marked_secret};
pub use caller::{Caller, bearer};
pub use denied::{DENIALS_PATH, Denial, Denials, MAX_DENIALS};
pub use ended::{MAX_ENDED, SESSIONS_PATH};
pub use keys::{SEED_BYTES, SigningKey};
pub use looked_up::LOOK_UP_PATH;
pub use scope::{Scope, Scopes};
pub use verifier::Verifier;

/// Who issues access tokens.
pub const ISSUER: &str = "tertulia";
/// Whom access tokens are for.
pub const AUDIENCE: &str = "tertulia";
/// The `typ` of an access token's header (RFC 9068 §2.1), so that no other JWT passes for one.
pub const TOKEN_TYPE: &str = "at+jwt";
/// How far the clocks of two machines may differ.
pub const LEEWAY: Duration = Duration::from_secs(5);
/// The longest token that is looked at.
pub const MAX_TOKEN_BYTES: usize = 2048;
/// Auth is asked for its keys at most once in this time.
pub const MIN_FETCH_INTERVAL: Duration = Duration::from_secs(1);
/// Keys this old are asked for again, so that one that was withdrawn stops being good.
pub const MAX_KEY_AGE: Duration = Duration::from_mins(10);

/// No access token is good for longer, however auth is configured.
pub const MAX_ACCESS_TOKEN_LIFE: Duration = Duration::from_hours(1);

/// How long it is remembered what auth said of an API token.
pub const TOKEN_MEMORY: Duration = Duration::from_mins(1);

/// What a valid token says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// Who asks.
    pub user_id: UserId,
    /// By which login; an API token is one, too.
    pub session_id: SessionId,
    /// From when on the token is no longer good.
    pub expires_at: Timestamp,
    /// Whether they run this instance.
    pub operator: bool,
    /// Whether they keep its public conversations in order.
    pub moderator: bool,
    /// Whether they are a program with an account of its own.
    pub bot: bool,
    /// What the token is good for.
    pub scopes: Scopes,
}

impl Identity {
    /// What they are to the instance, as far as the token says.
    pub fn account(&self) -> InstanceRole {
        match () {
            () if self.bot => InstanceRole::Bot,
            () if self.operator => InstanceRole::Operator,
            () if self.moderator => InstanceRole::Moderator,
            () => InstanceRole::User,
        }
    }

    /// Whether somebody signed in, and it is not an API token.
    pub const fn is_login(&self) -> bool {
        self.scopes.contains(Scope::Account)
    }

    /// Whether the token is good for this.
    ///
    /// # Errors
    /// [`IdentityError::InsufficientScope`].
    pub const fn permit(&self, scope: Scope) -> Result<(), IdentityError> {
        if self.scopes.contains(scope) { Ok(()) } else { Err(IdentityError::InsufficientScope(scope)) }
    }
}

/// The claims of an access token (RFC 7519 §4.1, RFC 9068 §2.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Always [`ISSUER`].
    pub iss: String,
    /// Always [`AUDIENCE`].
    pub aud: String,
    /// Whose it is.
    pub sub: UserId,
    /// The login it belongs to.
    pub sid: SessionId,
    /// When it was made, in seconds since the epoch.
    pub iat: i64,
    /// When it ends, in seconds since the epoch.
    pub exp: i64,
    /// Whether its owner runs this instance.
    pub op: bool,
    /// Whether its owner is one of its moderators.
    #[serde(default)]
    pub moderator: bool,
    /// Which of the account's states it tells: of an earlier one than the [denials](Denial) name it is good no longer.
    #[serde(default)]
    pub epoch: u64,
}

impl Claims {
    /// The claims of a token made now.
    pub fn new(
        user_id: UserId,
        session_id: SessionId,
        operator: bool,
        now: Timestamp,
        life: Duration,
    ) -> Self {
        Self {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: user_id,
            sid: session_id,
            iat: now.as_seconds(),
            exp: now.plus(life).as_seconds(),
            op: operator,
            moderator: false,
            epoch: 0,
        }
    }
}

/// Why it is not known who asks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// No `Authorization: Bearer` header.
    #[error("the request carries no access token")]
    Missing,
    /// The token is not one of ours, or not for us.
    #[error("the access token is refused: {0}")]
    Refused(String),
    /// It was good once.
    #[error("the access token has expired")]
    Expired,
    /// It has not expired, and its login has ended.
    #[error("the session has ended")]
    SessionEnded,
    /// Auth's keys are not known here yet, and auth does not answer.
    #[error("the keys that access tokens are signed with could not be had: {0}")]
    KeysUnavailable(String),
    /// Nothing is remembered of the API token, and auth does not answer.
    #[error("the API token could not be looked up: {0}")]
    LookUpUnavailable(String),
    /// The token is good, but not for this.
    #[error("the token lacks the scope {}", .0.name())]
    InsufficientScope(Scope),
}

impl Fault for IdentityError {
    fn kind(&self) -> Kind {
        match self {
            Self::Missing | Self::Refused(_) | Self::Expired | Self::SessionEnded => Kind::Unauthenticated,
            Self::KeysUnavailable(_) | Self::LookUpUnavailable(_) => Kind::Unavailable,
            Self::InsufficientScope(_) => Kind::Forbidden,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Missing => "token_missing",
            Self::Refused(_) => "token_invalid",
            Self::Expired => "token_expired",
            Self::SessionEnded => "session_ended",
            Self::KeysUnavailable(_) => "keys_unavailable",
            Self::LookUpUnavailable(_) => "tokens_unavailable",
            Self::InsufficientScope(_) => "insufficient_scope",
        }
    }

    fn detail(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Missing => "Send an access token: Authorization: Bearer <token>.",
            Self::Refused(_) => "The access token is not valid. Sign in again.",
            Self::Expired => "The access token has expired. Refresh it.",
            Self::SessionEnded => "The session has ended. Sign in again.",
            Self::KeysUnavailable(_) | Self::LookUpUnavailable(_) => {
                "It cannot be checked just now who you are. Try again in a moment."
            }
            Self::InsufficientScope(Scope::Account) => {
                "No API token may do this: it is for whoever signs in with a password."
            }
            Self::InsufficientScope(scope) => {
                return Cow::Owned(format!("This takes a token with the scope {}.", scope.name()));
            }
        })
    }

    fn retry_after(&self) -> Option<Duration> {
        matches!(self, Self::KeysUnavailable(_) | Self::LookUpUnavailable(_)).then_some(MIN_FETCH_INTERVAL)
    }
}
