//! Custom roles and what is noted beside names: what the log says of them, and who may change it to what.
//!
//! Whoever leaves loses what was allowed to them besides, and keeps what was denied: it stays noted beside their name and
//! holds when they come back, so that nobody sheds a denial by leaving, or gets back what whoever lets them in could not
//! have given.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use tertulia_contracts::{
    RoleId, UserId,
    messaging::{
        Fact, MAX_CUSTOM_ROLES, MAX_NOTED, MemberOverride, MemberRole, Role, Roles as Shown, role_word,
    },
    permissions::{Override, Permissions, Seat, decide_reseat},
};
use tertulia_runtime::Timestamp;

use super::{
    access::{Action, Ground, Overrides, may},
    membership::{Step, steps},
};
use crate::Error;

/// The custom roles of a conversation and what is noted beside names, as of some entry of its log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roles {
    /// Each custom role.
    defined: BTreeMap<RoleId, CustomRole>,
    /// Everybody about whom there is anything to say.
    people: BTreeMap<UserId, Note>,
    /// The newest entry that this shows; 0 before the first about them.
    #[serde(default)]
    changed_seq: u64,
}

/// A custom role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct CustomRole {
    name: String,
    rights: Override,
    #[serde(default)]
    mentionable: bool,
}

impl CustomRole {
    /// The word that calls those who carry it, if one does.
    fn word(&self) -> Option<String> {
        if self.mentionable { role_word(&self.name) } else { None }
    }
}

/// What there is to say about somebody.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    roles: BTreeSet<RoleId>,
    own: Override,
}

/// What somebody asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoleChange {
    /// That there be this role.
    Put {
        /// Which.
        role: RoleId,
        /// What it is called.
        name: String,
        /// What it adds and takes.
        rights: Override,
        /// Whether its word calls those who carry it.
        mentionable: bool,
    },
    /// That there be no such role.
    Delete(RoleId),
    /// That somebody carry a role.
    Give(UserId, RoleId),
    /// That somebody carry it not.
    Take(UserId, RoleId),
    /// That this be noted beside somebody's name.
    Note(UserId, Override),
}

impl RoleChange {
    /// Whom it names.
    pub const fn subject(&self) -> Option<UserId> {
        match self {
            Self::Put { .. } | Self::Delete(_) => None,
            Self::Give(user, _) | Self::Take(user, _) | Self::Note(user, _) => Some(*user),
        }
    }
}

impl Roles {
    /// Takes the entry at `seq` of the log, unless it is shown already.
    pub fn apply(&mut self, seq: u64, fact: &Fact) {
        if seq > self.changed_seq && self.take(fact) {
            self.changed_seq = seq;
        }
    }

    /// Takes a fact; whether it is about roles and notes.
    fn take(&mut self, fact: &Fact) -> bool {
        match fact {
            Fact::RolePut { role_id, name, allow, deny, mentionable, .. } => {
                let rights = Override { allow: *allow, deny: *deny };
                let role = CustomRole { name: name.clone(), rights, mentionable: *mentionable };
                self.defined.insert(*role_id, role);
            }
            Fact::RoleDeleted { role_id, .. } => {
                self.defined.remove(role_id);
                self.people.values_mut().for_each(|note| note.roles.retain(|role| role != role_id));
            }
            Fact::RoleGiven { user_id, role_id, .. } => {
                self.people.entry(*user_id).or_default().roles.insert(*role_id);
            }
            Fact::RoleTaken { user_id, role_id, .. } => {
                if let Some(note) = self.people.get_mut(user_id) {
                    note.roles.remove(role_id);
                }
            }
            Fact::MemberOverridden { user_id, allow, deny, .. } => {
                self.people.entry(*user_id).or_default().own = Override { allow: *allow, deny: *deny };
            }
            // Where nothing is noted of anybody, nothing is looked for.
            _ if self.people.is_empty() => return false,
            fact => {
                let left = steps(fact).into_iter().find(|(_, step)| *step == Step::Ended);
                let Some((user, _)) = left.filter(|(user, _)| self.people.contains_key(user)) else {
                    return false;
                };
                self.leave(user);
            }
        }
        self.people.retain(|_, note| *note != Note::default());
        true
    }

    fn leave(&mut self, user: UserId) {
        let deny = self.carried(user).into_iter().map(|rights| rights.deny);
        let deny = deny.fold(Permissions::NONE, Permissions::union);
        if let Some(note) = self.people.get_mut(&user) {
            let own = Override { allow: Permissions::NONE, deny: note.own.deny.union(deny) };
            *note = Note { roles: BTreeSet::new(), own };
        }
    }

    /// What the roles that somebody carries add and take.
    pub fn carried(&self, user: UserId) -> Vec<Override> {
        let roles = self.people.get(&user).into_iter().flat_map(|note| &note.roles);
        roles.filter_map(|role| Some(self.defined.get(role)?.rights)).collect()
    }

    /// Which roles somebody carries.
    pub fn carried_by(&self, user: UserId) -> impl Iterator<Item = RoleId> {
        self.people.get(&user).into_iter().flat_map(|note| &note.roles).copied()
    }

    /// The role that this word calls.
    pub fn called(&self, word: &str) -> Option<RoleId> {
        let (id, _) = self.defined.iter().find(|(_, role)| role.word().as_deref() == Some(word))?;
        Some(*id)
    }

    /// Whether there is a word for any of them.
    pub fn has_words(&self) -> bool {
        self.defined.values().any(|role| role.mentionable)
    }

    /// What is added to somebody's role and taken from it.
    pub fn overrides(&self, user: UserId) -> Overrides {
        let carried = self.carried(user).into_iter().fold(Override::default(), |all, one| Override {
            allow: all.allow.union(one.allow),
            deny: all.deny.union(one.deny),
        });
        Overrides { carried, own: self.own(user) }
    }

