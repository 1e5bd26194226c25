//! What a token is good for.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One thing a token may be good for. Which route takes which is in the route table; none includes another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Scope {
    /// Read what the account may read, and hear it.
    Read,
    /// Do what the account may do in conversations.
    Write,
    /// Manage the account itself: its logins, tokens and bots. Only who signs in has it; no API token is given it.
    #[serde(skip)]
    Account,
}

impl Scope {
    /// Each there is.
    pub const ALL: [Self; 3] = [Self::Read, Self::Write, Self::Account];

    /// A stable word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Account => "account",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// All that a token is good for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Scopes(u8);

impl Scopes {
    /// Everything: what whoever signs in has.
    pub const LOGIN: Self = Self(Scope::Read.bit() | Scope::Write.bit() | Scope::Account.bit());

    /// Whether this is among them.
    pub const fn contains(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | scope.bit()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_was_put_into_it_and_a_login_holds_everything() {
        let set = Scopes::from_iter([Scope::Write]);
        assert_eq!(Scope::ALL.map(|scope| set.contains(scope)), [false, true, false]);
        assert_eq!(Scopes::from_iter(Scope::ALL), Scopes::LOGIN);
        assert_eq!(Scope::ALL.map(|scope| Scopes::default().contains(scope)), [false; 3]);
    }

    #[test]
    fn nobody_can_ask_for_the_scope_of_a_login() {
        for scope in [Scope::Read, Scope::Write] {
            let text = serde_json::to_string(&scope).unwrap();
            assert_eq!(text, format!("\"{}\"", scope.name()));
            assert_eq!(serde_json::from_str::<Scope>(&text).unwrap(), scope);
        }
        assert!(serde_json::from_str::<Scope>("\"account\"").is_err());
    }
}
