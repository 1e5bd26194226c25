//! What a decision depends on: who asks, and where.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Permissions;
use crate::messaging::{ConversationKind, MemberRole, Visibility};

/// What an account is to the whole instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum InstanceRole {
    /// Somebody let in for a while.
    Guest,
    /// A program.
    Bot,
    /// A person with an account.
    User,
    /// Keeps the public conversations of the instance in order.
    Moderator,
    /// Runs the instance.
    Operator,
}

/// What a custom role, or a note beside one member's name, adds to a role and takes from it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Override {
    /// May be done besides.
    #[serde(default)]
    pub allow: Permissions,
    /// May not be done, whatever allows it.
    #[serde(default)]
    pub deny: Permissions,
}

/// What moderators did to somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Restriction {
    /// They may not write.
    Muted,
    /// They are kept out.
    Banned,
}

/// Somebody, as they stand in a conversation.
#[derive(Debug, Clone, Copy)]
pub struct Seat<'a> {
    /// What they are to the instance.
    pub account: InstanceRole,
    /// Their role in the conversation; none for somebody who is not a member.
    pub role: Option<MemberRole>,
    /// What moderators did to them, while it lasts.
    pub restriction: Option<Restriction>,
    /// The custom roles they carry, in any order.
    pub roles: &'a [Override],
    /// What is noted beside their own name.
    pub own: Override,
}

impl Seat<'_> {
    /// A person with this role and nothing special about them.
    pub fn of(role: Option<MemberRole>) -> Self {
        let (account, own) = (InstanceRole::User, Override::default());
        Self { account, role, restriction: None, roles: &[], own }
    }
}

/// A conversation, as far as decisions depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// What sort.
    pub kind: ConversationKind,
    /// Who may find and read it.
    pub visibility: Visibility,
    /// Whether it is closed for writing.
    pub archived: bool,
    /// Whether anybody else belongs to it. Only an owner's leaving depends on it.
    pub others: bool,
}

impl Place {
    /// An open conversation with others in it.
    pub fn of(kind: ConversationKind, visibility: Visibility) -> Self {
        Self { kind, visibility, archived: false, others: true }
    }

    /// Who may find and read it; a direct conversation is its two people, whatever is noted of it.
    pub(super) fn openness(self) -> Visibility {
        match self.kind {
            ConversationKind::Direct => Visibility::Private,
            ConversationKind::Group | ConversationKind::Channel => self.visibility,
        }
    }
}
