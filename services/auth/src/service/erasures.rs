//! Erasing accounts.
//!
//! One commit leaves of the account that there was one, and tells everybody; what else auth keeps of it, sessions, tokens, bots,
//! claims of identities elsewhere, is removed after it, at once and, should the process die in between, by whoever finds it due.
//! Who was changing something of theirs at that very moment may leave something behind; so there is a second look a while
//! later, and only then auth says that it has forgotten them. The other services say it for themselves.

use std::{collections::BTreeMap, convert::Infallible, time::Duration};

use async_trait::async_trait;
use tertulia_bus::{Handler, Outcome, consume};
use tertulia_contracts::{
    UserId,
    auth::{Erasure, ErasureStarted, Erasures, ListErasures},
    events::{Letter, UserErased, UserForgotten},
    routes::role,
};
use tertulia_documents::{self as documents, Cursor};
use tertulia_runtime::{Event, Fault as _, Kind, lifecycle::CancellationToken, secret};

use super::standing::must_be_below;
use crate::{
    App, Auth, Error, SOURCE,
    model::{
        account::Account,
        audit::{Deed, Origin},
        erasure::Erased,
    },
};

const DEFAULT_PAGE: usize = 50;
/// How often a process looks for what is due.
const ROUND: Duration = Duration::from_secs(1);
/// So many at once.
const PAGE: usize = 50;
/// So often auth looks whether anything is left.
const LOOKS: u32 = 2;
/// A look that failed is tried again after so long.
const AGAIN: Duration = Duration::from_mins(1);
const ATTEMPTS: usize = 16;
const RECEIPT_BYTES: usize = 24;

/// Takes what the other services say that they have forgotten.
pub(crate) struct Registrar(pub(crate) App);

#[async_trait]
impl Handler for Registrar {
    async fn handle(&self, event: &Event) -> Outcome {
        let UserForgotten { user_id, service, removed } = match consume(event) {
            Ok(forgotten) => forgotten,
            Err(outcome) => return outcome,
        };
        let auth = &self.0.0;
        let note = |erased: &mut Erased| erased.take(&service, removed.clone(), auth.ambient.now());
        match auth.change_erased(user_id, note).await {
            Ok(_) => Outcome::Done,
            Err(error) if error.kind() == Kind::Internal => Outcome::Reject(error.to_string()),
            Err(error) => Outcome::Retry(error.to_string()),
        }
    }
}

impl Auth {
    /// Erases an account for good. Nobody can use it from now on, and nobody gets its handle.
    pub(crate) async fn erase(
        &self,
        id: UserId,
        by: UserId,
        origin: &Origin,
    ) -> Result<ErasureStarted, Error> {
        let receipt = secret::random(&*self.ambient.entropy, RECEIPT_BYTES);
        let erased = self.mark_erased(id, by, &receipt, origin).await?;
        // It is erased, whatever becomes of this: what is left is found by whoever goes round.
        let erased = match self.forget(id, origin).await {
            Ok(account) => account.unwrap_or(erased),
            Err(error) => {
                tracing::warn!(%error, user = %id, "what is left of an erased account is removed later");
                erased
            }
        };
        Ok(ErasureStarted { receipt, erasure: report(&erased).ok_or(Error::UserNotFound)? })
    }

    async fn mark_erased(
        &self,
        id: UserId,
        by: UserId,
        receipt: &str,
        origin: &Origin,
    ) -> Result<Account, Error> {
        let erase = |account: &mut Account| {
            must_be_below(account)?;
            let address = account.proven_email.take();
            let goodbye = address.map(|address| Letter::AccountErased {
                user_id: id,
                address,
                handle: account.handle.clone(),
                locale: account.locale.clone(),
            });
            let noted = self.note(Deed::AccountErased, &origin.by(by), Some(id), BTreeMap::new());
            let told = Event::new(&self.ambient, SOURCE, &UserErased { user_id: id });
            *account = account.erased(by, receipt, self.ambient.now());
            let mail = goodbye.map(|letter| self.mail(letter));
            Ok(((), [Some(told), Some(noted), mail].into_iter().flatten().collect()))
        };
        Ok(self.change(id, || Error::UserNotFound, erase).await?.0)
    }

