//! Mails that are kept for the operator: whoever runs an instance without a mail server reads them there and passes on, by
//! hand, what is in them.
//!
//! Kept for [`KEPT_FOR`], and the newest [`MAX_KEPT`] at most. A link in one is good for as long as it would be anywhere.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tertulia_documents::{
    self as documents, Collection, Cursor, Documents, Index, Key, Page, Record, Scan, Table,
};
use tertulia_runtime::Timestamp;

use crate::{Error, Mail, Mailer, mail::check};

/// How long a mail is kept.
pub const KEPT_FOR: Duration = Duration::from_hours(30 * 24);
/// So many are kept; of more, the oldest go.
pub const MAX_KEPT: usize = documents::port::MAX_PAGE;

const BY_TIME: Index = Index::ordered("by_time");
/// So many are read at once to be deleted.
const SWEEP: usize = 100;

impl Record for Mail {
    const COLLECTION: Collection = Collection { name: "mail_outbox", indexes: &[BY_TIME] };

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn keys(&self) -> Vec<(Index, Key)> {
        vec![(BY_TIME, time_key(self.at).display(self.id))]
    }
}

fn time_key(at: Timestamp) -> Key {
    Key::new().number(u64::try_from(at.as_millis()).unwrap_or(0))
}

/// Keeps mails among a service's documents.
#[derive(Clone)]
pub struct OutboxMailer {
    kept: Table<Mail>,
}

impl OutboxMailer {
    /// An outbox in a store that was opened with the collection of [`Mail`]s.
    pub fn new(documents: Arc<dyn Documents>) -> Self {
        Self { kept: Table::new(documents) }
    }

    /// What is kept, newest first.
    ///
    /// # Errors
    /// [`Error::Unavailable`] while the store is away.
    pub async fn kept(&self, after: Option<Cursor>, limit: usize) -> Result<Page<Mail>, Error> {
        let page = self.kept.scan(Scan::of(BY_TIME, Key::new(), limit).descending().after(after)).await?;
        let items = page.items.into_iter().map(|found| found.value).collect();
        Ok(Page { items, next: page.next })
    }

    /// Deletes what has been kept for long enough, and what is too much.
    ///
    /// # Errors
    /// [`Error::Unavailable`] while the store is away.
    pub async fn sweep(&self, now: Timestamp) -> Result<(), Error> {
        let old = Scan::of(BY_TIME, Key::new(), SWEEP).to(time_key(now.minus(KEPT_FOR)));
        while self.delete(old.clone()).await? == SWEEP {}
        let newest = Scan::of(BY_TIME, Key::new(), MAX_KEPT).descending();
        let Some(last) = self.kept.scan(newest).await?.next else {
            return Ok(());
        };
        let rest = Scan::of(BY_TIME, Key::new(), SWEEP).descending().after(Some(last));
        while self.delete(rest.clone()).await? == SWEEP {}
        Ok(())
    }

    /// Deletes one page; how many it held.
    async fn delete(&self, scan: Scan) -> Result<usize, Error> {
        let page = self.kept.scan(scan).await?.items;
        for found in &page {
            match self.kept.delete(&found.value.id(), found.revision, Vec::new()).await {
                // Another process sweeps, too.
                Ok(()) | Err(documents::Error::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(page.len())
    }
}

#[async_trait]
impl Mailer for OutboxMailer {
    async fn deliver(&self, mail: &Mail) -> Result<(), Error> {
        check(mail)?;
        match self.kept.insert(mail, Vec::new()).await {
            // It is there from an attempt whose answer was lost.
            Ok(_) | Err(documents::Error::Conflict { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    async fn check(&self) -> Result<(), Error> {
        self.kept.get("").await.map(drop).map_err(Error::from)
    }
}
