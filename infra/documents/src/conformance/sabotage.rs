//! A store that breaks one promise, on top of one that keeps them all.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use tertulia_runtime::{Ambient, Event, Timestamp, event::EventId};
use tokio::sync::watch;

use super::{Store, fixture::THINGS};
use crate::{
    Appended, Collection, Cursor, Documents, Draft, Error, Index, Key, Order, Page, Pending, PendingScope,
    Revision, Scan, Stored, Write,
};

/// Which promise is broken, said as what is done instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Sabotage {
    FloatsBecomeIntegers,
    MissingIsAnError,
    UndecodableIsSkipped,
    BoundsAreNotChecked,
    BoundsAreTooTight,
    CollectionsAreMixed,
    NeverReady,
    RevisionsAreIgnored,
    LastWriterWins,
    InsertReplaces,
    RevisionsJump,
    AnotherIndexIsNamed,
    DeletesDoNothing,
    EventsAreLost,
    EventsOutliveTheirWrite,
    RunsGoOnAfterAConflict,
    RefusalsAreHidden,
    RefusalsSinkOthers,
    ManyComeSorted,
    CursorsForgetTheId,
    OrderIsIgnored,
    CursorsAreCounted,
    RangesAreIgnored,
    OrderIgnoresCase,
    KeysStayBehind,
    NewestFirst,
    EverybodysAreMine,
    NothingIsLeftBehind,
    NothingIsSettled,
    DeletesLoseEvents,
    NobodyIsNudged,
}

/// Opens handles that break a promise.
pub struct Broken {
    /// Keeps them all.
    pub store: Arc<dyn Store>,
    /// Which one is broken.
    pub sabotage: Sabotage,
}

#[async_trait]
impl Store for Broken {
    async fn open(&self, ambient: &Ambient) -> Result<Arc<dyn Documents>, Error> {
        let inner = self.store.open(ambient).await?;
        let (sabotage, sunk) = (self.sabotage, AtomicBool::new(false));
        Ok(Arc::new(BrokenDocuments { inner, sabotage, sunk }))
    }

    async fn damage(&self, collection: &Collection, id: &str) {
        self.store.damage(collection, id).await;
    }
}

struct BrokenDocuments {
    inner: Arc<dyn Documents>,
    sabotage: Sabotage,
    /// Whether a refusal sinks the next commit that succeeds.
    sunk: AtomicBool,
}

impl BrokenDocuments {
    fn is(&self, sabotage: Sabotage) -> bool {
        self.sabotage == sabotage
    }

