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
//! * **Revocation is told, not asked.** A token stays formally valid until it expires, a few minutes after it
//!   was made; sockets learn of an ended login over the control channel, and auth's own routes look it up.

mod caller;
mod keys;
#[cfg(any(test, feature = "testkit"))]
pub mod testkit;
#[cfg(test)]
mod tests;
mod verified;
mod verifier;

use std::{borrow::Cow, time::Duration};

use serde::{Deserialize, Serialize};
use tertulia_runtime::{Fault, Kind, Timestamp};

use crate::{SessionId, UserId, permissions::InstanceRole};

pub use caller::{Caller, bearer};
pub use keys::{SEED_BYTES, SigningKey};
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

/// What a valid access token says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// Who asks.
    pub user_id: UserId,
    /// By which login.
    pub session_id: SessionId,
    /// From when on the token is no longer good.
    pub expires_at: Timestamp,
    /// Whether they run this instance.
    pub operator: bool,
}

impl Identity {
    /// What they are to the instance, as far as the token says.
    pub fn account(&self) -> InstanceRole {
        if self.operator { InstanceRole::Operator } else { InstanceRole::User }
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
    /// Auth's keys are not known here yet, and auth does not answer.
    #[error("the keys that access tokens are signed with could not be had: {0}")]
    KeysUnavailable(String),
}

impl Fault for IdentityError {
    fn kind(&self) -> Kind {
        match self {
            Self::Missing | Self::Refused(_) | Self::Expired => Kind::Unauthenticated,
            Self::KeysUnavailable(_) => Kind::Unavailable,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Missing => "token_missing",
            Self::Refused(_) => "token_invalid",
            Self::Expired => "token_expired",
            Self::KeysUnavailable(_) => "keys_unavailable",
        }
    }

    fn detail(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Missing => "Send an access token: Authorization: Bearer <token>.",
            Self::Refused(_) => "The access token is not valid. Sign in again.",
            Self::Expired => "The access token has expired. Refresh it.",
            Self::KeysUnavailable(_) => "It cannot be checked just now who you are. Try again in a moment.",
        })
    }

    fn retry_after(&self) -> Option<Duration> {
        matches!(self, Self::KeysUnavailable(_)).then_some(MIN_FETCH_INTERVAL)
    }
}
