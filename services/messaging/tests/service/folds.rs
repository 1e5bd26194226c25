//! Folds that skip one sort of fact, by which the random runs are shown to notice anything.

use tertulia_contracts::messaging::Fact;

pub(crate) type Takes = fn(&Fact) -> bool;

/// Folds that are wrong, each in one sort of fact.
pub(crate) const FOLDS_THAT_SKIP: &[(&str, Takes)] = &[
    ("custom roles", |fact| !matches!(fact, Fact::RolePut { .. })),
    ("custom roles deleted", |fact| !matches!(fact, Fact::RoleDeleted { .. })),
    ("custom roles given", |fact| !matches!(fact, Fact::RoleGiven { .. })),
    ("custom roles taken", |fact| !matches!(fact, Fact::RoleTaken { .. })),
    ("notes", |fact| !matches!(fact, Fact::MemberOverridden { .. })),
    ("edits", |fact| !matches!(fact, Fact::MessageEdited { .. })),
    ("deletions", |fact| !matches!(fact, Fact::MessageDeleted { .. })),
    ("reactions", |fact| !matches!(fact, Fact::ReactionSet { .. })),
    ("reactions taken back", |fact| !matches!(fact, Fact::ReactionRemoved { .. })),
    ("pins", |fact| !matches!(fact, Fact::MessagePinned { .. })),
    ("unpins", |fact| !matches!(fact, Fact::MessageUnpinned { .. })),
    ("leavings", |fact| !matches!(fact, Fact::MemberLeft { .. })),
    ("roles", |fact| !matches!(fact, Fact::MemberRoleChanged { .. })),
    ("owners", |fact| !matches!(fact, Fact::OwnerChanged { .. })),
    ("bans", |fact| !matches!(fact, Fact::MemberBanned { .. })),
    ("bans lifted", |fact| !matches!(fact, Fact::MemberUnbanned { .. })),
    ("mutes", |fact| !matches!(fact, Fact::MemberMuted { .. })),
    ("mutes lifted", |fact| !matches!(fact, Fact::MemberUnmuted { .. })),
    ("titles", |fact| !matches!(fact, Fact::ConversationUpdated { title: Some(_), .. })),
    ("other settings", |fact| !matches!(fact, Fact::ConversationUpdated { title: None, .. })),
    ("archives", |fact| !matches!(fact, Fact::ConversationArchived { .. })),
    ("archives opened", |fact| !matches!(fact, Fact::ConversationUnarchived { .. })),
];
