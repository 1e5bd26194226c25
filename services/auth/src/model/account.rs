//! An account, and what it may be called.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tertulia_contracts::{
    MediaId, UserId,
    auth::{self, Suspension},
    identity::Denial,
    permissions::InstanceRole,
};
use tertulia_runtime::Timestamp;

use super::{
    erasure::Erased,
    invitation::Invited,
    link::{Links, Purpose},
    openid::{Linked, Subject},
    passkey::Passkey,
    second_factor::SecondFactor,
};

/// Names by which somebody could pose as the house or as everybody. The operator may take them.
const RESERVED_HANDLES: &[&str] = &[
    "admin",
    "administrator",
    "admins",
    "all",
    "anonymous",
    "api",
    "auth",
    "channel",
    "deleted",
    "everyone",
    "help",
    "here",
    "me",
    "mod",
    "moderator",
    "moderators",
    "null",
    "official",
    "operator",
    "root",
    "security",
    "setup",
    "staff",
    "support",
    "system",
    "tertulia",
    "undefined",
    "www",
];

/// An account as it is stored.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Account {
    /// Its id.
    pub(crate) id: UserId,
    /// Its unique name.
    pub(crate) handle: String,
    /// What others see.
    pub(crate) display_name: String,
    /// The address that they showed to be theirs, as they wrote it. It signs in, and is nobody else's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) proven_email: Option<String>,
    /// The address that they say is theirs. Several may say so of one; it signs in while only one does.
    #[serde(default, alias = "email", skip_serializing_if = "Option::is_none")]
    pub(crate) claimed_email: Option<String>,
    /// The links that were mailed and are still good.
    #[serde(default, skip_serializing_if = "Links::is_empty")]
    pub(crate) links: Links,
    /// The language that it is written to in, as given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) locale: Option<String>,
    /// What its owner says of themselves.
    #[serde(default)]
    pub(crate) profile: Profile,
    /// Whether it was made through the setup link.
    pub(crate) operator: bool,
    /// The password's hash, in the PHC string format. A bot has none, and cannot sign in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) password: Option<String>,
    /// Which password that is, counted: sessions of another one cannot be refreshed.
    #[serde(default)]
    pub(crate) generation: u64,
    /// What is asked for besides the password.
    #[serde(default, skip_serializing_if = "SecondFactor::is_empty")]
    pub(crate) second_factor: SecondFactor,
    /// Who its owner is elsewhere, and comes in as.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) identities: Vec<Linked>,
    /// What its owner comes in with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) passkeys: Vec<Passkey>,
    /// Whose program it is, if it is one's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) bot: Option<Bot>,
    /// Whether it keeps the instance's public conversations in order.
    #[serde(default)]
    pub(crate) moderator: bool,
    /// Why nobody can use it, unless that is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) suspension: Option<Suspension>,
    /// Which of its states access tokens tell of, counted.
    #[serde(default)]
    pub(crate) epoch: u64,
    /// When that state began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) epoch_began_at: Option<Timestamp>,
    /// That it was erased: then all that identifies anybody is empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) erased: Option<Erased>,
    /// By which invitation it was made, if by one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) invited: Option<Invited>,
    /// When it was made.
    pub(crate) created_at: Timestamp,
}

/// What somebody says of themselves.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Profile {
    /// In their own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) bio: Option<String>,
    /// A name of the IANA database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) time_zone: Option<String>,
    /// Their picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) avatar_id: Option<MediaId>,
}

/// What an account that a program uses is besides.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Bot {
    /// The person it belongs to.
    pub(crate) owner: UserId,
    /// The place it takes among their bots.
    pub(crate) slot: u64,
    /// When it was ended. It is kept, so that what it wrote has an author.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ended_at: Option<Timestamp>,
}

impl Account {
    /// Somebody's who can not come in yet.
    pub(crate) fn new(id: UserId, handle: String, display_name: String, created_at: Timestamp) -> Self {
        Self {
            id,
            handle,
            display_name,
            proven_email: None,
            claimed_email: None,
            links: Links::default(),
            locale: None,
            profile: Profile::default(),
            operator: false,
            password: None,
            generation: 0,
            second_factor: SecondFactor::default(),
            identities: Vec::new(),
            passkeys: Vec::new(),
            bot: None,
            moderator: false,
            suspension: None,
            epoch: 0,
            epoch_began_at: None,
            erased: None,
            invited: None,
            created_at,
        }
    }

    /// Whether this identity signs in to it.
    pub(crate) fn is_linked_to(&self, subject: &Subject) -> bool {
        self.identities.iter().any(|linked| linked.subject == *subject)
    }

    /// The account has another password: no session of the one before can be refreshed, and no link to set one is good any
    /// more. Answers the new generation.
    pub(crate) fn set_password(&mut self, hash: &str) -> u64 {
        self.password = Some(hash.to_owned());
        self.links.forget(|purpose| *purpose == Purpose::ResetPassword);
        self.generation += 1;
        self.generation
    }

    /// What access tokens said of it until now is no longer so.
    pub(crate) fn begin_epoch(&mut self, now: Timestamp) {
        self.epoch += 1;
        self.epoch_began_at = Some(now);
    }

    /// That its access tokens of before are no longer good; the last of them has expired after so long.
    pub(crate) fn denial(&self, life: Duration) -> Denial {
        let until = self.epoch_began_at.unwrap_or(self.created_at).plus(life);
        Denial { user_id: self.id, least_epoch: self.epoch, until }
    }

    /// What it is to the instance.
    pub(crate) fn role(&self) -> InstanceRole {
        match () {
            () if self.bot.is_some() => InstanceRole::Bot,
            () if self.operator => InstanceRole::Operator,
            () if self.moderator => InstanceRole::Moderator,
            () => InstanceRole::User,
        }
    }

