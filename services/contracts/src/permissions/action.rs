//! What can be done in a conversation, and sets of it.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

macro_rules! actions {
    ($($(#[$doc:meta])* $action:ident = $name:literal;)*) => {
        /// What somebody may want to do in a conversation. What takes several (a post with a poll) asks for each.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Action {
            $($(#[$doc])* $action,)*
        }

        impl Action {
            /// Every action, in the order of the table.
            pub const ALL: &[Self] = &[$(Self::$action,)*];

            /// Its stable name.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$action => $name,)*
                }
            }
        }
    };
}

actions! {
    /// Know that it exists, and its title.
    Find = "find";
    /// Read its log.
    Read = "read";
    /// See who belongs to it.
    ListMembers = "list_members";
    /// Say how far one has read.
    MoveCursor = "move_cursor";
    /// Write a message.
    Post = "post";
    /// Answer in the thread of a message.
    Comment = "comment";
    /// Hang media, a place or a contact on a message.
    AttachMedia = "attach_media";
    /// Write links.
    PostLinks = "post_links";
    /// Ask for a vote.
    CreatePoll = "create_poll";
    /// Call everyone, or everyone of a role.
    MentionEveryone = "mention_everyone";
    /// Write without waiting in slow mode.
    SkipSlowMode = "skip_slow_mode";
    /// Edit a message of one's own.
    EditOwn = "edit_own";
    /// Edit a message of somebody else. Nobody may: it would put words into their mouth.
    EditOthers = "edit_others";
    /// Delete a message of one's own for everyone.
    DeleteOwn = "delete_own";
    /// Delete a message of somebody else for everyone.
    DeleteOthers = "delete_others";
    /// React to a message.
    React = "react";
    /// Pin a message, or take it down.
    Pin = "pin";
    /// Become a member by one's own wish.
    Join = "join";
    /// Ask to be made a member.
    AskToJoin = "ask_to_join";
    /// Stop being a member by one's own wish.
    Leave = "leave";
    /// Make invitation links.
    Invite = "invite";
    /// Make somebody else a member.
    AddMember = "add_member";
    /// Decide on those who ask to join.
    DecideRequests = "decide_requests";
    /// End somebody else's membership.
    Kick = "kick";
    /// End it and keep them out.
    Ban = "ban";
    /// Keep a member from writing.
    Mute = "mute";
    /// Delete all that a member wrote.
    Purge = "purge";
    /// Tell the moderators of a message or a member.
    Report = "report";
    /// Decide on what was reported.
    DecideReports = "decide_reports";
    /// Set the filters for words and links.
    ManageFilters = "manage_filters";
    /// Read what moderators did.
    ReadModerationLog = "read_moderation_log";
    /// Change its title and its settings.
    Update = "update";
    /// Close it for writing, or open it again.
    Archive = "archive";
    /// Set up incoming webhooks.
    ManageHooks = "manage_hooks";
    /// Take all of it away as a file.
    Export = "export";
    /// Change a member's role.
    SetRole = "set_role";
    /// Make custom roles, give and take them, and override them for a member.
    ManageRoles = "manage_roles";
    /// Hand it over to another owner.
    TransferOwnership = "transfer_ownership";
    /// Give it emoji of its own, or take them away.
    ManageEmoji = "manage_emoji";
}

const _: () = assert!(Action::ALL.len() <= 64, "a set of actions is 64 bits");

impl Action {
    /// The action of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|action| action.name() == name)
    }

    const fn bit(self) -> u64 {
        1 << self as u8
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of actions: a bit for each in memory, a list of their names in JSON, so that numbers may change.
///
/// Reading is lenient: a name that is not known is an action of a newer version, which this one never decides
/// on, and is left out. Whoever takes a set from a person reads it with [`Permissions::named`] and says which
/// names there are none of.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Permissions(u64);

impl Permissions {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// Everything.
    pub const ALL: Self = Self::of(Action::ALL);

    /// These actions.
    pub const fn of(actions: &[Action]) -> Self {
        let mut bits = 0;
        let mut index = 0;
        while index < actions.len() {
            bits |= actions[index].bit();
            index += 1;
        }
        Self(bits)
    }

    /// The actions of these names, and the names that are none.
    pub fn named<'a>(names: impl IntoIterator<Item = &'a str>) -> (Self, Vec<&'a str>) {
        let mut known = Self::NONE;
        let mut unknown = Vec::new();
        for name in names {
            match Action::named(name) {
                Some(action) => known = known.union(Self::of(&[action])),
                None => unknown.push(name),
            }
        }
        (known, unknown)
    }

    /// Whether this action is among them.
    pub const fn contains(self, action: Action) -> bool {
        self.0 & action.bit() != 0
    }

    /// Whether all of these are among them.
    pub const fn includes(self, other: Self) -> bool {
        other.0 & !self.0 == 0
    }

    /// These and the others.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// These without the others.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Each of them, in the order of the table.
    pub fn iter(self) -> impl Iterator<Item = Action> {
        Action::ALL.iter().copied().filter(move |action| self.contains(*action))
    }
}

impl FromIterator<Action> for Permissions {
    fn from_iter<I: IntoIterator<Item = Action>>(actions: I) -> Self {
        actions.into_iter().fold(Self::NONE, |set, action| set.union(Self::of(&[action])))
    }
}

impl fmt::Debug for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(Action::name)).finish()
    }
}

impl Serialize for Permissions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter().map(Action::name))
    }
}

impl<'de> Deserialize<'de> for Permissions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let names = Vec::<String>::deserialize(deserializer)?;
        Ok(Self::named(names.iter().map(String::as_str)).0)
    }
}
