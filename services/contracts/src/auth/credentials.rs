//! What somebody comes in by, and how they prove it again.

use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// So many recovery codes are made at a time.
pub const RECOVERY_CODES: usize = 10;

/// Something that lets its owner into an account by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WayIn {
    /// The password.
    Password,
    /// An address that was verified: a link that is sent there sets a password.
    VerifiedAddress,
    /// An account elsewhere.
    Openid,
    /// A passkey.
    Passkey,
}

/// What an account is come into by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Credentials {
    /// Each is enough by itself, but for the second factor.
    pub ways_in: Vec<WayIn>,
    /// Whether a one-time code is asked for besides the password. A passkey asks for more than its possession by itself, and
    /// a provider for what it asks for.
    pub totp: bool,
    /// How many recovery codes were not used yet.
    pub recovery_codes_left: usize,
}

/// A new secret for one-time codes (RFC 6238: SHA-1, 6 digits, 30 seconds).
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct TotpSecret {
    /// In base 32, as one types it into an authenticator.
    pub secret: String,
    /// The same as an `otpauth:` URI, for a QR code.
    pub uri: String,
}

/// `POST /v1/me/totp/confirm`.
#[derive(Clone, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfirmTotp {
    /// A code of the new secret: six digits.
    #[garde(length(bytes, min = 6, max = 16))]
    #[schema(min_length = 6, max_length = 16)]
    pub code: String,
}

/// Codes for when the authenticator is lost. Each is good once.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct RecoveryCodes {
    /// Shown once.
    pub recovery_codes: Vec<String>,
}

/// `POST /v1/sessions/current/step-up`: one of the three.
#[derive(Clone, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StepUp {
    /// The password, where no codes are asked for.
    #[garde(inner(length(bytes, min = 1, max = 256)))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = Password, min_length = 1, max_length = 256)]
    pub password: Option<String>,
    /// A one-time code.
    #[garde(inner(length(bytes, min = 6, max = 16)))]
    #[schema(min_length = 6, max_length = 16)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub totp: Option<String>,
    /// A recovery code.
    #[garde(inner(length(bytes, min = 1, max = 64)))]
    #[schema(min_length = 1, max_length = 64)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery_code: Option<String>,
}