    fn collection<'a>(&self, asked: &'a Collection) -> &'a Collection {
        if self.is(Sabotage::CollectionsAreMixed) { &THINGS } else { asked }
    }

    /// The revision that is right, whatever the writer read.
    async fn right_revision(
        &self,
        collection: &Collection,
        id: &str,
        read: Revision,
    ) -> Result<Revision, Error> {
        Ok(self.inner.get(collection, id).await?.map_or(read, |stored| stored.revision))
    }

    async fn changed(&self, collection: &Collection, write: Write) -> Result<Write, Error> {
        Ok(match (self.sabotage, write) {
            (Sabotage::FloatsBecomeIntegers, Write::Insert(mut draft)) => {
                let body = draft.body.get().replace(".0", "");
                draft.body = serde_json::value::RawValue::from_string(body).expect("still JSON");
                Write::Insert(draft)
            }
            (Sabotage::RevisionsAreIgnored, Write::Replace(draft, read)) => {
                let right = self.right_revision(collection, &draft.id, read).await?;
                Write::Replace(draft, right)
            }
            (Sabotage::RevisionsAreIgnored, Write::Delete(id, read)) => {
                let right = self.right_revision(collection, &id, read).await?;
                Write::Delete(id, right)
            }
            (Sabotage::InsertReplaces, Write::Insert(draft)) => {
                match self.inner.get(collection, &draft.id).await? {
                    Some(stored) => Write::Replace(draft, stored.revision),
                    None => Write::Insert(draft),
                }
            }
            (Sabotage::KeysStayBehind, Write::Replace(mut draft, revision)) => {
                // Long enough for the case: its documents stood in group b under their own names.
                draft.keys = vec![(THINGS.indexes[2], Key::new().text("b"))];
                Write::Replace(draft, revision)
            }
            (_, write) => write,
        })
    }

    async fn try_commit(
        &self,
        collection: &Collection,
        write: Write,
        events: Vec<Event>,
    ) -> Result<Revision, Error> {
        let deletes = matches!(write, Write::Delete(..));
        if deletes && self.is(Sabotage::DeletesDoNothing) {
            return Ok(2);
        }
        let loses = self.is(Sabotage::EventsAreLost) || deletes && self.is(Sabotage::DeletesLoseEvents);
        let kept = if loses { Vec::new() } else { events.clone() };
        let write = self.changed(collection, write).await?;
        let result = self.inner.commit(collection, write.clone(), kept).await;
        if let (Sabotage::LastWriterWins, Err(Error::Conflict { .. }), Write::Replace(draft, read)) =
            (self.sabotage, &result, write)
        {
            let right = self.right_revision(collection, &draft.id, read).await?;
            return self.inner.commit(collection, Write::Replace(draft, right), events).await;
        }
        if result.is_err() && self.is(Sabotage::EventsOutliveTheirWrite) {
            let decoy = super::thing(&format!("decoy {}", events[0].id), 0);
            self.inner.commit(collection, Write::Insert(decoy), events).await?;
        }
        result
    }
}

/// Everything up to the page's end, as a store reads it that knows no cursors: it skips as many as came before.
async fn counted(inner: &dyn Documents, collection: &Collection, scan: Scan) -> Result<Page<Stored>, Error> {
    let skipped = scan.after.as_ref().map_or(0, |cursor| cursor.id.parse().unwrap_or(0));
    let limit = scan.limit;
    let all = inner.scan(collection, Scan { limit: crate::port::MAX_PAGE, after: None, ..scan }).await?;
    let items: Vec<_> = all.items.into_iter().skip(skipped).take(limit).collect();
    let next = (items.len() == limit).then(|| Cursor { key: Key::new(), id: (skipped + limit).to_string() });
    Ok(Page { items, next })
}

#[async_trait]
impl Documents for BrokenDocuments {
    async fn get(&self, collection: &Collection, id: &str) -> Result<Option<Stored>, Error> {
        match (self.sabotage, self.inner.get(self.collection(collection), id).await) {
            (Sabotage::MissingIsAnError, Ok(None)) => {
                Err(Error::Invalid("there is no such document".to_owned()))
            }
            (Sabotage::UndecodableIsSkipped, Err(Error::Corrupt { .. })) => Ok(None),
            (_, result) => result,
        }
    }

    async fn get_many(&self, collection: &Collection, ids: &[String]) -> Result<Vec<Stored>, Error> {
        let mut found = self.inner.get_many(self.collection(collection), ids).await?;
        if self.is(Sabotage::ManyComeSorted) {
            found.sort_by(|a, b| a.id.cmp(&b.id));
        }
        Ok(found)
    }

    async fn scan(&self, collection: &Collection, mut scan: Scan) -> Result<Page<Stored>, Error> {
        let collection = self.collection(collection);
        match self.sabotage {
            Sabotage::CursorsForgetTheId => {
                // Behind every document of the cursor's key, as a cursor of the key alone would be.
                if let Some(cursor) = &mut scan.after
                    && scan.index != Index::ID
                {
                    cursor.id = char::MAX.to_string();
                }
            }
            Sabotage::CursorsAreCounted => return counted(&*self.inner, collection, scan).await,
            Sabotage::OrderIsIgnored => scan.order = Order::Ascending,
            Sabotage::RangesAreIgnored => (scan.from, scan.to) = (None, None),
            _ => {}
        }
        let mut page = self.inner.scan(collection, scan).await?;
        if self.is(Sabotage::OrderIgnoresCase) {
            // In the case about bytes the ids 05, 06 and 07 are capital letters and 08 is a small one.
            page.items.sort_by_key(|stored| (stored.id == "07", stored.id.clone()));
        }
        Ok(page)
    }

