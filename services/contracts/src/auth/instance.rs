//! The instance as somebody sees it who has no account yet, and the invitations that let them make one.

use garde::Validate;
use serde::{Deserialize, Serialize};
use tertulia_runtime::Timestamp;
use utoipa::{IntoParams, ToSchema};

use crate::{InvitationId, UserId};

/// The most accounts that are made by one invitation.
pub const MAX_INSTANCE_INVITATION_USES: u32 = 1_000;
/// The shortest life of an invitation: a minute.
pub const MIN_INSTANCE_INVITATION_LIFE_S: u32 = 60;
/// The longest: a year.
pub const MAX_INSTANCE_INVITATION_LIFE_S: u32 = 365 * 24 * 60 * 60;
/// What every invitation's secret begins with, so that scanners find one that was published by mistake.
pub const INVITATION_SECRET_PREFIX: &str = "teri_";

/// Who may make an account without the setup link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Registration {
    /// Anybody.
    #[default]
    Open,
    /// Who has an invitation of the operator's.
    Invitation,
    /// Nobody.
    Closed,
}

/// `GET /v1/instance`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Instance {
    /// Who may make an account.
    pub registration: Registration,
}

/// `POST /v1/operator/invitations`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateInstanceInvitation {
    /// How many accounts may be made by it: 1 to 1,000; one if absent.
    #[garde(inner(range(min = 1, max = MAX_INSTANCE_INVITATION_USES)))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 1_000)]
    pub max_uses: Option<u32>,
    /// How long it works, in seconds: a minute to a year; seven days if absent.
    #[garde(inner(range(min = MIN_INSTANCE_INVITATION_LIFE_S, max = MAX_INSTANCE_INVITATION_LIFE_S)))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 60, maximum = 31_536_000)]
    pub expires_in_s: Option<u32>,
    /// For whom it is, as the operator will recognise it. At most 200 characters.
    #[garde(inner(length(chars, max = 200), custom(super::display_name)))]
    #[schema(min_length = 1, max_length = 200)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// An invitation to make an account, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InstanceInvitation {
    /// Its id.
    pub id: InvitationId,
    /// Who invites.
    pub created_by: UserId,
    /// Since when.
    pub created_at: Timestamp,
    /// From when on it no longer works.
    pub expires_at: Timestamp,
    /// How many accounts may be made by it.
    pub max_uses: u32,
    /// How many were.
    pub uses: u32,
    /// For whom it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// An invitation that was just made.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct MadeInstanceInvitation {
    /// What is kept of it.
    pub invitation: InstanceInvitation,
    /// What `POST /v1/accounts` takes as `invitation`. Shown once.
    pub secret: String,
}

/// A page of invitations.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct InstanceInvitations {
    /// Newest first, those that were withdrawn or are over not among them.
    pub items: Vec<InstanceInvitation>,
    /// Absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// The query of `GET /v1/operator/invitations`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListInstanceInvitations {
    /// Where the page before ended: its `next_cursor`.
    #[garde(inner(length(bytes, min = 1, max = 1024)))]
    #[param(min_length = 1, max_length = 1024, pattern = "^[A-Za-z0-9_-]+$")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// At most so many, 1 to 100; 50 if absent.
    #[garde(inner(range(min = 1, max = 100)))]
    #[param(minimum = 1, maximum = 100)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}
