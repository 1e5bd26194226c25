//! Signing in with a passkey: WebAuthn (Level 3), in the JSON that browsers read and write by themselves.

use garde::Validate;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tertulia_runtime::Timestamp;
use utoipa::ToSchema;

use crate::PasskeyId;

/// The most passkeys of one account.
pub const MAX_PASSKEYS: usize = 20;

/// What a browser is to be asked.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PasskeyOptions {
    /// For `PublicKeyCredential.parseCreationOptionsFromJSON`, or `parseRequestOptionsFromJSON` at sign-in.
    #[schema(value_type = Object)]
    pub options: Value,
    /// Until when the answer is taken, once.
    pub expires_at: Timestamp,
}

/// `POST /v1/me/passkeys`.
#[derive(Debug, Clone, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreatePasskey {
    /// What its owner calls it: at most 64 characters.
    #[garde(length(chars, max = 64), custom(super::display_name))]
    #[schema(min_length = 1, max_length = 64)]
    pub name: String,
    /// What the browser made, by `toJSON`.
    #[garde(dive)]
    pub credential: CreatedCredential,
}

/// A `RegistrationResponseJSON`. What it holds besides is not looked at.
#[derive(Debug, Clone, Serialize, Deserialize, Validate, ToSchema)]
pub struct CreatedCredential {
    /// The credential's id, in base64url as everything here.
    #[garde(length(bytes, min = 1, max = 1366))]
    #[schema(min_length = 1, max_length = 1366)]
    pub id: String,
    /// What the authenticator said.
    #[garde(dive)]
    pub response: AttestationResponse,
}

/// The `response` of a new credential.
#[derive(Debug, Clone, Serialize, Deserialize, Validate, ToSchema)]
pub struct AttestationResponse {
    /// What the browser signed for.
    #[garde(length(bytes, min = 1, max = 8192))]
    #[schema(min_length = 1, max_length = 8192)]
    #[serde(rename = "clientDataJSON")]
    pub client_data_json: String,
    /// The key, with what the authenticator says of it.
    #[garde(length(bytes, min = 1, max = 32768))]
    #[schema(min_length = 1, max_length = 32768)]
    #[serde(rename = "attestationObject")]
    pub attestation_object: String,
}

/// `POST /v1/passkeys/finish`.
#[derive(Debug, Clone, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignInWithPasskey {
    /// What the browser answered, by `toJSON`.
    #[garde(dive)]
    pub credential: UsedCredential,
}

/// An `AuthenticationResponseJSON`. What it holds besides is not looked at.
#[derive(Debug, Clone, Serialize, Deserialize, Validate, ToSchema)]
pub struct UsedCredential {
    /// The credential's id, in base64url as everything here.
    #[garde(length(bytes, min = 1, max = 1366))]
    #[schema(min_length = 1, max_length = 1366)]
    pub id: String,
    /// What the authenticator said.
    #[garde(dive)]
    pub response: AssertionResponse,
}

/// The `response` of a credential that was used.
#[derive(Debug, Clone, Serialize, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AssertionResponse {
    /// What the browser signed for.
    #[garde(length(bytes, min = 1, max = 8192))]
    #[schema(min_length = 1, max_length = 8192)]
    #[serde(rename = "clientDataJSON")]
    pub client_data_json: String,
    /// What the authenticator says of itself and of who uses it.
    #[garde(length(bytes, min = 1, max = 8192))]
    #[schema(min_length = 1, max_length = 8192)]
    pub authenticator_data: String,
    /// Over both.
    #[garde(length(bytes, min = 1, max = 2048))]
    #[schema(min_length = 1, max_length = 2048)]
    pub signature: String,
    /// Whose it is: a passkey tells.
    #[garde(length(bytes, min = 1, max = 128))]
    #[schema(min_length = 1, max_length = 128)]
    pub user_handle: String,
}

/// A passkey, as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Passkey {
    /// Its id.
    pub id: PasskeyId,
    /// What its owner calls it.
    pub name: String,
    /// Whether it lives on more than one device.
    pub backed_up: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When somebody last signed in with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Timestamp>,
}

/// `GET /v1/me/passkeys`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Passkeys {
    /// Oldest first.
    pub items: Vec<Passkey>,
    /// Always absent: there are 20 at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}
