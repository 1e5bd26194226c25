//! The audit trail, as the operator reads and verifies it.

use std::collections::BTreeMap;

use garde::Validate;
use serde::{Deserialize, Serialize};
use tertulia_runtime::Timestamp;
use utoipa::{IntoParams, ToSchema};

use crate::UserId;

/// So many entries are verified by one request.
pub const MAX_VERIFIED: u64 = 10_000;

/// One entry: what was done. Each holds the hash of the one before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditEntry {
    /// Its place: 1, 2, 3 and so on.
    pub seq: u64,
    /// The id of the event that told it; the same is not entered twice.
    pub event_id: String,
    /// When it was done. Entries stand in the order in which they were told, which may be another.
    pub at: Timestamp,
    /// What was done: `account.suspended`.
    pub kind: String,
    /// Who did it; absent for what nobody signed in did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<UserId>,
    /// The account that it was done to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<UserId>,
    /// The network that it was done from: of IPv4 24 bits, of IPv6 48.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    /// What else there is to say. Never a secret.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub details: BTreeMap<String, String>,
    /// The hash of the entry before; empty for the first.
    pub previous: String,
    /// SHA-256 over everything above in its canonical form, in base64url.
    pub hash: String,
}

/// A page of the audit trail.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct AuditEntries {
    /// Newest first.
    pub items: Vec<AuditEntry>,
    /// Absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// The query of `GET /v1/operator/audit`: all of it must be so.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SearchAudit {
    /// Who did it.
    #[garde(skip)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<UserId>,
    /// To whose account.
    #[garde(skip)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<UserId>,
    /// What was done: `account.suspended`.
    #[garde(inner(length(bytes, min = 1, max = 64)))]
    #[param(min_length = 1, max_length = 64)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Not before this moment.
    #[garde(skip)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// Before this moment.
    #[garde(skip)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Timestamp>,
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

/// The query of `GET /v1/operator/audit/verification`: an entry that was noted elsewhere, behind which it begins.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct VerifyAudit {
    /// Its place; from the first entry on if absent.
    #[garde(inner(range(min = 1)))]
    #[param(minimum = 1)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_seq: Option<u64>,
    /// Its hash, which stands beside its place.
    #[garde(inner(length(bytes, min = 1, max = 64)))]
    #[param(min_length = 1, max_length = 64)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_hash: Option<String>,
}

/// What became of a verification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditVerification {
    /// The last entry up to which all is as it was written. Note it elsewhere: what is cut off behind it is seen by that.
    pub good_to: AuditPoint,
    /// Whether that is the end of the trail, or of what is whole; if not, go on behind `good_to`.
    pub complete: bool,
    /// The first entry that is not as it was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broken: Option<BrokenEntry>,
}

/// A place in the trail.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditPoint {
    /// Its place; 0 before the first entry.
    pub seq: u64,
    /// Its hash; empty before the first entry.
    pub hash: String,
}

/// An entry that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BrokenEntry {
    /// The place where it should stand.
    pub seq: u64,
    /// What is wrong there.
    pub fault: AuditFault,
}

/// What is wrong with an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuditFault {
    /// There is none, though there was one, or are later ones.
    Missing,
    /// It says another thing than when it was written.
    Changed,
    /// It does not follow the one before.
    OutOfPlace,
}
