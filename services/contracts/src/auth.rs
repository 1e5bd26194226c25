//! What auth says: accounts, sessions and the tokens that stand for them.

mod audit;
mod credentials;
mod erasure;
mod instance;
mod mailbox;
mod openid;
mod passkeys;
mod profile;
mod programs;
mod signing_keys;
mod standing;

use std::fmt;

use garde::Validate;
use serde::{Deserialize, Serialize};
use tertulia_runtime::Timestamp;
use utoipa::{IntoParams, ToSchema};

use crate::{MediaId, SessionId, UserId};

pub use audit::{
    AuditEntries, AuditEntry, AuditFault, AuditPoint, AuditVerification, BrokenEntry, MAX_VERIFIED,
    SearchAudit, VerifyAudit,
};
pub use credentials::{ConfirmTotp, Credentials, RECOVERY_CODES, RecoveryCodes, StepUp, TotpSecret, WayIn};
pub use erasure::{Erasure, ErasureStarted, Erasures, FORGETTING, FindErasure, ForgottenBy, ListErasures};
pub use instance::{
    CreateInstanceInvitation, INVITATION_SECRET_PREFIX, Instance, InstanceInvitation, InstanceInvitations,
    ListInstanceInvitations, MAX_INSTANCE_INVITATION_LIFE_S, MAX_INSTANCE_INVITATION_USES,
    MIN_INSTANCE_INVITATION_LIFE_S, MadeInstanceInvitation, Registration,
};
pub use mailbox::{
    ChangeEmail, ChangePassword, ForgotPassword, ListMail, MAX_LOCALE_BYTES, ResetPassword, SentMail,
    SentMails, VerifyEmail, locale,
};
pub use openid::{
    AccountProposal, CreateOpenidAccount, FinishOpenid, LinkedIdentities, LinkedIdentity, MAX_IDENTITIES,
    OpenidProvider, OpenidProviders, OpenidStarted,
};
pub use passkeys::{
    AssertionResponse, AttestationResponse, CreatePasskey, CreatedCredential, MAX_PASSKEYS, Passkey,
    PasskeyOptions, Passkeys, SignInWithPasskey, UsedCredential,
};
pub use profile::{MAX_BIO_CHARS, MAX_TIME_ZONE_BYTES, Profile, UpdateMe};
pub use programs::{
    ApiTokenInfo, ApiTokens, Bot, Bots, CreateBot, CreateToken, IssuedToken, ListTokens, LookUpToken,
    MAX_BOTS, MAX_TOKENS, TokenOwner,
};

pub use signing_keys::{KeyState, SigningKeyInfo, SigningKeys};
pub use standing::{
    KnownAccount, KnownAccounts, ListAccounts, MAX_SUSPENSION_REASON_CHARS, SuspendAccount, Suspension,
};

/// `POST /v1/accounts`.
#[derive(Clone, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateAccount {
    /// Unique name: 2 to 32 lower-case letters, digits, `_`, `-` and `.`, beginning with a letter or digit.
    #[garde(custom(self::handle))]
    #[schema(min_length = 2, max_length = 32, pattern = "^[a-z0-9][a-z0-9_.-]*$")]
    pub handle: String,
    /// 10 to 256 bytes.
    #[garde(length(bytes, min = 10, max = 256))]
    #[schema(format = Password, min_length = 10, max_length = 256)]
    pub password: String,
    /// What others see; the handle if absent. At most 64 characters.
    #[garde(inner(length(chars, max = 64), custom(self::display_name)))]
    #[schema(min_length = 1, max_length = 64)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// At most 254 characters. It is the account's once a link that is sent there was opened.
    #[garde(inner(length(chars, max = 254), custom(self::email)))]
    #[schema(min_length = 3, max_length = 254)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// The language that the account is written to in: a BCP 47 tag, `en` or `es-MX`. English if absent or another.
    #[garde(inner(custom(self::locale)))]
    #[schema(min_length = 1)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// The token of the one-time setup link; makes this account the operator's.
    #[garde(inner(length(bytes, max = 128)))]
    #[schema(max_length = 128)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub setup_token: Option<String>,
    /// The secret of an invitation, where registration takes one (`GET /v1/instance`). Where it does not, it is not used up.
    #[garde(inner(length(bytes, max = 128)))]
    #[schema(max_length = 128)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invitation: Option<String>,
}

/// The rule for handles, the same for people and channels.
pub fn handle(handle: &str, _: &()) -> garde::Result {
    let first = handle.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let rest = handle
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-.".contains(&byte));
    if first && rest && (2..=32).contains(&handle.len()) {
        return Ok(());
    }
    Err(garde::Error::new(
        "use 2 to 32 lower-case letters, digits, _, - and ., beginning with a letter or digit",
    ))
}

/// The rule for names that are shown: something must be seen of them, and nothing of what is not seen.
pub fn display_name(name: &str, _: &()) -> garde::Result {
    if name.trim().is_empty() || name.chars().any(char::is_control) {
        return Err(garde::Error::new("use at least one visible character, and no control characters"));
    }
    Ok(())
}

/// The rule for e-mail addresses: only what is certainly none is refused, since whether mail arrives is seen
/// by sending some.
pub fn email(address: &str, _: &()) -> garde::Result {
    let parts = address.rsplit_once('@');
    let bad = |character: char| character.is_whitespace() || character.is_control();
    if parts.is_some_and(|(who, host)| !who.is_empty() && !host.is_empty()) && !address.contains(bad) {
        return Ok(());
    }
    Err(garde::Error::new("use an address of the form name@host"))
}

