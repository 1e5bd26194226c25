//! The table: from which role on each action may be taken. Everything a decision knows of single actions stands
//! here, and nowhere else.

use super::{Action, InstanceRole, Permissions};
use crate::messaging::{ConversationKind, MemberRole, Visibility};

/// When strangers may take an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Open {
    /// Never.
    Never,
    /// In public conversations.
    Public,
    /// In public and in paid ones.
    Listed,
}

impl Open {
    /// Whether strangers may in a conversation of this visibility.
    pub const fn covers(self, visibility: Visibility) -> bool {
        match self {
            Self::Never => false,
            Self::Public => matches!(visibility, Visibility::Public),
            Self::Listed => matches!(visibility, Visibility::Public | Visibility::Paid),
        }
    }
}

/// A row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// What it is about.
    pub action: Action,
    /// What one must be allowed besides, and before it.
    pub needs: Option<Action>,
    /// The least role in a group; none if it is not to be had there.
    pub group: Option<MemberRole>,
    /// The least role in a channel.
    pub channel: Option<MemberRole>,
    /// The least role in a direct conversation.
    pub direct: Option<MemberRole>,
    /// When it is open to strangers.
    pub strangers: Open,
    /// The least office on the instance that may do it in any conversation that strangers can find.
    pub office: Option<InstanceRole>,
}

impl Rule {
    /// The row of an action.
    pub const fn of(action: Action) -> &'static Self {
        &MATRIX[action as usize]
    }

    /// The least role in a conversation of this kind.
    pub const fn least(&self, kind: ConversationKind) -> Option<MemberRole> {
        match kind {
            ConversationKind::Group => self.group,
            ConversationKind::Channel => self.channel,
            ConversationKind::Direct => self.direct,
        }
    }
}

const fn rule(
    action: Action,
    needs: Option<Action>,
    group: Option<MemberRole>,
    channel: Option<MemberRole>,
    direct: Option<MemberRole>,
    strangers: Open,
    office: Option<InstanceRole>,
) -> Rule {
    Rule { action, needs, group, channel, direct, strangers, office }
}

const NOBODY: Option<MemberRole> = None;
const GUEST: Option<MemberRole> = Some(MemberRole::Guest);
const MEMBER: Option<MemberRole> = Some(MemberRole::Member);
const MODERATOR: Option<MemberRole> = Some(MemberRole::Moderator);
const ADMIN: Option<MemberRole> = Some(MemberRole::Admin);
const OWNER: Option<MemberRole> = Some(MemberRole::Owner);
const NONE: Option<Action> = None;
const FIND: Option<Action> = Some(Action::Find);
const READ: Option<Action> = Some(Action::Read);
const NO_OFFICE: Option<InstanceRole> = None;
const WARDEN: Option<InstanceRole> = Some(InstanceRole::Moderator);
const OPERATOR: Option<InstanceRole> = Some(InstanceRole::Operator);

