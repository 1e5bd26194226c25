//! The audit trail's entries, by their places and by what they say.

use tertulia_contracts::auth::SearchAudit;
use tertulia_documents::{Collection, Cursor, Error, Index, Key, Page, Record, Scan, Versioned};
use tertulia_runtime::event::EventId;

use super::{Store, moment_key};
use crate::model::audit::Entry;

/// An event is entered once.
const BY_EVENT: Index = Index::unique("by_event");
const BY_TIME: Index = Index::ordered("by_time");
const BY_ACTOR: Index = Index::ordered("by_actor");
const BY_SUBJECT: Index = Index::ordered("by_subject");
const BY_KIND: Index = Index::ordered("by_kind");
/// The place again: ids are texts that are sorted as such, and this one is a number.
const BY_SEQ: Index = Index::unique("by_seq");

impl Record for Entry {
    const COLLECTION: Collection =
        Collection { name: "audit", indexes: &[BY_EVENT, BY_TIME, BY_ACTOR, BY_SUBJECT, BY_KIND, BY_SEQ] };

    fn id(&self) -> String {
        place(self.0.seq)
    }

    fn keys(&self) -> Vec<(Index, Key)> {
        let entry = &self.0;
        let at = |key: Key| key.number(millis(entry.at));
        let actor = entry.actor.map(|actor| (BY_ACTOR, at(Key::new().display(actor))));
        let subject = entry.subject.map(|subject| (BY_SUBJECT, at(Key::new().display(subject))));
        let always = [
            (BY_EVENT, Key::new().text(&entry.event_id)),
            (BY_TIME, moment_key(entry.at)),
            (BY_KIND, at(Key::new().text(&entry.kind))),
            (BY_SEQ, Key::new().number(entry.seq)),
        ];
        always.into_iter().chain(actor).chain(subject).collect()
    }
}

/// Two entries of one place are one document.
fn place(seq: u64) -> String {
    format!("{seq:016x}")
}

fn millis(moment: tertulia_runtime::Timestamp) -> u64 {
    u64::try_from(moment.as_millis()).unwrap_or(0)
}

impl Store {
    pub(crate) async fn has_entry_of(&self, event: EventId) -> Result<bool, Error> {
        Ok(self.audit.find(BY_EVENT, Key::new().display(event)).await?.is_some())
    }

    pub(crate) async fn entry(&self, seq: u64) -> Result<Option<Entry>, Error> {
        Ok(self.audit.get(&place(seq)).await?.map(|found| found.value))
    }

    pub(crate) async fn last_entry(&self) -> Result<Option<Entry>, Error> {
        let last = Scan::of(BY_SEQ, Key::new(), 1).descending();
        Ok(self.audit.scan(last).await?.items.pop().map(|found| found.value))
    }

    /// Appends an entry; false if somebody else was quicker, at this place or with this event.
    pub(crate) async fn append_entry(&self, entry: &Entry) -> Result<bool, Error> {
        match self.audit.insert(entry, Vec::new()).await {
            Ok(_) => Ok(true),
            Err(Error::Conflict { .. } | Error::Duplicate { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The entries behind a place, in their order.
    pub(crate) async fn entries_after(&self, seq: u64, limit: usize) -> Result<Vec<Entry>, Error> {
        let behind = Scan::of(BY_SEQ, Key::new(), limit).from(Key::new().number(seq + 1));
        Ok(self.audit.scan(behind).await?.items.into_iter().map(|found| found.value).collect())
    }

    /// Entries of which some fit the query, newest first: through the narrowest index.
    pub(crate) async fn entries_page(
        &self,
        query: &SearchAudit,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page<Versioned<Entry>>, Error> {
        let (index, prefix) = match (query.actor, query.subject, &query.kind) {
            (Some(actor), _, _) => (BY_ACTOR, Key::new().display(actor)),
            (_, Some(subject), _) => (BY_SUBJECT, Key::new().display(subject)),
            (_, _, Some(kind)) => (BY_KIND, Key::new().text(kind)),
            (None, None, None) => (BY_TIME, Key::new()),
        };
        let mut scan = Scan::of(index, prefix.clone(), limit).descending().after(after);
        if let Some(from) = query.from {
            scan = scan.from(prefix.clone().number(millis(from)));
        }
        if let Some(to) = query.to {
            scan = scan.to(prefix.number(millis(to)));
        }
        self.audit.scan(scan).await
    }
}