    /// Why nobody can use it now, if so.
    pub(crate) fn suspended(&self, now: Timestamp) -> Option<&Suspension> {
        self.suspension.as_ref().filter(|suspension| suspension.until.is_none_or(|end| now < end))
    }

    /// Whether nobody can use it now.
    pub(crate) fn is_suspended(&self, now: Timestamp) -> bool {
        self.suspended(now).is_some()
    }

    /// Whether it is a bot of this person.
    pub(crate) fn is_bot_of(&self, owner: UserId) -> bool {
        self.bot.as_ref().is_some_and(|bot| bot.owner == owner)
    }

    /// Whether nobody can use it any more.
    pub(crate) fn has_ended(&self) -> bool {
        self.bot.as_ref().is_some_and(|bot| bot.ended_at.is_some())
    }

    /// As its owner sees it, if it is a bot.
    pub(crate) fn bot_view(&self) -> auth::Bot {
        auth::Bot {
            id: self.id,
            handle: self.handle.clone(),
            display_name: self.display_name.clone(),
            created_at: self.created_at,
        }
    }

    /// As the operator sees it.
    pub(crate) fn known_view(&self, now: Timestamp) -> auth::KnownAccount {
        auth::KnownAccount {
            id: self.id,
            handle: self.handle.clone(),
            display_name: self.display_name.clone(),
            role: self.role(),
            bot_of: self.bot.as_ref().map(|bot| bot.owner),
            suspension: self.suspended(now).cloned(),
            created_at: self.created_at,
        }
    }

    /// As its owner sees it.
    pub(crate) fn own_view(&self) -> auth::Account {
        auth::Account {
            id: self.id,
            handle: self.handle.clone(),
            display_name: self.display_name.clone(),
            email: self.proven_email.as_ref().or(self.claimed_email.as_ref()).cloned(),
            email_verified: self.proven_email.is_some(),
            pending_email: self.proven_email.as_ref().and(self.claimed_email.clone()),
            locale: self.locale.clone(),
            time_zone: self.profile.time_zone.clone(),
            bio: self.profile.bio.clone(),
            avatar_id: self.profile.avatar_id,
            operator: self.operator,
            moderator: self.moderator,
            bot_of: self.bot.as_ref().map(|bot| bot.owner),
            created_at: self.created_at,
        }
    }

    /// As somebody sees it who looks at this one.
    pub(crate) fn profile_view(&self) -> auth::Profile {
        let Profile { bio, avatar_id, .. } = self.profile.clone();
        auth::Profile { user: self.public_view(), bio, avatar_id }
    }

    /// As others see it.
    pub(crate) fn public_view(&self) -> auth::User {
        auth::User {
            id: self.id,
            handle: self.handle.clone(),
            display_name: self.display_name.clone(),
            bot_of: self.bot.as_ref().map(|bot| bot.owner),
        }
    }
}

/// Whether only the operator may be called so: it is, or reads like, a name of the house.
pub(crate) fn is_reserved(handle: &str) -> bool {
    let read = as_read(handle);
    RESERVED_HANDLES.iter().any(|reserved| as_read(reserved) == read)
}

/// A handle as it is read in passing: without its marks, and digits as the letters that they look like. Handles are ASCII, so
/// no other script comes in.
fn as_read(handle: &str) -> String {
    let letters = handle.chars().filter(char::is_ascii_alphanumeric);
    letters
        .map(|letter| match letter {
            '0' => 'o',
            '1' | 'i' => 'l',
            '3' => 'e',
            '4' => 'a',
            '5' => 's',
            '7' => 't',
            letter => letter,
        })
        .collect()
}

/// Whether these are one address.
pub(crate) fn is_same_email(one: &str, other: &str) -> bool {
    comparable_email(one) == comparable_email(other)
}

/// The form in which e-mail addresses are compared. The part before the `@` could differ by case in theory
/// (RFC 5321 §2.4); no provider lets it, and people do not remember how they wrote it.
pub(crate) fn comparable_email(email: &str) -> String {
    email.to_lowercase()
}

/// What a person typed to say who they are.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Identifier {
    /// A handle, which never contains an `@`.
    Handle(String),
    /// An e-mail address in its comparable form.
    Email(String),
}

impl Identifier {
    /// In its comparable form.
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Handle(name) | Self::Email(name) => name,
        }
    }

    /// Reads what was typed, forgiving case and surrounding white space.
    pub(crate) fn read(typed: &str) -> Self {
        let typed = typed.trim();
        if typed.contains('@') {
            Self::Email(comparable_email(typed))
        } else {
            Self::Handle(typed.to_lowercase())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_is_read_as_people_type_it() {
        assert_eq!(Identifier::read(" Ana "), Identifier::Handle("ana".to_owned()));
        assert_eq!(Identifier::read("Ana@Example.Org"), Identifier::Email("ana@example.org".to_owned()));
    }

    #[test]
    fn what_reads_like_a_reserved_handle_is_reserved() {
        for posing in
            ["admin", "adm1n", "admln", "4dmin", "ad-min", "sup.port", "5upport", "0perator", "tertul1a"]
        {
            assert!(is_reserved(posing), "{posing}");
        }
        for fine in ["ana", "admin2", "paul", "supporter", "roots", "m0", "ana.maria"] {
            assert!(!is_reserved(fine), "{fine}");
        }
    }

    #[test]
    fn every_reserved_handle_is_a_handle_and_listed_once() {
        assert!(RESERVED_HANDLES.is_sorted_by(|one, other| one < other));
        for handle in RESERVED_HANDLES {
            auth::handle(handle, &()).unwrap();
        }
    }
}
