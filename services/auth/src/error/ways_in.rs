//! What can go wrong with the ways in besides the password: accounts elsewhere, and passkeys.

use std::borrow::Cow;

use serde_json::{Map, Value};
use tertulia_contracts::auth::AccountProposal;
use tertulia_runtime::{Fault, Kind};

/// Why such a way in was refused or failed.
#[derive(Debug, thiserror::Error)]
pub enum WayIn {
    /// No such provider is configured.
    #[error("there is no such provider")]
    ProviderNotFound,
    /// A provider does not answer.
    #[error("the provider is away: {0}")]
    ProviderAway(String),
    /// A provider answers what it should not.
    #[error("the provider is wrong: {0}")]
    ProviderWrong(String),
    /// What a provider sent somebody back with is not believed.
    #[error("the provider's answer is refused: {0}")]
    OpenidRefused(String),
    /// The sign-in at a provider was never begun so, is over or too old.
    #[error("there is no such sign-in at a provider")]
    OpenidFlowInvalid,
    /// A provider vouches for somebody whom nobody here knows.
    #[error("nobody here is linked to this identity")]
    AccountNeeded(AccountProposal),
    /// The identity is another account's.
    #[error("the identity is another account's")]
    IdentityTaken,
    /// The caller's account has no such identity.
    #[error("the caller has no such identity")]
    IdentityNotFound,
    /// The account is linked to as many identities as it may.
    #[error("the account has too many identities")]
    TooManyIdentities,
    /// The instance is found at a bare address, for which browsers make no passkeys.
    #[error("there are no passkeys here")]
    NoPasskeys,
    /// What an authenticator said is not believed.
    #[error("the passkey is refused: {0}")]
    PasskeyRefused(&'static str),
    /// The caller has no such passkey.
    #[error("the caller has no such passkey")]
    PasskeyNotFound,
    /// The account has as many passkeys as it may.
    #[error("the account has too many passkeys")]
    TooManyPasskeys,
    /// Without it nobody could come in any more.
    #[error("it is the last way in")]
    LastWayIn,
}

impl Fault for WayIn {
    fn kind(&self) -> Kind {
        match self {
            Self::ProviderNotFound | Self::IdentityNotFound | Self::PasskeyNotFound | Self::NoPasskeys => {
                Kind::NotFound
            }
            Self::ProviderAway(_) | Self::ProviderWrong(_) => Kind::Unavailable,
            Self::OpenidRefused(_) | Self::OpenidFlowInvalid | Self::PasskeyRefused(_) => Kind::Forbidden,
            Self::AccountNeeded(_)
            | Self::IdentityTaken
            | Self::TooManyIdentities
            | Self::TooManyPasskeys
            | Self::LastWayIn => Kind::Conflict,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::ProviderNotFound => "provider_not_found",
            Self::ProviderAway(_) => "provider_unavailable",
            Self::ProviderWrong(_) => "provider_wrong",
            Self::OpenidRefused(_) => "openid_refused",
            Self::OpenidFlowInvalid => "openid_flow_invalid",
            Self::AccountNeeded(_) => "account_needed",
            Self::IdentityTaken => "identity_taken",
            Self::IdentityNotFound => "identity_not_found",
            Self::TooManyIdentities => "too_many_identities",
            Self::LastWayIn => "last_way_in",
            Self::NoPasskeys => "no_passkeys",
            Self::PasskeyRefused(_) => "passkey_refused",
            Self::PasskeyNotFound => "passkey_not_found",
            Self::TooManyPasskeys => "too_many_passkeys",
        }
    }

    fn detail(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::ProviderNotFound => "This instance has no such provider.",
            Self::ProviderAway(_) => "The provider does not answer just now. Try again in a moment.",
            Self::ProviderWrong(_) => "The provider does not answer as it should. Tell the operator.",
            Self::OpenidRefused(_) => "The provider's answer is not good. Begin to sign in again.",
            Self::OpenidFlowInvalid => {
                "This sign-in was finished already, is too old, or was begun elsewhere. Begin again."
            }
            Self::AccountNeeded(_) => {
                "Nobody here is linked to this identity. Choose a name for a new account, or sign in another way and \
                 link it."
            }
            Self::IdentityTaken => {
                "This identity belongs to another account, or is just being linked to one."
            }
            Self::IdentityNotFound => "Your account has no such identity.",
            Self::TooManyIdentities => "Your account has 10 identities; unlink one first.",
            Self::LastWayIn => {
                "You could not sign in any more. Set a password, make a passkey or link another identity first."
            }
            Self::NoPasskeys => "This instance has no domain name, without which there are no passkeys.",
            Self::PasskeyRefused(_) => {
                "This passkey does not sign in here. Try again, or sign in another way."
            }
            Self::PasskeyNotFound => "You have no such passkey.",
            Self::TooManyPasskeys => "You have 20 passkeys; remove one that is no longer used.",
        })
    }

    fn extensions(&self) -> Map<String, Value> {
        match self {
            Self::AccountNeeded(proposal) => {
                let proposal = serde_json::to_value(proposal).expect("a proposal is plain text and encodes");
                Map::from_iter([("proposal".to_owned(), proposal)])
            }
            _ => Map::new(),
        }
    }
}
