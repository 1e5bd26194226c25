//! An invitation to make an account, as it is kept: everything but its secret.
//!
//! What counts its uses are the accounts: each that was made by it holds one of its places, of which there are as many as
//! uses. So an account and the use of the invitation are one document, and one cannot be without the other.

use serde::{Deserialize, Serialize};
use tertulia_contracts::{InvitationId, UserId, auth::InstanceInvitation};
use tertulia_runtime::Timestamp;

/// An invitation by the operator.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Invitation {
    /// Its id.
    pub(crate) id: InvitationId,
    /// What is stored in place of its secret.
    pub(crate) fingerprint: String,
    /// Who invites.
    pub(crate) created_by: UserId,
    /// Since when.
    pub(crate) created_at: Timestamp,
    /// From when on it no longer works.
    pub(crate) expires_at: Timestamp,
    /// How many places it has.
    pub(crate) max_uses: u32,
    /// For whom it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) note: Option<String>,
}

impl Invitation {
    /// As the operator sees it, with so many of its places taken.
    pub(crate) fn view(&self, uses: u32) -> InstanceInvitation {
        InstanceInvitation {
            id: self.id,
            created_by: self.created_by,
            created_at: self.created_at,
            expires_at: self.expires_at,
            max_uses: self.max_uses,
            uses,
            note: self.note.clone(),
        }
    }
}

/// By which invitation an account was made.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Invited {
    /// The invitation.
    pub(crate) by: InvitationId,
    /// The place it takes among the accounts made by it.
    pub(crate) place: u32,
}