    async fn commit(
        &self,
        collection: &Collection,
        write: Write,
        events: Vec<Event>,
    ) -> Result<Revision, Error> {
        let collection = self.collection(collection);
        let body_bytes = match &write {
            Write::Insert(draft) | Write::Replace(draft, _) => draft.body.get().len(),
            Write::Delete(..) => 0,
        };
        if self.is(Sabotage::BoundsAreTooTight) && body_bytes >= crate::port::MAX_BODY_BYTES {
            return Err(Error::Invalid("the body is too large".to_owned()));
        }
        let result = self.try_commit(collection, write, events).await;
        if self.is(Sabotage::RefusalsSinkOthers) {
            return match result {
                Ok(_) if self.sunk.swap(false, Ordering::SeqCst) => {
                    Err(Error::Unavailable("the one before was refused".to_owned()))
                }
                Ok(revision) => Ok(revision),
                Err(error) => {
                    self.sunk.store(true, Ordering::SeqCst);
                    Err(error)
                }
            };
        }
        match (self.sabotage, result) {
            (Sabotage::RevisionsJump, Ok(revision)) => Ok(revision * 2),
            (Sabotage::AnotherIndexIsNamed, Err(Error::Duplicate { collection, .. })) => {
                Err(Error::Duplicate { collection, index: "name" })
            }
            (Sabotage::BoundsAreNotChecked, Err(Error::Invalid(_)))
            | (Sabotage::RefusalsAreHidden, Err(Error::Duplicate { .. })) => Ok(1),
            (_, result) => result,
        }
    }

    async fn append_many(&self, collection: &Collection, run: Vec<Draft>) -> Result<Appended, Error> {
        if !self.is(Sabotage::RunsGoOnAfterAConflict) {
            return self.inner.append_many(collection, run).await;
        }
        let (mut committed, mut stopped_by) = (0, None);
        for draft in run {
            match self.inner.commit(collection, Write::Insert(draft), Vec::new()).await {
                Ok(_) => committed += 1,
                Err(error) => stopped_by = stopped_by.or(Some(error)),
            }
        }
        Ok(Appended { committed, stopped_by })
    }

    async fn pending(&self, scope: PendingScope, limit: usize) -> Result<Vec<Pending>, Error> {
        let scope = match (self.sabotage, scope) {
            (Sabotage::EverybodysAreMine, PendingScope::Mine) => {
                PendingScope::LeftBehind(Timestamp::from_millis(i64::MAX))
            }
            (Sabotage::NothingIsLeftBehind, PendingScope::LeftBehind(_)) => PendingScope::Mine,
            (_, scope) => scope,
        };
        let mut pending = self.inner.pending(scope, limit).await?;
        if self.is(Sabotage::NewestFirst) {
            pending.reverse();
        }
        Ok(pending)
    }

    async fn settle(&self, tokens: &[String]) -> Result<(), Error> {
        if self.is(Sabotage::NothingIsSettled) { Ok(()) } else { self.inner.settle(tokens).await }
    }

    fn committed(&self) -> watch::Receiver<Option<EventId>> {
        if self.is(Sabotage::NobodyIsNudged) { watch::channel(None).1 } else { self.inner.committed() }
    }

    async fn check(&self) -> Result<(), Error> {
        if self.is(Sabotage::NeverReady) {
            return Err(Error::Unavailable("not today".to_owned()));
        }
        self.inner.check().await
    }
}
