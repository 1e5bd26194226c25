//! Links by which people join a conversation.

use garde::Validate;
use serde::{Deserialize, Serialize};
use tertulia_runtime::Timestamp;
use utoipa::ToSchema;

use super::{
    ConversationKind, MAX_INVITATION_LIFE_S, MAX_INVITATION_USES, MIN_INVITATION_LIFE_S, MemberRole,
    Visibility,
};
use crate::{ConversationId, InvitationId, UserId};

/// `POST /v1/conversations/{id}/invitations`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateInvitation {
    /// How long it works, in seconds: a minute to a year; seven days if absent.
    #[garde(inner(range(min = MIN_INVITATION_LIFE_S, max = MAX_INVITATION_LIFE_S)))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 60, maximum = 31_536_000)]
    pub expires_in_s: Option<u32>,
    /// How many may join by it; absent for as many as come while it works.
    #[garde(inner(range(min = 1, max = MAX_INVITATION_USES)))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 10_000)]
    pub max_uses: Option<u32>,
    /// What they are then: at most what whoever invites could make them; a plain member if absent.
    #[garde(skip)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<MemberRole>,
    /// Whether who comes by it waits until somebody decides, among those who ask to be let in.
    #[garde(skip)]
    #[serde(default)]
    pub needs_approval: bool,
}

/// A link by which people join. Its code is shown once, when it is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Invitation {
    /// Its id: what it is called by where its code must not stand.
    pub id: InvitationId,
    /// Where it leads.
    pub conversation_id: ConversationId,
    /// Who invites.
    pub created_by: UserId,
    /// Since when.
    pub created_at: Timestamp,
    /// From when on it no longer works.
    pub expires_at: Timestamp,
    /// How many may join by it; absent for any number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_uses: Option<u32>,
    /// How many joined by it.
    pub uses: u64,
    /// What who joins by it is then.
    pub role: MemberRole,
    /// Whether they wait until somebody decides.
    #[serde(default)]
    pub needs_approval: bool,
}

/// An invitation that was just made.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct MadeInvitation {
    /// The invitation.
    pub invitation: Invitation,
    /// What opens the door. It is kept nowhere and cannot be shown again.
    pub code: String,
}

/// A list of invitations.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Invitations {
    /// Those that were not withdrawn.
    pub items: Vec<Invitation>,
    /// Absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// What whoever holds a code sees before they join.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InvitationPreview {
    /// Where it leads.
    pub conversation_id: ConversationId,
    /// What sort of conversation.
    pub kind: ConversationKind,
    /// What it is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Who may find and read it.
    pub visibility: Visibility,
    /// How many belong to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member_count: Option<u64>,
    /// Who invites.
    pub invited_by: UserId,
    /// What one becomes by it.
    pub role: MemberRole,
    /// Whether one waits until somebody decides.
    #[serde(default)]
    pub needs_approval: bool,
    /// From when on it no longer works.
    pub expires_at: Timestamp,
}