/// `POST /v1/sessions`.
#[derive(Clone, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateSession {
    /// The handle or the e-mail address.
    #[garde(length(bytes, min = 1, max = 254))]
    #[schema(min_length = 1, max_length = 254)]
    pub identifier: String,
    /// The password.
    #[garde(length(bytes, min = 1, max = 256))]
    #[schema(format = Password, min_length = 1, max_length = 256)]
    pub password: String,
    /// A one-time code, where they are asked for: six digits.
    #[garde(inner(length(bytes, min = 6, max = 16)))]
    #[schema(min_length = 6, max_length = 16)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub totp: Option<String>,
    /// A recovery code in its place.
    #[garde(inner(length(bytes, min = 1, max = 64)))]
    #[schema(min_length = 1, max_length = 64)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery_code: Option<String>,
}

/// `POST /v1/sessions/refresh`.
#[derive(Clone, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RefreshSession {
    /// The newest refresh token of the session. Single use: the answer holds the next.
    #[garde(length(bytes, min = 1, max = 256))]
    #[schema(min_length = 1, max_length = 256)]
    pub refresh_token: String,
}

/// An account as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Account {
    /// Its id.
    pub id: UserId,
    /// Its unique name.
    pub handle: String,
    /// What others see.
    pub display_name: String,
    /// Only its owner sees it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Whether its owner showed that they read what is sent there. Until then it is good for nothing.
    #[serde(default)]
    pub email_verified: bool,
    /// The address that takes the place of the verified one once it is verified itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending_email: Option<String>,
    /// The language that it is written to in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// Where its owner's clock is: a name of the IANA database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// What its owner says of themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bio: Option<String>,
    /// Its owner's picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avatar_id: Option<MediaId>,
    /// Whether it runs this instance.
    pub operator: bool,
    /// Whether it keeps the instance's public conversations in order.
    #[serde(default)]
    pub moderator: bool,
    /// The person it belongs to, if it is a program's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bot_of: Option<UserId>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// An account as others see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct User {
    /// Its id.
    pub id: UserId,
    /// Its unique name.
    pub handle: String,
    /// What others see.
    pub display_name: String,
    /// The person whose program this is; absent for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bot_of: Option<UserId>,
}

/// A login.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// When it began.
    pub created_at: Timestamp,
    /// When a token was last issued to it.
    pub last_used_at: Timestamp,
    /// When its holder last proved who they are.
    pub authenticated_at: Timestamp,
    /// The client's `User-Agent`, shortened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Whether it is the one that asks.
    pub current: bool,
}

/// A signed-in client: the answer to sign-up, sign-in and refresh.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct SignedIn {
    /// Whose.
    pub account: Account,
    /// The login.
    pub session: Session,
    /// An EdDSA-signed JWT, for `Authorization: Bearer`.
    pub access_token: String,
    /// What the next refresh takes. Shown once.
    pub refresh_token: String,
    /// The access token's life in seconds.
    pub expires_in: u64,
}

/// `GET /.well-known/jwks.json`: RFC 7517, with the OKP keys of RFC 8037.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Jwks {
    /// The keys that access tokens may be signed with now.
    pub keys: Vec<Jwk>,
}

/// One public key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Jwk {
    /// `OKP`.
    pub kty: String,
    /// `Ed25519`.
    pub crv: String,
    /// What a token's header names.
    pub kid: String,
    /// `sig`.
    #[serde(rename = "use")]
    pub usage: String,
    /// `EdDSA`.
    pub alg: String,
    /// The public key, base64url without padding.
    pub x: String,
}

/// A list of sessions.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Sessions {
    /// Newest first.
    pub items: Vec<Session>,
    /// Absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// The query of `GET /v1/users`: one of the two.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct FindUsers {
    /// The one of this handle.
    #[garde(inner(length(bytes, max = 64)))]
    #[param(max_length = 64)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handle: Option<String>,
    /// Those of these ids, separated by commas; at most 100.
    #[garde(inner(length(bytes, min = 1, max = 4096)))]
    #[param(min_length = 1, max_length = 4096, pattern = "^[A-Za-z0-9_-]+$")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ids: Option<String>,
}

/// The query of `GET /v1/sessions`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListSessions {
    /// Where the page before ended: its `next_cursor`.
    #[garde(inner(length(bytes, min = 1, max = 1024)))]
    #[param(min_length = 1, max_length = 1024, pattern = "^[A-Za-z0-9_-]+$")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// At most so many, 1 to 200; 50 if absent.
    #[garde(inner(range(min = 1, max = 200)))]
    #[param(minimum = 1, maximum = 200)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// A list of users.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Users {
    /// Those found.
    pub items: Vec<User>,
    /// Absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// What holds a secret says in a log whom it is about and nothing more.
macro_rules! discreet {
    ($($type:ident { $($shown:ident),* })*) => {$(
        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($type))$(.field(stringify!($shown), &self.$shown))*.finish_non_exhaustive()
            }
        }
    )*};
}

discreet! {
    CreateAccount { handle }
    CreateSession {}
    RefreshSession {}
    SignedIn { account, session }
    IssuedToken { api_token }
    MadeInstanceInvitation { invitation }
    LookUpToken {}
    ChangeEmail {}
    ChangePassword {}
    ForgotPassword {}
    ResetPassword {}
    TotpSecret {}
    ConfirmTotp {}
    RecoveryCodes {}
    StepUp {}
    VerifyEmail {}
    SentMail { id, at, subject }
    OpenidStarted { expires_at }
    FinishOpenid {}
    CreateOpenidAccount { handle }
}