    /// Removes what auth keeps of an erased account; again is the same. Answers the account as it is then.
    async fn forget(&self, id: UserId, origin: &Origin) -> Result<Option<Account>, Error> {
        let Some(found) = self.store.erased_account(id).await? else { return Ok(None) };
        let Some(Erased { by, claims, looks, .. }) = found.value.erased.clone() else { return Ok(None) };
        self.deny(&found.value).await;
        let sessions = self.end_sessions(id, None).await?;
        let tokens = self.end_tokens_of(id, &origin.by(by)).await?;
        let bots = self.store.bots_of(id).await?;
        for bot in &bots {
            let receipt = secret::random(&*self.ambient.entropy, RECEIPT_BYTES);
            self.mark_erased(bot.id, by, &receipt, origin).await?;
            // A bot has no bots.
            Box::pin(self.forget(bot.id, origin)).await?;
        }
        let mut identities = 0;
        for claim in &claims {
            identities += usize::from(self.end_claim(claim, id).await?);
        }
        let removed =
            [("sessions", sessions), ("tokens", tokens), ("bots", bots.len()), ("identities", identities)];
        let (now, second_look) = (self.ambient.now(), Duration::from_millis(self.config.second_look_ms));
        let looked = |erased: &mut Erased| {
            erased.count(role::AUTH, &removed);
            // Two that looked at once looked once.
            if erased.looks == looks {
                erased.looks += 1;
                erased.look_at = (erased.looks < LOOKS).then(|| now.plus(second_look));
            }
            if erased.look_at.is_none() {
                erased.claims.clear();
                erased.services.entry(role::AUTH.to_owned()).or_default().at.get_or_insert(now);
            }
        };
        self.change_erased(id, looked).await
    }

    /// Whether an identity elsewhere was this account's; it can be linked again.
    async fn end_claim(&self, fingerprint: &str, id: UserId) -> Result<bool, Error> {
        let claim = self.store.claims.get(fingerprint).await?.filter(|claim| claim.value.user_id == id);
        let Some(claim) = claim else { return Ok(false) };
        match self.store.claims.delete(fingerprint, claim.revision, Vec::new()).await {
            Ok(()) => Ok(true),
            // Somebody claims it at this moment.
            Err(documents::Error::Conflict { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Changes what is left of an erased account; nothing, if there is none.
    async fn change_erased(
        &self,
        id: UserId,
        change: impl Fn(&mut Erased),
    ) -> Result<Option<Account>, Error> {
        for _ in 0..ATTEMPTS {
            let Some(found) = self.store.erased_account(id).await? else { return Ok(None) };
            let mut account = found.value;
            account.erased.iter_mut().for_each(&change);
            match self.store.replace_account(&account, found.revision, Vec::new()).await {
                Ok(()) => return Ok(Some(account)),
                Err(documents::Error::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::ChangedMeanwhile)
    }

    /// Looks after what is left of erased accounts until shutdown.
    pub(crate) async fn run_erasures(&self, shutdown: CancellationToken) -> Result<(), Infallible> {
        loop {
            if let Err(error) = self.forget_due().await {
                tracing::warn!(%error, "erased accounts could not be looked after");
            }
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                () = tokio::time::sleep(ROUND) => {}
            }
        }
    }

    async fn forget_due(&self) -> Result<(), Error> {
        let now = self.ambient.now();
        for id in self.store.to_forget(now, PAGE).await? {
            if let Err(error) = self.forget(id, &Origin::default()).await {
                tracing::warn!(%error, user = %id, "an erased account could not be looked after");
                // One that fails keeps no other waiting.
                self.change_erased(id, |erased| erased.look_at = Some(now.plus(AGAIN))).await?;
            }
        }
        Ok(())
    }

    /// What became of the account whose erasure was answered with this.
    pub(crate) async fn erasure(&self, receipt: &str) -> Result<Erasure, Error> {
        let found = self.store.erasure_of(receipt).await?;
        found.as_ref().and_then(report).ok_or(Error::ErasureNotFound)
    }

    /// Erasures, the newest first.
    pub(crate) async fn erasures(&self, query: &ListErasures) -> Result<Erasures, Error> {
        let unknown = Error::BadField { field: "cursor", message: "is not one of ours" };
        let after = query.cursor.as_deref().map(Cursor::decode).transpose().map_err(|_| unknown)?;
        let page = self.store.erasures_page(after, query.limit.unwrap_or(DEFAULT_PAGE)).await?;
        let items = page.items.iter().filter_map(|found| report(&found.value)).collect();
        Ok(Erasures { items, next_cursor: page.next.map(|cursor| cursor.encode()) })
    }
}

fn report(account: &Account) -> Option<Erasure> {
    account.erased.as_ref().map(|erased| erased.report(account.id))
}
