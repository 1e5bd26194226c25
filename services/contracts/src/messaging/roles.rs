//! Custom roles, and what is noted beside members' own names.

use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::EntityKind;
use crate::{
    RoleId, UserId,
    permissions::{Override, Permissions},
};

/// `PUT /v1/conversations/{id}/roles/{role_id}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutRole {
    /// What it is called: at most 40 characters, on one line.
    #[garde(length(chars, max = 40), custom(super::title))]
    #[schema(min_length = 1, max_length = 40)]
    pub name: String,
    /// What whoever carries it may do besides: names of actions.
    #[garde(custom(super::overridable))]
    #[serde(default)]
    pub allow: Vec<String>,
    /// What they may not do, whatever allows it: names of actions.
    #[garde(custom(super::overridable))]
    #[serde(default)]
    pub deny: Vec<String>,
    /// Whether `@` and its word call all who carry it. The word is its name in lower case with hyphens for spaces; it has
    /// to be one by the rule for handles, and no other role's of this conversation.
    #[garde(custom(callable(&self.name)))]
    #[serde(default)]
    pub mentionable: bool,
}

/// The word that calls a custom role of this name; none if the name makes none: it follows the rule for handles, and is no
/// word that calls others.
pub fn role_word(name: &str) -> Option<String> {
    let word = name.split_whitespace().collect::<Vec<_>>().join("-").to_lowercase();
    let fits = crate::auth::handle(&word, &()).is_ok() && EntityKind::of_word(&word).is_none();
    fits.then_some(word)
}

fn callable(name: &str) -> impl Fn(&bool, &()) -> garde::Result + use<'_> {
    move |mentionable, ()| match role_word(name) {
        None if *mentionable => {
            Err(garde::Error::new("takes a name of 2 to 32 letters a to z, digits, spaces, _, - and ."))
        }
        _ => Ok(()),
    }
}

/// `PUT /v1/conversations/{id}/members/{user_id}/override`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutOverride {
    /// What they may do besides: names of actions.
    #[garde(custom(super::overridable))]
    #[serde(default)]
    pub allow: Vec<String>,
    /// What they may not do, whatever allows it: names of actions.
    #[garde(custom(super::overridable))]
    #[serde(default)]
    pub deny: Vec<String>,
}

impl PutRole {
    /// What it adds and takes.
    pub fn rights(&self) -> Override {
        rights(&self.allow, &self.deny)
    }
}

impl PutOverride {
    /// What it adds and takes.
    pub fn rights(&self) -> Override {
        rights(&self.allow, &self.deny)
    }
}

fn rights(allow: &[String], deny: &[String]) -> Override {
    let of = |names: &[String]| Permissions::named(names.iter().map(String::as_str)).0;
    Override { allow: of(allow), deny: of(deny) }
}

/// A custom role of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Role {
    /// Its id.
    #[schema(value_type = String)]
    pub id: RoleId,
    /// What it is called.
    pub name: String,
    /// What whoever carries it may do besides.
    #[schema(value_type = Vec<String>)]
    pub allow: Permissions,
    /// What they may not do, whatever allows it.
    #[schema(value_type = Vec<String>)]
    pub deny: Permissions,
    /// The word that calls all who carry it, behind an `@`; absent if none does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub word: Option<String>,
    /// Who carries it, in the order of their ids.
    pub user_ids: Vec<UserId>,
}

/// What is noted beside one name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MemberOverride {
    /// Whose. What is denied to somebody who left is kept, and holds when they come back.
    pub user_id: UserId,
    /// What they may do besides.
    #[schema(value_type = Vec<String>)]
    pub allow: Permissions,
    /// What they may not do, whatever allows it.
    #[schema(value_type = Vec<String>)]
    pub deny: Permissions,
}

/// The custom roles of a conversation, and what is noted beside names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Roles {
    /// The roles in the order of their ids, at most 20.
    pub items: Vec<Role>,
    /// What is noted beside names, in the order of the ids. With those who carry roles, at most 200 people.
    pub overrides: Vec<MemberOverride>,
    /// The newest entry of the log that this shows: an entry about roles, or of somebody's leaving, that is not newer is in
    /// here already. 0 before the first.
    pub changed_seq: u64,
}

#[cfg(test)]
mod tests {
    use super::role_word;

    #[test]
    fn a_word_is_the_name_as_a_handle_or_there_is_none() {
        for (name, word) in [
            ("On call", Some("on-call")),
            (" Night  Shift ", Some("night-shift")),
            ("v2.ops_team", Some("v2.ops_team")),
            ("Größe", None),
            ("Everyone", None),
            ("Admins", None),
            ("X", None),
            ("-x", None),
            ("a@b", None),
        ] {
            assert_eq!(role_word(name).as_deref(), word, "{name}");
        }
        assert!(role_word(&"x".repeat(32)).is_some() && role_word(&"x".repeat(33)).is_none());
    }
}
