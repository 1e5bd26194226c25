//! Why something may or may not be done.

use super::InstanceRole;
use crate::messaging::{ConversationKind, MemberRole};

/// What is decided.
pub type Decision = Result<Grant, Refusal>;

/// Why it may be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Grant {
    /// It comes with their role.
    Role(MemberRole),
    /// A custom role they carry allows it.
    CustomRole,
    /// It is allowed beside their own name.
    Member,
    /// It is open to strangers.
    Open,
    /// It comes with their office on this instance.
    Office(InstanceRole),
}

impl Grant {
    /// A stable word for it.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Role(_) => "role_allows",
            Self::CustomRole => "custom_role_allows",
            Self::Member => "member_allowed",
            Self::Open => "open_to_all",
            Self::Office(_) => "office_allows",
        }
    }
}

/// Why it may not be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Denial {
    /// Nobody may, in conversations of this kind.
    Kind(ConversationKind),
    /// The conversation is closed for writing.
    Archived,
    /// Accounts of this sort may not, anywhere.
    Account(InstanceRole),
    /// They are kept out.
    Banned,
    /// They were told to be silent.
    Muted,
    /// A custom role they carry denies it.
    CustomRole,
    /// It is denied beside their own name.
    Member,
    /// It takes a member.
    Stranger,
    /// Their role does not include it.
    Role(MemberRole),
    /// Whom it is done to, or what they would become, ranks as high as they do or higher.
    Outranked,
    /// It would give somebody what they do not hold themselves.
    GrantsMore,
    /// An owner who leaves others behind hands the conversation over first.
    OwnerMustHandOver,
}

impl Denial {
    /// A stable word for it.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Kind(_) => "kind_forbids",
            Self::Archived => "archived",
            Self::Account(_) => "account_forbids",
            Self::Banned => "banned",
            Self::Muted => "muted",
            Self::CustomRole => "custom_role_denies",
            Self::Member => "member_denied",
            Self::Stranger => "not_a_member",
            Self::Role(_) => "role_lacks_it",
            Self::Outranked => "outranked",
            Self::GrantsMore => "grants_more_than_held",
            Self::OwnerMustHandOver => "owner_must_hand_over",
        }
    }

    /// One sentence for whoever asked.
    pub const fn explanation(self) -> &'static str {
        match self {
            Self::Kind(ConversationKind::Direct) => {
                "A direct conversation is its two people, as equals: nobody may do this in it."
            }
            Self::Kind(ConversationKind::Group) => "Nobody may do this in a group.",
            Self::Kind(ConversationKind::Channel) => "Nobody may do this in a channel.",
            Self::Archived => "This conversation is archived.",
            Self::Account(_) => "Accounts like yours may not do this.",
            Self::Banned => "You are banned from this conversation.",
            Self::Muted => "You are muted in this conversation.",
            Self::CustomRole => "A role you have in this conversation denies it.",
            Self::Member => "It is denied to you in this conversation.",
            Self::Stranger => "Only members of this conversation may do this.",
            Self::Role(_) => "Your role in this conversation does not include it.",
            Self::Outranked => "It takes a higher rank than that of whom it is about.",
            Self::GrantsMore => "It would give somebody a permission that you do not have yourself.",
            Self::OwnerMustHandOver => "Hand the conversation over to another member before you leave it.",
        }
    }
}

/// That it may not be done, why, and how much the answer may give away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Refusal {
    /// Why. Not for whoever the conversation is hidden from.
    pub denial: Denial,
    /// Whether the answer must be that of a conversation that does not exist.
    pub hidden: bool,
}
