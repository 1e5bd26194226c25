//! Each user's own log: what happened to them and what they did on one of their devices, whichever conversation it was
//! about.
//!
//! The log is compacted: each thing it tells of is one document with the position at which it was last changed, and the
//! documents in that order are the log. A thing that changes a hundred times leaves one entry; where an older one stood, the
//! log says that it is superseded, so that to whoever reads it there are no gaps.
//!
//! The newest entry stands in the log's head, one document for each user: replacing that is what commits a change and what
//! gives it its position. Whoever changes the next thing first puts the newest away into its own document, if whoever made it
//! did not live to; that may be done as often as need be. So of two who change things at once one is first, and the
//! other decides again on what that made of them: what is decided on somebody's own things holds at its place in their log.

use tertulia_bus::Error as BusError;
use tertulia_contracts::{
    UserId,
    live::RawEntry,
    messaging::{MAX_PAGE, UserFact},
};
use tertulia_documents::{Error as StoreError, Record, Versioned};
use tertulia_runtime::Ambient;

use super::{keeper::revise, live::Live};
use crate::{
    Error,
    model::private::{Listing, Matter, Topic},
    store::{PrivateRecord, Store, UserHeadRecord},
};

/// How often a change that others overtake is tried; every defeat is another's progress.
const MAX_ATTEMPTS: usize = 100;

/// Writes and reads users' logs. Cheap to clone.
///
/// Little is written to one user's log, so it needs no writer of its own.
#[derive(Clone)]
pub(crate) struct UserLogs {
    pub(super) store: Store,
    live: Live,
    pub(super) ambient: Ambient,
}

/// A thing of somebody's before and after a change; the same if there was nothing to change.
pub(crate) struct Changed {
    /// As it was.
    pub before: Option<PrivateRecord>,
    /// As it is.
    pub after: Option<PrivateRecord>,
    /// What is owed to their sockets, if that was changed just now.
    owing: Option<Owing>,
}

/// A change that may be committed and is not told: whoever is stopped on the way, by a fault or because the one who asked
/// went away, leaves the telling to the relay.
struct Owing {
    live: Live,
    owner: String,
    is_settled: bool,
}

impl Owing {
    fn settle(mut self) {
        self.is_settled = true;
    }
}

impl Drop for Owing {
    fn drop(&mut self) {
        if !self.is_settled {
            self.live.owe(std::mem::take(&mut self.owner));
        }
    }
}

/// A page of a user's log, its facts still encoded.
pub(crate) struct UserPage {
    /// Ascending.
    pub entries: Vec<RawEntry>,
    /// The newest position when the page was read.
    pub head_seq: u64,
}

impl UserLogs {
    /// The logs in this store.
    pub(crate) fn new(store: Store, live: Live, ambient: Ambient) -> Self {
        Self { store, live, ambient }
    }

    /// Changes a thing of somebody's to what `decide` makes of it, and tells of that. Nothing happens when `decide` finds
    /// nothing to do.
    pub(crate) async fn change(
        &self,
        owner: UserId,
        topic: Topic,
        decide: impl Fn(Option<&PrivateRecord>) -> Result<Option<Matter>, Error>,
    ) -> Result<Changed, Error> {
        let mut changed = self.commit(owner, topic, decide).await?;
        if let (Some(after), Some(owing)) = (&changed.after, changed.owing.take()) {
            self.live.tell(&owner.to_string(), vec![entry(after)]).await;
            owing.settle();
            self.glance(after).await;
        }
        Ok(changed)
    }

    /// The same for what somebody else did, of which an event tells: that comes again until the telling succeeds, so that
    /// also whoever finds it done tells it, since who did it may have died before anybody heard of it.
    pub(super) async fn change_and_tell(
        &self,
        owner: UserId,
        topic: Topic,
        decide: impl Fn(Option<&PrivateRecord>) -> Result<Option<Matter>, Error>,
    ) -> Result<(), Error> {
        let changed = self.commit(owner, topic, decide).await?;
        let newest = match changed.after.filter(|_| changed.owing.is_some()) {
            Some(after) => Some(after),
            None => self.settled(owner).await?.map(|head| head.value.newest),
        };
        let Some(newest) = newest else { return Ok(()) };
        if self.live.is_told(&owner.to_string(), vec![entry(&newest)]).await {
            changed.owing.into_iter().for_each(Owing::settle);
            self.glance(&newest).await;
            return Ok(());
        }
        Err(BusError::Unavailable("a user's sockets could not be told".to_owned()).into())
    }

