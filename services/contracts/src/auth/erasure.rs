//! Erasing an account (GDPR Art. 17), and the report of what was done.

use std::collections::BTreeMap;

use garde::Validate;
use serde::{Deserialize, Serialize};
use tertulia_runtime::Timestamp;
use utoipa::{IntoParams, ToSchema};

use crate::{UserId, routes::role};

/// The services that forget an account which is erased; the others keep nothing of anybody.
pub const FORGETTING: &[&str] = &[role::AUTH, role::MESSAGING];

/// An account that was erased, and what was done about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Erasure {
    /// Whose it was. Nothing says who that is.
    pub user_id: UserId,
    /// When it was erased. From then on nobody could use it.
    pub erased_at: Timestamp,
    /// Who asked for it: the account itself, whoever it was a program of, or the operator.
    pub by: UserId,
    /// The services that have forgotten it.
    pub services: Vec<ForgottenBy>,
    /// The services that are still to.
    pub waiting_for: Vec<String>,
    /// When the last of them had. Absent until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Timestamp>,
}

/// That a service has forgotten an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ForgottenBy {
    /// Which: `auth`, `messaging`.
    pub service: String,
    /// When it had.
    pub at: Timestamp,
    /// How much it removed, by what it was: `messages`, `sessions`. What was removed before a process died is not always
    /// counted.
    pub removed: BTreeMap<String, u64>,
}

/// An account is erased.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErasureStarted {
    /// What the report is shown for, since nobody can sign in any more. It is shown here alone.
    pub receipt: String,
    /// What was done so far.
    pub erasure: Erasure,
}

/// The body of `POST /v1/erasures/report`.
#[derive(Debug, Clone, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FindErasure {
    /// What `DELETE /v1/me` answered.
    #[garde(length(chars, min = 1, max = 100))]
    #[schema(min_length = 1, max_length = 100)]
    pub receipt: String,
}

/// The query of `GET /v1/operator/erasures`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListErasures {
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

/// A page of erasures.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Erasures {
    /// The newest first.
    pub items: Vec<Erasure>,
    /// Absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}
