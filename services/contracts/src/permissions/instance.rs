//! What takes an office on the instance and is about no conversation.

use super::InstanceRole;

/// What is done for the whole instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum InstanceAction {
    /// Read the mails that the instance keeps instead of sending them.
    ReadMail,
    /// Invite people to make an account, see these invitations and withdraw them.
    ManageInvitations,
    /// See every account, what it is to the instance, and whether it is suspended.
    ListAccounts,
    /// Make somebody a moderator of the instance, and no longer one.
    AppointModerators,
    /// Keep somebody from using their account, and let them again.
    SuspendAccounts,
    /// Erase somebody's account, and see what became of those that were erased.
    EraseAccounts,
    /// Read and verify the audit trail.
    ReadAudit,
    /// See the keys that access tokens are signed with, and rotate them.
    RotateKeys,
}

impl InstanceAction {
    /// Every action, in the order of the table.
    pub const ALL: &[Self] = &[
        Self::ReadMail,
        Self::ManageInvitations,
        Self::ListAccounts,
        Self::AppointModerators,
        Self::SuspendAccounts,
        Self::EraseAccounts,
        Self::ReadAudit,
        Self::RotateKeys,
    ];

    /// Its stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ReadMail => "read_mail",
            Self::ManageInvitations => "manage_invitations",
            Self::ListAccounts => "list_accounts",
            Self::AppointModerators => "appoint_moderators",
            Self::SuspendAccounts => "suspend_accounts",
            Self::EraseAccounts => "erase_accounts",
            Self::ReadAudit => "read_audit",
            Self::RotateKeys => "rotate_keys",
        }
    }

    /// The least office that may.
    pub const fn least(self) -> InstanceRole {
        match self {
            Self::ReadMail
            | Self::ManageInvitations
            | Self::ListAccounts
            | Self::AppointModerators
            | Self::SuspendAccounts
            | Self::EraseAccounts
            | Self::ReadAudit
            | Self::RotateKeys => InstanceRole::Operator,
        }
    }
}

/// Whether somebody with this account may. Offices are in order: who holds a higher one may what a lower one may.
pub fn may(account: InstanceRole, action: InstanceAction) -> bool {
    account >= action.least()
}