    /// How somebody is seen, or by whom, may be another since this changed.
    async fn glance(&self, changed: &PrivateRecord) {
        if let Some(glance) = changed.matter.glance() {
            self.live.glance(changed.owner, glance).await;
        }
    }

    async fn commit(
        &self,
        owner: UserId,
        topic: Topic,
        decide: impl Fn(Option<&PrivateRecord>) -> Result<Option<Matter>, Error>,
    ) -> Result<Changed, Error> {
        for _ in 0..MAX_ATTEMPTS {
            let (head, revision) = self.settled(owner).await?.map(|it| (it.value, it.revision)).unzip();
            // As of that head or newer; if it is newer, the head is another by now.
            let before = self.store.private(owner, topic).await?;
            // Only who has nothing of their own may be somebody who is forgotten.
            let is_forgotten = head.is_none() && self.store.is_erased(owner).await?;
            let matter = if is_forgotten { None } else { decide(before.as_ref())? };
            let Some(matter) = matter else {
                return Ok(Changed { after: before.clone(), before, owing: None });
            };
            let useq = head.map_or(0, |head: UserHeadRecord| head.newest.useq) + 1;
            let since_useq = match (matter.listing(), before.as_ref().and_then(|it| it.matter.listing())) {
                (Some(_), Some(_)) => before.as_ref().map_or(useq, |before| before.since_useq),
                (Some(listing), None) => self.room(owner, listing).await.map(|()| useq)?,
                (None, _) => useq,
            };
            let after = PrivateRecord { owner, useq, at: self.ambient.now(), since_useq, matter };
            let head = UserHeadRecord { newest: after.clone() };
            let owing = Owing { live: self.live.clone(), owner: owner.to_string(), is_settled: false };
            let written = match revision {
                Some(revision) => self.store.user_heads.replace(&head, revision, Vec::new()).await,
                None => self.store.user_heads.insert(&head, Vec::new()).await,
            };
            match written {
                Ok(_) => {
                    // Before it is told or answered: who hears of it finds it.
                    self.put_away(&after).await?;
                    return Ok(Changed { before, after: Some(after), owing: Some(owing) });
                }
                Err(StoreError::Conflict { .. }) => owing.settle(),
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Busy)
    }

    /// The head of somebody's log, with the documents showing everything up to it.
    async fn settled(&self, owner: UserId) -> Result<Option<Versioned<UserHeadRecord>>, Error> {
        let head = self.store.user_heads.get(&owner.to_string()).await?;
        if let Some(head) = &head {
            self.put_away(&head.value.newest).await?;
        }
        Ok(head)
    }

    async fn put_away(&self, newest: &PrivateRecord) -> Result<(), Error> {
        let news = |there: Option<PrivateRecord>| {
            Ok(there.is_none_or(|there| there.useq < newest.useq).then(|| newest.clone()))
        };
        revise(&self.store.private, &newest.id(), news).await
    }

    async fn room(&self, owner: UserId, listing: Listing) -> Result<(), Error> {
        let room = listing.room();
        let there = self.store.listing(owner, listing, None, room).await?.items.len();
        if there < room { Ok(()) } else { Err(Error::NoRoom(listing)) }
    }

    /// What happened to a user behind a position of their log.
    pub(crate) async fn page(&self, user: UserId, after: u64, limit: usize) -> Result<UserPage, Error> {
        debug_assert!(limit <= MAX_PAGE);
        // The head first: what is missing below it was superseded, and not just written.
        let head_seq = self.settled(user).await?.map_or(0, |head| head.value.newest.useq);
        let from = after.saturating_add(1);
        let to = from.saturating_add(limit as u64).min(head_seq + 1);
        let standing = if from < to { self.store.user_log(user, from, to, limit).await? } else { Vec::new() };
        let mut standing = standing.into_iter().peekable();
        let entries = (from..to).map(|useq| match standing.next_if(|record| record.useq == useq) {
            Some(record) => entry(&record),
            None => RawEntry { seq: useq, e: super::encode(&UserFact::Superseded {}) },
        });
        Ok(UserPage { entries: entries.collect(), head_seq })
    }
}

/// The entry of its owner's log that a thing is.
pub(super) fn entry(record: &PrivateRecord) -> RawEntry {
    RawEntry { seq: record.useq, e: super::encode(&record.matter.fact(record.useq)) }
}
