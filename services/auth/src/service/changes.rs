//! Changing one account.

use tertulia_cache::Quota;
use tertulia_contracts::UserId;
use tertulia_documents as documents;
use tertulia_runtime::Event;

use crate::{Auth, Error, model::account::Account, store::BY_EMAIL};

/// An account that changes this often between reading and writing is not changed by its owner alone.
const ATTEMPTS: usize = 8;

impl Auth {
    /// Changes an account, with the events that follow from it, by what it is at that very moment. `change` is asked again
    /// when somebody else was quicker, and answers what the caller wants to know.
    pub(super) async fn change<T>(
        &self,
        id: UserId,
        unknown: fn() -> Error,
        change: impl Fn(&mut Account) -> Result<(T, Vec<Event>), Error>,
    ) -> Result<(Account, T), Error> {
        for _ in 0..ATTEMPTS {
            let found = self.store.versioned_account(id).await?.ok_or_else(unknown)?;
            let mut account = found.value;
            let (told, events) = change(&mut account)?;
            match self.store.replace_account(&account, found.revision, events).await {
                Ok(()) => return Ok((account, told)),
                Err(documents::Error::Duplicate { index, .. }) if index == BY_EMAIL.name => {
                    return Err(Error::EmailTaken);
                }
                Err(documents::Error::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::ChangedMeanwhile)
    }

    /// Takes one from a quota that all processes share.
    pub(super) async fn within(&self, key: &str, quota: Quota) -> Result<(), Error> {
        let admission = self.cache.admit(&format!("auth:{key}"), quota).await;
        if admission.allowed { Ok(()) } else { Err(Error::TooOften { retry_after: admission.retry_after }) }
    }
}