/// The table, a row per action, in their order.
#[rustfmt::skip]
pub const MATRIX: [Rule; Action::ALL.len()] = [
    //   action                     needs group      channel    direct  strangers     office
    rule(Action::Find,              NONE, GUEST,     GUEST,     GUEST,  Open::Listed, WARDEN),
    rule(Action::Read,              FIND, GUEST,     GUEST,     GUEST,  Open::Public, WARDEN),
    rule(Action::ListMembers,       READ, MEMBER,    MEMBER,    MEMBER, Open::Never,  WARDEN),
    rule(Action::MoveCursor,        READ, GUEST,     GUEST,     GUEST,  Open::Never,  NO_OFFICE),
    rule(Action::Post,              READ, GUEST,     ADMIN,     GUEST,  Open::Never,  NO_OFFICE),
    rule(Action::Comment,           READ, GUEST,     GUEST,     GUEST,  Open::Never,  NO_OFFICE),
    rule(Action::AttachMedia,       READ, MEMBER,    MEMBER,    MEMBER, Open::Never,  NO_OFFICE),
    rule(Action::PostLinks,         READ, MEMBER,    MEMBER,    MEMBER, Open::Never,  NO_OFFICE),
    rule(Action::CreatePoll,        READ, MEMBER,    ADMIN,     MEMBER, Open::Never,  NO_OFFICE),
    rule(Action::MentionEveryone,   READ, MODERATOR, ADMIN,     NOBODY, Open::Never,  NO_OFFICE),
    rule(Action::SkipSlowMode,      READ, MODERATOR, MODERATOR, NOBODY, Open::Never,  NO_OFFICE),
    rule(Action::EditOwn,           READ, GUEST,     GUEST,     GUEST,  Open::Never,  NO_OFFICE),
    rule(Action::EditOthers,        READ, NOBODY,    NOBODY,    NOBODY, Open::Never,  NO_OFFICE),
    rule(Action::DeleteOwn,         READ, GUEST,     GUEST,     GUEST,  Open::Never,  NO_OFFICE),
    rule(Action::DeleteOthers,      READ, MODERATOR, MODERATOR, NOBODY, Open::Never,  WARDEN),
    rule(Action::React,             READ, GUEST,     GUEST,     GUEST,  Open::Never,  NO_OFFICE),
    rule(Action::Pin,               READ, MODERATOR, MODERATOR, MEMBER, Open::Never,  NO_OFFICE),
    rule(Action::Join,              FIND, GUEST,     GUEST,     GUEST,  Open::Public, NO_OFFICE),
    rule(Action::AskToJoin,         FIND, GUEST,     GUEST,     NOBODY, Open::Listed, NO_OFFICE),
    rule(Action::Leave,             FIND, GUEST,     GUEST,     NOBODY, Open::Never,  NO_OFFICE),
    rule(Action::Invite,            READ, MEMBER,    MODERATOR, NOBODY, Open::Never,  NO_OFFICE),
    rule(Action::AddMember,         READ, MODERATOR, MODERATOR, NOBODY, Open::Never,  NO_OFFICE),
    rule(Action::DecideRequests,    READ, MODERATOR, MODERATOR, NOBODY, Open::Never,  NO_OFFICE),
    rule(Action::Kick,              READ, MODERATOR, MODERATOR, NOBODY, Open::Never,  WARDEN),
    rule(Action::Ban,               READ, MODERATOR, MODERATOR, NOBODY, Open::Never,  WARDEN),
    rule(Action::Mute,              READ, MODERATOR, MODERATOR, NOBODY, Open::Never,  WARDEN),
    rule(Action::Purge,             READ, ADMIN,     ADMIN,     NOBODY, Open::Never,  WARDEN),
    rule(Action::Report,            READ, GUEST,     GUEST,     GUEST,  Open::Public, NO_OFFICE),
    rule(Action::DecideReports,     READ, MODERATOR, MODERATOR, NOBODY, Open::Never,  WARDEN),
    rule(Action::ManageFilters,     READ, ADMIN,     ADMIN,     NOBODY, Open::Never,  OPERATOR),
    rule(Action::ReadModerationLog, READ, MODERATOR, MODERATOR, NOBODY, Open::Never,  WARDEN),
    rule(Action::Update,            READ, ADMIN,     ADMIN,     NOBODY, Open::Never,  OPERATOR),
    rule(Action::Archive,           READ, OWNER,     OWNER,     NOBODY, Open::Never,  OPERATOR),
    rule(Action::ManageHooks,       READ, ADMIN,     ADMIN,     NOBODY, Open::Never,  NO_OFFICE),
    rule(Action::Export,            READ, ADMIN,     ADMIN,     MEMBER, Open::Never,  NO_OFFICE),
    rule(Action::SetRole,           READ, ADMIN,     ADMIN,     NOBODY, Open::Never,  NO_OFFICE),
    rule(Action::ManageRoles,       READ, ADMIN,     ADMIN,     NOBODY, Open::Never,  NO_OFFICE),
    rule(Action::TransferOwnership, READ, OWNER,     OWNER,     NOBODY, Open::Never,  OPERATOR),
    rule(Action::ManageEmoji,       READ, MODERATOR, MODERATOR, MEMBER, Open::Never,  NO_OFFICE),
];

/// What still goes on in an archived conversation: reading it, leaving it, and keeping it in order.
pub const ARCHIVED_ALLOWS: Permissions = Permissions::of(&[
    Action::Find,
    Action::Read,
    Action::ListMembers,
    Action::MoveCursor,
    Action::DeleteOwn,
    Action::DeleteOthers,
    Action::Leave,
    Action::Kick,
    Action::Ban,
    Action::Purge,
    Action::Report,
    Action::DecideReports,
    Action::ReadModerationLog,
    Action::Archive,
    Action::Export,
    Action::SetRole,
    Action::ManageRoles,
    Action::TransferOwnership,
]);

/// What somebody who is muted may not.
pub const MUTED_DENIES: Permissions = Permissions::of(&[
    Action::Post,
    Action::Comment,
    Action::AttachMedia,
    Action::PostLinks,
    Action::CreatePoll,
    Action::MentionEveryone,
    Action::EditOwn,
    Action::React,
    Action::Pin,
]);

/// All that is left to somebody who is banned.
pub const BANNED_KEEPS: Permissions = Permissions::of(&[Action::Find, Action::Leave]);

/// All that an account of a guest of the instance is good for, whatever role it has.
pub const GUEST_ACCOUNTS_MAY: Permissions = Permissions::of(&[
    Action::Find,
    Action::Read,
    Action::MoveCursor,
    Action::Post,
    Action::Comment,
    Action::EditOwn,
    Action::DeleteOwn,
    Action::React,
    Action::Join,
    Action::AskToJoin,
    Action::Leave,
    Action::Report,
]);

/// What programs leave to people: a bot is let in by somebody, and hands out no power.
pub const BOTS_MAY_NOT: Permissions = Permissions::of(&[
    Action::Join,
    Action::AskToJoin,
    Action::Archive,
    Action::SetRole,
    Action::ManageRoles,
    Action::TransferOwnership,
]);

/// What no custom role and no override gives or takes: it follows from visibility, membership and rank alone. An
/// override that names one of these says nothing about it.
pub const FIXED: Permissions = Permissions::of(&[
    Action::Find,
    Action::Join,
    Action::AskToJoin,
    Action::Leave,
    Action::TransferOwnership,
]);

/// What cannot be denied to the owner, so that they can always see what was done and undo it.
pub const OWNER_KEEPS: Permissions = Permissions::of(&[
    Action::Read,
    Action::ListMembers,
    Action::MoveCursor,
    Action::ReadModerationLog,
    Action::Update,
    Action::SetRole,
    Action::ManageRoles,
]);
