//! The directory's index: what each listed channel is found by. A projection of the logs, and a hint alone: whoever finds
//! something looks at the conversation before it is shown.

use serde::{Deserialize, Serialize};
use tertulia_contracts::{ConversationId, messaging::DirectoryOrder};
use tertulia_documents::{Collection, Cursor, Error, Index, Key, Page, Record, Scan};
use tertulia_runtime::Timestamp;

use super::Store;
use crate::model::listing::{MAX_TERMS, Term};

/// One of the terms of a channel. A channel has a fixed number of places for them, so that changing its name leaves
/// nothing behind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ListingRecord {
    /// The channel.
    pub conversation_id: ConversationId,
    /// Which of its places.
    pub place: usize,
    /// What stands there, if anything does.
    pub term: Option<Term>,
    /// What the channel is ordered by.
    pub name: String,
    /// When the channel was made.
    pub created_at: Timestamp,
    /// The entry it follows from.
    pub seq: u64,
}

/// Terms, and the channels of each by name.
const NAMED: Index = Index::ordered("named");
/// Terms, and the channels of each by age.
const NEWEST: Index = Index::ordered("newest");

impl Record for ListingRecord {
    const COLLECTION: Collection = Collection { name: "listings", indexes: &[NAMED, NEWEST] };

    fn id(&self) -> String {
        listing_id(self.conversation_id, self.place)
    }

    fn keys(&self) -> Vec<(Index, Key)> {
        let Some(term) = &self.term else { return Vec::new() };
        let created = u64::try_from(self.created_at.as_millis()).unwrap_or(0);
        vec![(NAMED, term_key(term).text(&self.name)), (NEWEST, term_key(term).number(created))]
    }
}

pub(crate) fn listing_id(conversation: ConversationId, place: usize) -> String {
    format!("{conversation}/{place:02}")
}

fn term_key(term: &Term) -> Key {
    match term {
        Term::Any => Key::new().text("any"),
        Term::Tag(tag) => Key::new().text("tag").text(tag),
        Term::Word(word) => Key::new().text("word").text(word),
    }
}

impl Store {
    /// How many of its places a channel has ever used: the first so many.
    pub(crate) async fn places_used_by(&self, conversation: ConversationId) -> Result<usize, Error> {
        let ids: Vec<String> = (0..MAX_TERMS).map(|place| listing_id(conversation, place)).collect();
        Ok(self.listings.get_many(&ids).await?.len())
    }

    /// A page of the channels under a term.
    pub(crate) async fn listed_under(
        &self,
        term: &Term,
        order: DirectoryOrder,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page<ListingRecord>, Error> {
        let scan = match order {
            DirectoryOrder::Name => Scan::of(NAMED, term_key(term), limit),
            DirectoryOrder::Newest => Scan::of(NEWEST, term_key(term), limit).descending(),
        };
        self.listings_in(scan.after(after)).await
    }

    /// A page of the channels with a word that begins so, by that word and then by name.
    pub(crate) async fn listed_with(
        &self,
        beginning: &str,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page<ListingRecord>, Error> {
        // A word has nothing that is escaped in a key, so its beginning is a beginning of the key.
        let prefix = format!("{}{beginning}", Key::new().text("word").as_str());
        self.listings_in(Scan::of(NAMED, Key::from_encoded(prefix), limit).after(after)).await
    }

    async fn listings_in(&self, scan: Scan) -> Result<Page<ListingRecord>, Error> {
        let page = self.listings.scan(scan).await?;
        Ok(Page { items: page.items.into_iter().map(|found| found.value).collect(), next: page.next })
    }
}
