//! What the operator sees of accounts and does with them: offices and suspensions.

use garde::Validate;
use serde::{Deserialize, Serialize};
use tertulia_runtime::Timestamp;
use utoipa::{IntoParams, ToSchema};

use crate::{UserId, permissions::InstanceRole};

/// The longest reason of a suspension, in characters.
pub const MAX_SUSPENSION_REASON_CHARS: usize = 500;

/// An account as the operator sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KnownAccount {
    /// Its id.
    pub id: UserId,
    /// Its unique name.
    pub handle: String,
    /// What others see.
    pub display_name: String,
    /// What it is to the instance.
    pub role: InstanceRole,
    /// The person it belongs to, if it is a program's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bot_of: Option<UserId>,
    /// Why nobody can use it now, if so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspension: Option<Suspension>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// That nobody can use an account for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Suspension {
    /// Why. Whoever knows the account's password is told.
    pub reason: String,
    /// Who did it.
    pub by: UserId,
    /// Since when.
    pub since: Timestamp,
    /// Until when; until it is lifted if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// A page of accounts.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct KnownAccounts {
    /// By handle.
    pub items: Vec<KnownAccount>,
    /// Absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// The query of `GET /v1/operator/accounts`: all of it must be so.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListAccounts {
    /// What the handle begins with.
    #[garde(inner(length(bytes, min = 1, max = 32), custom(beginning_of_a_handle)))]
    #[param(min_length = 1, max_length = 32)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handle: Option<String>,
    /// What it is to the instance.
    #[garde(skip)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(inline)]
    pub role: Option<InstanceRole>,
    /// Whether it is suspended now.
    #[garde(skip)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspended: Option<bool>,
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

#[expect(clippy::trivially_copy_pass_by_ref, reason = "garde hands every rule its context so")]
fn beginning_of_a_handle(text: &str, _: &()) -> garde::Result {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-.".contains(&byte);
    if text.bytes().all(fits) {
        return Ok(());
    }
    Err(garde::Error::new("use lower-case letters, digits, _, - and . only"))
}

/// `PUT /v1/operator/accounts/{id}/suspension`.
#[derive(Debug, Clone, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SuspendAccount {
    /// Why, for whoever knows the account's password. 1 to 500 characters.
    #[garde(length(chars, max = MAX_SUSPENSION_REASON_CHARS), custom(super::display_name))]
    #[schema(min_length = 1, max_length = 500)]
    pub reason: String,
    /// When it ends by itself; only when it is lifted if absent.
    #[garde(skip)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}
