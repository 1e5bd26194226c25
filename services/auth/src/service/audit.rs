//! The audit trail is written by whoever takes the events of what was done: each stands in the commit of the act itself, so
//! that there is no act without its entry, and it is entered once however often the event comes.

use std::{collections::BTreeMap, fmt::Display, time::Duration};

use async_trait::async_trait;
use tertulia_bus::{Handler, Outcome, RetryPolicy, consume};
use tertulia_cache::Quota;
use tertulia_contracts::{
    UserId,
    auth::{
        AuditEntries, AuditFault, AuditPoint, AuditVerification, BrokenEntry, MAX_VERIFIED, SearchAudit,
        VerifyAudit,
    },
    events::ActNoted,
};
use tertulia_documents::Cursor;
use tertulia_runtime::{Event, Fault as _, Kind, secret};

use crate::{
    App, Auth, Error, SOURCE,
    model::{
        account::Identifier,
        audit::{Deed, Entry, Origin, details},
    },
};

const DEFAULT_PAGE: usize = 50;
/// So many entries are read at once.
const STEP: usize = 500;
/// Other processes append, too.
const ATTEMPTS: usize = 16;
/// One after the other: the trail has one end.
pub(crate) const PREFETCH: u16 = 1;
/// While the store is away nothing is done that could be entered, so little waits; about twenty minutes, as for mails.
pub(crate) const RETRY: RetryPolicy =
    RetryPolicy { attempts: 12, first_delay: Duration::from_secs(1), max_delay: Duration::from_mins(5) };
/// So many wrong passwords for one name are a person's; what goes beyond is noted.
const FAILURES: Quota = Quota { burst: 10, period: Duration::from_mins(1) };
/// And so often.
const NOTING: Quota = Quota { burst: 1, period: Duration::from_hours(1) };

/// Takes what was done, and enters it.
pub(crate) struct Clerk(pub(crate) App);

#[async_trait]
impl Handler for Clerk {
    async fn handle(&self, event: &Event) -> Outcome {
        let act = match consume::<ActNoted>(event) {
            Ok(act) => act,
            Err(outcome) => return outcome,
        };
        match self.0.0.enter(event, &act).await {
            Ok(()) => Outcome::Done,
            Err(error) if error.kind() == Kind::Internal => Outcome::Reject(error.to_string()),
            Err(error) => Outcome::Retry(error.to_string()),
        }
    }
}

impl Auth {
    /// What goes into the commit of an act, so that it is entered.
    pub(super) fn note(
        &self,
        deed: Deed,
        origin: &Origin,
        subject: Option<UserId>,
        details: BTreeMap<String, String>,
    ) -> Event {
        let Origin { actor, network } = origin.clone();
        let kind = deed.kind().to_owned();
        Event::new(&self.ambient, SOURCE, &ActNoted { kind, actor, subject, network, details })
    }

    /// The same, of a way into an account that its owner opens or closes.
    pub(super) fn note_way_in(&self, deed: Deed, origin: &Origin, owner: UserId, id: impl Display) -> Event {
        self.note(deed, &origin.by(owner), Some(owner), details([("id", id.to_string())]))
    }

    async fn enter(&self, event: &Event, act: &ActNoted) -> Result<(), Error> {
        for _ in 0..ATTEMPTS {
            if self.store.has_entry_of(event.id).await? {
                return Ok(());
            }
            let head = self.store.last_entry().await?.map(|entry| entry.point()).unwrap_or_default();
            let entry = Entry::after(&head, event.id, event.time, act.clone());
            if self.store.append_entry(&entry).await? {
                return Ok(());
            }
        }
        Err(Error::ChangedMeanwhile)
    }

    /// Entries that fit, newest first. A page may hold fewer than were asked for while there are more.
    pub(crate) async fn search_audit(&self, query: &SearchAudit) -> Result<AuditEntries, Error> {
        let unknown = Error::BadField { field: "cursor", message: "is not one of ours" };
        let after = query.cursor.as_deref().map(Cursor::decode).transpose().map_err(|_| unknown)?;
        let page = self.store.entries_page(query, after, query.limit.unwrap_or(DEFAULT_PAGE)).await?;
        let entries = page.items.into_iter().map(|found| found.value.0);
        let items = entries
            .filter(|entry| {
                query.actor.is_none_or(|actor| entry.actor == Some(actor))
                    && query.subject.is_none_or(|subject| entry.subject == Some(subject))
                    && query.kind.as_ref().is_none_or(|kind| entry.kind == *kind)
            })
            .collect();
        Ok(AuditEntries { items, next_cursor: page.next.map(|cursor| cursor.encode()) })
    }

    /// Whether the trail is as it was written, behind a point that whoever asks noted.
    pub(crate) async fn verify_audit(&self, query: &VerifyAudit) -> Result<AuditVerification, Error> {
        let mut good_to = match (query.known_seq, &query.known_hash) {
            (None, None) => AuditPoint::default(),
            (Some(seq), Some(hash)) => AuditPoint { seq, hash: hash.clone() },
            _ => return Err(Error::BadField { field: "known_hash", message: "goes with known_seq" }),
        };
        let broken = |good_to: AuditPoint, seq, fault| AuditVerification {
            good_to,
            complete: true,
            broken: Some(BrokenEntry { seq, fault }),
        };
        if let (seq @ 1.., known) = (good_to.seq, &good_to.hash) {
            match self.store.entry(seq).await? {
                None => return Ok(broken(AuditPoint::default(), seq, AuditFault::Missing)),
                Some(entry) if entry.0.hash != *known => {
                    return Ok(broken(AuditPoint::default(), seq, AuditFault::Changed));
                }
                Some(_) => {}
            }
        }
        let end = good_to.seq + MAX_VERIFIED;
        while good_to.seq < end {
            let entries = self.store.entries_after(good_to.seq, STEP).await?;
            for entry in &entries {
                if let Some(fault) = entry.fault_after(&good_to) {
                    let seq = good_to.seq + 1;
                    return Ok(broken(good_to, seq, fault));
                }
                good_to = entry.point();
            }
            if entries.len() < STEP {
                return Ok(AuditVerification { good_to, complete: true, broken: None });
            }
        }
        Ok(AuditVerification { good_to, complete: false, broken: None })
    }

    /// A wrong name or password. Those beyond what a person mistypes are noted, for one name once an hour; what was typed
    /// is not, since it may be a password.
    pub(super) async fn note_refused_sign_in(
        &self,
        typed: &Identifier,
        subject: Option<UserId>,
        origin: &Origin,
    ) {
        let name = secret::fingerprint(typed.as_str());
        if self.within(&format!("refused:{name}"), FAILURES).await.is_ok()
            || self.within(&format!("refused-noted:{name}"), NOTING).await.is_err()
        {
            return;
        }
        let known = details([("account", if subject.is_some() { "known" } else { "unknown" }.to_owned())]);
        let noted = self.note(Deed::SignInsRefused, origin, subject, known);
        if let Err(error) = self.bus.publish(&[noted]).await {
            tracing::warn!(%error, "that many sign-ins were refused could not be noted");
        }
    }
}
