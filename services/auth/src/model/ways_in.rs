//! The ways into an account.
//!
//! A second factor is none: it narrows a way in and opens nothing by itself. Nobody takes away the last: whoever takes one
//! away asks in the same change whether one is left.

use tertulia_contracts::auth::WayIn;

use super::account::Account;

impl Account {
    /// By what its owner can come in. A bot comes in by none: it has tokens.
    pub(crate) fn ways_in(&self) -> Vec<WayIn> {
        let ways = [
            (WayIn::Password, self.password.is_some()),
            // Whoever reads what is sent there can set a password.
            (WayIn::VerifiedAddress, self.proven_email.is_some()),
            (WayIn::Openid, !self.identities.is_empty()),
            (WayIn::Passkey, !self.passkeys.is_empty()),
        ];
        ways.into_iter().filter_map(|(way, open)| open.then_some(way)).collect()
    }

    /// Whether its owner can come in.
    pub(crate) fn has_way_in(&self) -> bool {
        !self.ways_in().is_empty()
    }
}