    /// What is noted beside somebody's own name.
    pub fn own(&self, user: UserId) -> Override {
        self.people.get(&user).map(|note| note.own).unwrap_or_default()
    }

    /// Everybody about whom there is anything to say.
    pub fn people(&self) -> impl Iterator<Item = UserId> {
        self.people.keys().copied()
    }

    /// As the members see it.
    pub fn shown(&self) -> Shown {
        let carriers = |role| self.people.iter().filter(move |(_, note)| note.roles.contains(role));
        let items = self.defined.iter().map(|(id, role)| Role {
            id: *id,
            name: role.name.clone(),
            allow: role.rights.allow,
            deny: role.rights.deny,
            word: role.word(),
            user_ids: carriers(id).map(|(user, _)| *user).collect(),
        });
        let noted = self.people.iter().filter(|(_, note)| note.own != Override::default());
        let overrides = noted.map(|(user, Note { own, .. })| MemberOverride {
            user_id: *user,
            allow: own.allow,
            deny: own.deny,
        });
        Shown { items: items.collect(), overrides: overrides.collect(), changed_seq: self.changed_seq }
    }

    /// The fact that a change becomes; none if things are as it asks already. `rank` says what role a member has, and of
    /// whom nobody is a member that they have none.
    pub fn decide(
        &self,
        change: &RoleChange,
        by: UserId,
        at: Timestamp,
        ground: Ground,
        rank: impl Fn(UserId) -> Option<MemberRole>,
    ) -> Result<Option<Fact>, Error> {
        may(Action::ManageRoles, ground)?;
        self.check_subject(change, &rank)?;
        let fact = change.fact(by, at);
        let mut after = self.clone();
        after.take(&fact);
        self.check_room(change, &after)?;
        if *self == after {
            return Ok(None);
        }
        let concerned: BTreeSet<UserId> = self.people().chain(after.people()).collect();
        for user in concerned {
            // Whoever is away comes back as a plain member.
            let role = Some(rank(user).unwrap_or(MemberRole::Member));
            let (before_roles, after_roles) = (self.carried(user), after.carried(user));
            let before = Seat { roles: &before_roles, own: self.own(user), ..Seat::of(role) };
            let after = Seat { roles: &after_roles, own: after.own(user), ..Seat::of(role) };
            if (before.roles, before.own) != (after.roles, after.own) {
                decide_reseat(&ground.seat(), ground.place(), &before, &after)?;
            }
        }
        Ok(Some(fact))
    }

    /// Whoever is away can have denials lifted, and nothing given.
    fn check_subject(
        &self,
        change: &RoleChange,
        rank: impl Fn(UserId) -> Option<MemberRole>,
    ) -> Result<(), Error> {
        let takes_member = match change {
            RoleChange::Give(..) => true,
            RoleChange::Note(user, own) => {
                own.allow != Permissions::NONE
                    || own.deny != Permissions::NONE && !self.people.contains_key(user)
            }
            _ => false,
        };
        match change.subject() {
            Some(user) if takes_member && rank(user).is_none() => {
                Err(Error::invalid("user_id", "is not a member of this conversation"))
            }
            _ => Ok(()),
        }
    }

    /// Whether another role is called by the same word.
    fn shares_word(&self, role: RoleId) -> bool {
        let word = self.defined.get(&role).and_then(CustomRole::word);
        let mut others = self.defined.iter().filter(|(id, _)| **id != role);
        word.is_some() && others.any(|(_, other)| other.word() == word)
    }

    fn check_room(&self, change: &RoleChange, after: &Self) -> Result<(), Error> {
        match change {
            RoleChange::Put { role, .. } if after.shares_word(*role) => Err(Error::RoleWordTaken),
            RoleChange::Give(_, role) if !self.defined.contains_key(role) => Err(Error::NoSuchRole),
            _ if after.defined.len() > self.defined.len().max(MAX_CUSTOM_ROLES) => Err(Error::TooManyRoles),
            _ if after.people.len() > self.people.len().max(MAX_NOTED) => Err(Error::TooManyNoted),
            _ => Ok(()),
        }
    }
}

/// Whoever loads what members see can go on from there with the log.
impl From<&Shown> for Roles {
    fn from(shown: &Shown) -> Self {
        let mut roles = Self { changed_seq: shown.changed_seq, ..Self::default() };
        for role in &shown.items {
            let rights = Override { allow: role.allow, deny: role.deny };
            let mentionable = role.word.is_some();
            roles.defined.insert(role.id, CustomRole { name: role.name.clone(), rights, mentionable });
            for user in &role.user_ids {
                roles.people.entry(*user).or_default().roles.insert(role.id);
            }
        }
        for MemberOverride { user_id, allow, deny } in &shown.overrides {
            roles.people.entry(*user_id).or_default().own = Override { allow: *allow, deny: *deny };
        }
        roles
    }
}

impl RoleChange {
    fn fact(&self, by: UserId, at: Timestamp) -> Fact {
        match self.clone() {
            Self::Put { role: role_id, name, rights: Override { allow, deny }, mentionable } => {
                Fact::RolePut { role_id, name, allow, deny, mentionable, by, at }
            }
            Self::Delete(role_id) => Fact::RoleDeleted { role_id, by, at },
            Self::Give(user_id, role_id) => Fact::RoleGiven { user_id, role_id, by, at },
            Self::Take(user_id, role_id) => Fact::RoleTaken { user_id, role_id, by, at },
            Self::Note(user_id, Override { allow, deny }) => {
                Fact::MemberOverridden { user_id, allow, deny, by, at }
            }
        }
    }
}
