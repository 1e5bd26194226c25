//! Custom roles, and what is noted beside members' own names.

use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

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
    pub name: String,
    /// What whoever carries it may do besides: names of actions.
    #[garde(custom(super::overridable))]
    #[serde(default)]
    pub allow: Vec<String>,
    /// What they may not do, whatever allows it: names of actions.
    #[garde(custom(super::overridable))]
    #[serde(default)]
    pub deny: Vec<String>,
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
