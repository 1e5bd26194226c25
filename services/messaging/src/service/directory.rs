//! The directory: finding channels that one is no member of.

use futures_util::{StreamExt, TryStreamExt, stream};
use tertulia_contracts::{
    ConversationId,
    messaging::{DirectoryEntry, DirectoryOrder},
};
use tertulia_documents::{Cursor, Page};

use super::Messaging;
use crate::{
    Error,
    model::{
        access::{Action, Actor},
        listing::{Term, matches},
    },
    store::{ConversationRecord, ListingRecord},
};

/// How many channels of a page are looked at once.
const AT_ONCE: usize = 8;
/// How often a page is filled up with more of what was found, when some of it is not what was searched for.
const MAX_SCANS: usize = 4;

/// What is searched for.
pub(crate) struct Search {
    /// The beginnings of words, as they are compared.
    pub words: Vec<String>,
    /// A tag.
    pub tag: Option<String>,
    /// In which order; a search for words has its own.
    pub order: DirectoryOrder,
}

impl Search {
    /// Whether a channel is looked for under this term.
    fn begins_with(&self, term: &Term) -> bool {
        match (self.words.first(), &self.tag, term) {
            (Some(word), _, Term::Word(it)) => it.starts_with(word),
            (None, Some(tag), Term::Tag(it)) => it == tag,
            (None, None, Term::Any) => true,
            _ => false,
        }
    }
}

impl Messaging {
    /// A page of the channels that everybody can find.
    pub(crate) async fn directory(
        &self,
        search: &Search,
        mut after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page<DirectoryEntry>, Error> {
        let mut items = Vec::new();
        for _ in 0..MAX_SCANS {
            let page = self.found(search, after, limit - items.len()).await?;
            let shown = page.items.into_iter().map(|listing| self.listing(listing, search));
            let shown: Vec<Option<DirectoryEntry>> =
                stream::iter(shown).buffered(AT_ONCE).try_collect().await?;
            items.extend(shown.into_iter().flatten());
            after = page.next;
            if after.is_none() || items.len() >= limit {
                break;
            }
        }
        Ok(Page { items, next: after })
    }

    async fn found(
        &self,
        search: &Search,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page<ListingRecord>, Error> {
        Ok(match (search.words.first(), &search.tag) {
            (Some(word), _) => self.store.listed_with(word, after, limit).await?,
            (None, Some(tag)) => {
                self.store.listed_under(&Term::Tag(tag.clone()), search.order, after, limit).await?
            }
            (None, None) => self.store.listed_under(&Term::Any, search.order, after, limit).await?,
        })
    }

    /// The channel behind a listing as it is now, if it is still what is searched for. Who has several words that begin
    /// so is shown at the first of them alone.
    async fn listing(
        &self,
        listing: ListingRecord,
        search: &Search,
    ) -> Result<Option<DirectoryEntry>, Error> {
        let Some(conversation) = self.keeper.settle(listing.conversation_id).await? else { return Ok(None) };
        let terms = conversation.terms();
        // What was listed is a hint of the past; what is found now is one of its terms.
        let first = terms.iter().filter(|term| search.begins_with(term)).min();
        let found = first.is_some()
            && first == listing.term.as_ref()
            && matches(&terms, &search.words, search.tag.as_deref());
        Ok(found.then(|| entry(listing.conversation_id, conversation)))
    }

    /// The channel of a handle, if this user may find it.
    pub(crate) async fn by_handle(&self, by: Actor, handle: &str) -> Result<DirectoryEntry, Error> {
        let found = self.store.channel(handle).await?.ok_or(Error::NoSuchConversation)?;
        let view = self.view(found.id, by, Action::Find).await?;
        Ok(entry(found.id, view.conversation))
    }
}

fn entry(id: ConversationId, conversation: ConversationRecord) -> DirectoryEntry {
    let visibility = conversation.visibility();
    let ConversationRecord { charter, settings, members, .. } = conversation;
    DirectoryEntry {
        id,
        handle: charter.handle,
        title: settings.title,
        description: Some(settings.description).filter(|description| !description.is_empty()),
        tags: settings.tags,
        visibility,
        member_count: members,
        created_at: charter.created_at,
    }
}
