//! Who wants nothing to do with whom. A block is one person's own, and keeps both from reaching each other: which of the two
//! it is, neither is told.

use std::collections::BTreeSet;

use tertulia_contracts::{
    ConversationId, UserId,
    messaging::{Block, MAX_PAGE},
};
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
        self.look_again(by.user_id, user).await?;
        Ok(after.as_ref().and_then(shown).unwrap_or(Block { user_id: user, blocked_at: now }))
    }

    /// Blocks somebody no longer. Again is the same.
    pub(crate) async fn unblock(&self, by: Actor, user: UserId) -> Result<(), Error> {
        let open = |before: Option<&PrivateRecord>| {
            let blocked = before.is_some_and(|record| shown(record).is_some());
            Ok(blocked.then_some(Matter::Block { user_id: user, since: None }))
        };
        self.user_logs.change(by.user_id, Topic::Block(user), open).await?;
        self.look_again(by.user_id, user).await
    }

    /// Whoever serves the direct conversation of two asks again whether they keep apart. Also when nothing was changed: who
    /// changed it may have died before this.
    async fn look_again(&self, one: UserId, other: UserId) -> Result<(), Error> {
        if let Some(direct) = self.store.direct((one.min(other), one.max(other))).await? {
            self.live.look_again(direct.id).await;
        }
        Ok(())
    }

    /// Whether a conversation is the direct one of two who keep apart.
    pub(crate) async fn apart(&self, id: ConversationId) -> Result<bool, Error> {
        let conversation = self.store.conversation(id).await?.ok_or(Error::NoSuchConversation)?;
        match conversation.value.charter.pair() {
            Some((one, other)) => Ok(self.store.keep_apart(one, &[other]).await?),
            None => Ok(false),
        }
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
        Ok(!self.apart_from(one, others).await?.is_empty())
    }

    /// Those of these others who keep apart from somebody, whoever wants it.
    pub(crate) async fn apart_from(&self, one: UserId, others: &[UserId]) -> Result<BTreeSet<UserId>, Error> {
        let mut apart = BTreeSet::new();
        for others in others.chunks(MAX_PAGE) {
            let pairs = others.iter().filter(|other| **other != one);
            let blocks = pairs.flat_map(|other| [(one, Topic::Block(*other)), (*other, Topic::Block(one))]);
            for record in self.private_among(blocks).await? {
                let other = shown(&record)
                    .map(|block| if record.owner == one { block.user_id } else { record.owner });
                apart.extend(other);
            }
        }
        Ok(apart)
    }
}

fn shown(record: &PrivateRecord) -> Option<Block> {
    match record.matter {
        Matter::Block { user_id, since: Some(blocked_at) } => Some(Block { user_id, blocked_at }),
        _ => None,
    }
}
