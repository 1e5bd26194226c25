//! Accounts that were erased.

use tertulia_contracts::UserId;
use tertulia_documents::{Cursor, Error, Index, Key, Page, Scan, Versioned};
use tertulia_runtime::{Timestamp, secret};

use super::{Store, TAKEN, moment_key};
use crate::model::{account::Account, erasure::Erased};

/// By when.
pub(super) const ERASED: Index = Index::ordered("erased");
/// What a report is shown for.
pub(super) const BY_RECEIPT: Index = Index::unique("by_erasure_receipt");
/// Those of which something may be left, by when to look.
pub(super) const TO_FORGET: Index = Index::ordered("to_forget");

pub(super) fn keys(erased: &Erased) -> Vec<(Index, Key)> {
    let look = erased.look_at.map(|at| (TO_FORGET, moment_key(at)));
    let receipt = (BY_RECEIPT, Key::new().text(&erased.receipt));
    [(ERASED, moment_key(erased.at)), receipt].into_iter().chain(look).collect()
}

impl Store {
    /// Whether somebody is called so, or was.
    pub(crate) async fn is_taken(&self, handle: &str) -> Result<bool, Error> {
        let fingerprint = secret::fingerprint(handle);
        Ok(self.accounts.find(TAKEN, Key::new().text(&fingerprint)).await?.is_some())
    }

    /// An account that was erased.
    pub(crate) async fn erased_account(&self, id: UserId) -> Result<Option<Versioned<Account>>, Error> {
        let found = self.accounts.get(&id.to_string()).await?;
        Ok(found.filter(|found| found.value.erased.is_some()))
    }

    /// The one whose report this is shown for.
    pub(crate) async fn erasure_of(&self, receipt: &str) -> Result<Option<Account>, Error> {
        let key = Key::new().text(&secret::fingerprint(receipt));
        Ok(self.accounts.find(BY_RECEIPT, key).await?.map(|found| found.value))
    }

    /// Accounts that were erased, the newest first.
    pub(crate) async fn erasures_page(
        &self,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page<Versioned<Account>>, Error> {
        self.accounts.scan(Scan::of(ERASED, Key::new(), limit).descending().after(after)).await
    }

    /// Those of which something may be left, by now.
    pub(crate) async fn to_forget(&self, now: Timestamp, limit: usize) -> Result<Vec<UserId>, Error> {
        let past = moment_key(Timestamp::from_millis(now.as_millis().saturating_add(1)));
        let due = self.accounts.scan(Scan::of(TO_FORGET, Key::new(), limit).to(past)).await?.items;
        Ok(due.into_iter().map(|found| found.value.id).collect())
    }
}
