//! Who wants nothing to do with whom. A block is one person's own, and keeps both from reaching each other: which of the two
//! it is, neither is told.

use tertulia_contracts::{UserId, messaging::Block};
use tertulia_documents::{Cursor, Page};

use super::Messaging;
use crate::{
    Error,
    model::{
        access::Actor,
        private::{Listing, Matter, Topic},
    },
    store::{PrivateRecord, Store},
};

impl Messaging {
    /// Blocks somebody. Again is the same.
    pub(crate) async fn block(&self, by: Actor, user: UserId) -> Result<Block, Error> {
        if user == by.user_id {
            return Err(Error::invalid("user_id", "is yourself"));
        }
        self.people.must_exist(&[(user, "user_id".to_owned())]).await?;
        let now = self.ambient.now();
        let shut = |before: Option<&PrivateRecord>| {
            let blocked = before.is_some_and(|record| shown(record).is_some());
            Ok((!blocked).then_some(Matter::Block { user_id: user, since: Some(now) }))
        };
        let after = self.user_logs.change(by.user_id, Topic::Block(user), shut).await?.after;
        Ok(after.as_ref().and_then(shown).unwrap_or(Block { user_id: user, blocked_at: now }))
    }

    /// Blocks somebody no longer. Again is the same.
    pub(crate) async fn unblock(&self, by: Actor, user: UserId) -> Result<(), Error> {
        let open = |before: Option<&PrivateRecord>| {
            let blocked = before.is_some_and(|record| shown(record).is_some());
            Ok(blocked.then_some(Matter::Block { user_id: user, since: None }))
        };
        self.user_logs.change(by.user_id, Topic::Block(user), open).await.map(drop)
    }

    /// A page of whom somebody blocks, the newest first.
    pub(crate) async fn blocks(
        &self,
        by: Actor,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page<Block>, Error> {
        let page = self.store.listing(by.user_id, Listing::Blocks, after, limit).await?;
        Ok(Page { items: page.items.iter().filter_map(shown).collect(), next: page.next })
    }

    /// Fails if this user and one of these others keep apart.
    pub(crate) async fn must_reach(&self, user: UserId, others: &[UserId]) -> Result<(), Error> {
        let apart = self.store.keep_apart(user, others).await?;
        if apart { Err(Error::OutOfReach) } else { Ok(()) }
    }
}

impl Store {
    /// Whether somebody and any of these others keep apart, whoever wants it.
    pub(crate) async fn keep_apart(&self, one: UserId, others: &[UserId]) -> Result<bool, Error> {
        let pairs = others.iter().filter(|other| **other != one);
        let blocks = pairs.flat_map(|other| [(one, Topic::Block(*other)), (*other, Topic::Block(one))]);
        Ok(self.private_among(blocks).await?.iter().any(|record| shown(record).is_some()))
    }
}

fn shown(record: &PrivateRecord) -> Option<Block> {
    match record.matter {
        Matter::Block { user_id, since: Some(blocked_at) } => Some(Block { user_id, blocked_at }),
        _ => None,
    }
}
