//! Threads: a thread is named by the document id of the entry that it stands below.

use tertulia_contracts::{ConversationId, MessageId};
use tertulia_documents::Error;

use super::{EntryRecord, Head, Store, entries::Span};
use crate::model::{
    place::{entry_id, seq_of},
    thread::Root,
};

impl Store {
    /// The newest message in a place at or below a position.
    pub(crate) async fn newest_up_to(&self, place: &str, seq: u64) -> Result<Option<EntryRecord>, Error> {
        let below = seq.checked_add(1).map_or(Span::Newest, Span::Before);
        Ok(self.messages(place, below, 1).await?.pop())
    }

    /// How much there is of a thread.
    pub(crate) async fn thread_head(&self, thread: &str) -> Result<Head, Error> {
        let newest = self.newest_up_to(thread, u64::MAX).await?;
        Ok(newest.map_or_else(Head::default, |entry| entry.head_of_place()))
    }

    /// What a message is to those who post below it.
    pub(crate) async fn root(&self, log: ConversationId, message: MessageId) -> Result<Root, Error> {
        let Some(posting) = self.postings(log, &[message]).await?.pop() else { return Ok(Root::Missing) };
        if posting.in_thread.is_some() {
            return Ok(Root::Nested);
        }
        if posting.message()?.0.deleted_at.is_some() {
            return Ok(Root::Deleted);
        }
        let thread = entry_id(&log.to_string(), seq_of(message));
        Ok(Root::Open(self.thread_head(&thread).await?.messages))
    }
}
