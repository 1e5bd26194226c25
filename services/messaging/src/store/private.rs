//! What is people's own: one document a thing, which carries the position in its owner's log at which it was last
//! changed; and the head of each log, in which the newest of them stands first.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use tertulia_contracts::{ConversationId, UserId};
use tertulia_documents::{Collection, Cursor, Error, Index, Key, Page, Record, Scan};
use tertulia_runtime::Timestamp;

use super::Store;
use crate::model::private::{Listing, Matter, Place, Topic, Tracking};

/// One thing of one person's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PrivateRecord {
    /// Whose.
    pub owner: UserId,
    /// The position in their log at which it was last changed. No two things share one.
    pub useq: u64,
    /// When that was.
    pub at: Timestamp,
    /// The position from which it has been listed without a break; it orders lists.
    pub since_useq: u64,
    /// How it stands.
    pub matter: Matter,
}

/// A person's log.
pub(super) const LOG: Index = Index::unique("log");
/// What is listed, kind by kind.
const LISTINGS: Index = Index::unique("listings");

impl Record for PrivateRecord {
    const COLLECTION: Collection = Collection { name: "private", indexes: &[LOG, LISTINGS] };

    fn id(&self) -> String {
        private_id(self.owner, self.matter.topic())
    }

    fn keys(&self) -> Vec<(Index, Key)> {
        let log = (LOG, log_key(self.owner).number(self.useq));
        let listing = self
            .matter
            .listing()
            .map(|listing| (LISTINGS, listing_key(self.owner, listing).number(self.since_useq)));
        [Some(log), listing].into_iter().flatten().collect()
    }
}

impl PrivateRecord {
    /// The place that it notes.
    pub(crate) fn place(&self) -> Place {
        match self.matter {
            Matter::Place { place, .. } => place,
            _ => Place::default(),
        }
    }

    /// How the thread is followed that it is about.
    pub(crate) fn tracking(&self) -> Tracking {
        match self.matter {
            Matter::Thread { tracking, .. } => tracking,
            _ => Tracking::default(),
        }
    }
}

/// The head of somebody's log. Its replacement is what commits a change of anything of theirs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct UserHeadRecord {
    /// What was changed last.
    pub newest: PrivateRecord,
}

impl Record for UserHeadRecord {
    const COLLECTION: Collection = Collection { name: "user_heads", indexes: &[] };

    fn id(&self) -> String {
        self.newest.owner.to_string()
    }

    fn keys(&self) -> Vec<(Index, Key)> {
        Vec::new()
    }
}

fn log_key(owner: UserId) -> Key {
    Key::new().display(owner)
}

fn listing_key(owner: UserId, listing: Listing) -> Key {
    Key::new().display(owner).text(&listing.name())
}

fn private_id(owner: UserId, topic: Topic) -> String {
    format!("{owner}/{}", topic.name())
}

impl Store {
    /// A thing of somebody's.
    pub(crate) async fn private(&self, owner: UserId, topic: Topic) -> Result<Option<PrivateRecord>, Error> {
        Ok(self.private.get(&private_id(owner, topic)).await?.map(|found| found.value))
    }

    /// These things, as far as there are any.
    pub(crate) async fn private_among(
        &self,
        things: impl IntoIterator<Item = (UserId, Topic)>,
    ) -> Result<Vec<PrivateRecord>, Error> {
        let ids: Vec<String> = things.into_iter().map(|(owner, topic)| private_id(owner, topic)).collect();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        Ok(self.private.get_many(&ids).await?.into_iter().map(|found| found.value).collect())
    }

    /// What somebody noted of their place in a conversation.
    pub(crate) async fn place(&self, owner: UserId, conversation: ConversationId) -> Result<Place, Error> {
        let found = self.private(owner, Topic::Place(conversation)).await?;
        Ok(found.as_ref().map_or_else(Place::default, PrivateRecord::place))
    }

    /// What somebody noted of their places in these conversations, where they noted something.
    pub(crate) async fn places_in(
        &self,
        conversations: &[ConversationId],
        owner: UserId,
    ) -> Result<HashMap<ConversationId, Place>, Error> {
        let topics = conversations.iter().map(|id| (owner, Topic::Place(*id)));
        let noted = self.private_among(topics).await?.into_iter().filter_map(|record| match record.matter {
            Matter::Place { conversation_id, place } => Some((conversation_id, place)),
            _ => None,
        });
        Ok(noted.collect())
    }

    /// What was last changed at positions in `from..to` of somebody's log, ascending.
    pub(crate) async fn user_log(
        &self,
        owner: UserId,
        from: u64,
        to: u64,
        limit: usize,
    ) -> Result<Vec<PrivateRecord>, Error> {
        let log = log_key(owner);
        let scan = Scan::of(LOG, log.clone(), limit).from(log.clone().number(from)).to(log.number(to));
        Ok(self.private.scan(scan).await?.items.into_iter().map(|found| found.value).collect())
    }

    /// A page of a list of somebody's, the newest first.
    pub(crate) async fn listing(
        &self,
        owner: UserId,
        listing: Listing,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page<PrivateRecord>, Error> {
        let scan = Scan::of(LISTINGS, listing_key(owner, listing), limit).descending().after(after);
        let page = self.private.scan(scan).await?;
        Ok(Page { items: page.items.into_iter().map(|found| found.value).collect(), next: page.next })
    }
}
