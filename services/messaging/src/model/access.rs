//! Who may do what in a conversation, asked of [`tertulia_contracts::permissions`]: what messaging knows of who
//! asks and of the place, in that engine's words.
//!

use tertulia_contracts::{
    UserId,
    identity::Identity,
    messaging::{ConversationKind, MemberRole, Visibility},
    permissions::{InstanceRole, Override, Place, Refusal, Restriction, Seat, decide},
};

pub use tertulia_contracts::permissions::Action;

/// Who asks for something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Actor {
    /// Which user.
    pub user_id: UserId,
    /// What they are to the instance.
    pub account: InstanceRole,
}

impl From<Identity> for Actor {
    fn from(identity: Identity) -> Self {
        Self { user_id: identity.user_id, account: identity.account() }
    }
}

/// What a decision depends on.
#[derive(Debug, Clone, Copy)]
pub struct Ground {
    /// The conversation's kind.
    pub kind: ConversationKind,
    /// Who may find and read it.
    pub visibility: Visibility,
    /// Whether it is closed for writing.
    pub archived: bool,
    /// What the actor is to the instance.
    pub account: InstanceRole,
    /// The actor's role in it; none for somebody who is not a member.
    pub role: Option<MemberRole>,
    /// What moderators did to the actor, while it lasts.
    pub restriction: Option<Restriction>,
    /// What custom roles and a note beside their name add to the actor's role and take from it.
    pub overrides: Overrides,
}

/// What is added to somebody's role and taken from it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Overrides {
    /// By the custom roles they carry, all in one: which of them says so decides nothing.
    pub carried: Override,
    /// By what is noted beside their own name.
    pub own: Override,
}

impl Ground {
    /// Who asks.
    pub fn seat(&self) -> Seat<'_> {
        let Overrides { carried, own } = &self.overrides;
        let roles = std::slice::from_ref(carried);
        Seat { account: self.account, role: self.role, restriction: self.restriction, roles, own: *own }
    }

    /// Where, with others in it besides.
    pub fn place(self) -> Place {
        Place { archived: self.archived, ..Place::of(self.kind, self.visibility) }
    }
}

/// Decides what is done to nobody in particular.
pub fn may(action: Action, ground: Ground) -> Result<(), Refusal> {
    decide(&ground.seat(), action, ground.place()).map(drop)
}
