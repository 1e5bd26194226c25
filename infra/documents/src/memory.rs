//! A store in memory, for simulations: everything the port promises but durability, since it ends with its process.
//!
//! It decides at once and never waits, so that whatever stands around it (a simulated network, a simulated crash)
//! says when an answer comes and whether it does. It reads no clock but the injected one and keeps everything in order,
//! so that a run over it repeats exactly.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use serde_json::value::RawValue;
use tertulia_runtime::{Ambient, Clock, Event, Timestamp, event::EventId};
use tokio::sync::watch;

use crate::{
    Appended, Collection, Cursor, Documents, Draft, Error, Index, Key, Order, Page, Pending, PendingScope,
    Revision, Scan, Stored, Write,
    bounds::{EncodedEvent, check_page, check_run, check_scan, check_write, encode_events},
    range::{High, Low, bounds},
};

/// What several handles share: the server, as it were.
#[derive(Clone)]
pub struct MemoryStore {
    shared: Arc<Mutex<Shared>>,
}

/// One handle on a [`MemoryStore`].
pub struct MemoryDocuments {
    store: MemoryStore,
    clock: Arc<dyn Clock>,
    handle: String,
    committed: watch::Sender<Option<EventId>>,
}

#[derive(Default)]
struct Shared {
    collections: BTreeMap<&'static str, Kept>,
    outbox: BTreeMap<u64, Owed>,
    last_owed: u64,
}

/// The documents of one collection.
struct Kept {
    collection: Collection,
    documents: BTreeMap<String, Document>,
    /// By index: keys with the ids of the documents that have them.
    indexes: BTreeMap<&'static str, BTreeSet<(String, String)>>,
}

struct Document {
    revision: Revision,
    keys: Vec<(Index, Key)>,
    /// None once it is damaged.
    body: Option<Box<RawValue>>,
}

/// A committed event that is not settled.
struct Owed {
    handle: String,
    at: Timestamp,
    event: EncodedEvent,
}

impl MemoryStore {
    /// An empty store of these collections.
    pub fn new(collections: &[Collection]) -> Self {
        let kept = |collection: &Collection| {
            let kept = Kept { collection: *collection, documents: BTreeMap::new(), indexes: BTreeMap::new() };
            (collection.name, kept)
        };
        let collections = collections.iter().map(kept).collect();
        Self { shared: Arc::new(Mutex::new(Shared { collections, ..Shared::default() })) }
    }

    /// One more handle.
    pub fn open(&self, ambient: &Ambient) -> MemoryDocuments {
        let handle = ambient.ids.next_ulid().to_string();
        MemoryDocuments {
            store: self.clone(),
            clock: ambient.clock.clone(),
            handle,
            committed: watch::Sender::new(None),
        }
    }

    /// Makes a document unreadable, as a fault of the disk would. Tells whether it is there.
    pub fn damage(&self, collection: &Collection, id: &str) -> bool {
        let mut shared = self.lock();
        let kept = shared.collections.get_mut(collection.name);
        let document = kept.and_then(|kept| kept.documents.get_mut(id));
        document.is_some_and(|document| document.body.take().is_some())
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        // Every change is checked whole before it is made, so a panic elsewhere leaves nothing half done.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    fn kept(&mut self, collection: &Collection) -> Result<&mut Kept, Error> {
        let known = self.collections.get_mut(collection.name).filter(|kept| kept.collection == *collection);
        known.ok_or_else(|| Error::Invalid(format!("{} was not declared", collection.name)))
    }

    fn owe(&mut self, handle: &str, at: Timestamp, events: Vec<EncodedEvent>) {
        for event in events {
            self.last_owed += 1;
            self.outbox.insert(self.last_owed, Owed { handle: handle.to_owned(), at, event });
        }
    }
}

impl Kept {
    fn stored(&self, id: &str) -> Result<Option<Stored>, Error> {
        let Some(document) = self.documents.get(id) else { return Ok(None) };
        let body = document.body.clone().ok_or_else(|| Error::Corrupt {
            collection: self.collection.name.to_owned(),
            id: id.to_owned(),
            cause: "it is damaged".to_owned(),
        })?;
        Ok(Some(Stored { id: id.to_owned(), revision: document.revision, body }))
    }

    fn change(&mut self, write: Write) -> Result<Revision, Error> {
        match write {
            Write::Insert(draft) => {
                if self.documents.contains_key(&draft.id) {
                    return Err(self.conflict(&draft.id));
                }
                self.put(draft, 1)
            }
            Write::Replace(draft, revision) => {
                self.expect(&draft.id, revision)?;
                self.put(draft, revision + 1)
            }
            Write::Delete(id, revision) => {
                self.expect(&id, revision)?;
                self.take(&id);
                Ok(revision.saturating_add(1))
            }
        }
    }

    fn expect(&self, id: &str, revision: Revision) -> Result<(), Error> {
        let found = self.documents.get(id).is_some_and(|document| document.revision == revision);
        if found { Ok(()) } else { Err(self.conflict(id)) }
    }

    fn conflict(&self, id: &str) -> Error {
        Error::Conflict { collection: self.collection.name, id: id.to_owned() }
    }

    fn put(&mut self, draft: Draft, revision: Revision) -> Result<Revision, Error> {
        for (index, key) in draft.keys.iter().filter(|(index, _)| index.unique) {
            let holder = self.indexes.get(index.name).and_then(|held| {
                held.range((key.as_str().to_owned(), String::new())..)
                    .next()
                    .filter(|(held, _)| held == key.as_str())
            });
            if holder.is_some_and(|(_, id)| *id != draft.id) {
                return Err(Error::Duplicate { collection: self.collection.name, index: index.name });
            }
        }
        self.take(&draft.id);
        for (index, key) in &draft.keys {
            let entry = (key.as_str().to_owned(), draft.id.clone());
            self.indexes.entry(index.name).or_default().insert(entry);
        }
        let document = Document { revision, keys: draft.keys, body: Some(draft.body) };
        self.documents.insert(draft.id, document);
        Ok(revision)
    }

    fn take(&mut self, id: &str) {
        let Some(document) = self.documents.remove(id) else { return };
        for (index, key) in document.keys {
            if let Some(held) = self.indexes.get_mut(index.name) {
                held.remove(&(key.as_str().to_owned(), id.to_owned()));
            }
        }
    }

    /// The places of a scan, and one more to see whether the page is the last.
    fn places(&self, scan: &Scan) -> Vec<(String, String)> {
        let (low, high) = bounds(scan);
        let (low, after) = match low {
            Low::From(key) => (key, None),
            Low::After { key, id } => (key, Some(id)),
        };
        let (high, before) = match high {
            High::Open => (None, None),
            High::Before(key) => (Some(key), None),
            High::BeforeDocument { key, id } => (Some(key), Some(id)),
        };
        let wanted = scan.limit + 1;
        if scan.index == Index::ID {
            let low = if after.is_some() { Bound::Excluded(low) } else { Bound::Included(low) };
            let Some(range) = range(low, high) else { return Vec::new() };
            let places = self.documents.range(range).map(|(id, _)| (id.clone(), id.clone()));
            return in_order(places, scan.order, wanted);
        }
        let low = match after {
            Some(id) => Bound::Excluded((low, id)),
            None => Bound::Included((low, String::new())),
        };
        let range = range(low, high.map(|key| (key, before.unwrap_or_default())));
        let Some((held, range)) = self.indexes.get(scan.index.name).zip(range) else { return Vec::new() };
        in_order(held.range(range).cloned(), scan.order, wanted)
    }
}

/// The range up to here; none if nothing can lie in it, which a tree does not take for an answer.
fn range<T: Ord>(low: Bound<T>, high: Option<T>) -> Option<(Bound<T>, Bound<T>)> {
    match (&low, &high) {
        (Bound::Included(low) | Bound::Excluded(low), Some(high)) if low >= high => None,
        _ => Some((low, high.map_or(Bound::Unbounded, Bound::Excluded))),
    }
}

fn in_order<T>(places: impl DoubleEndedIterator<Item = T>, order: Order, limit: usize) -> Vec<T> {
    match order {
        Order::Ascending => places.take(limit).collect(),
        Order::Descending => places.rev().take(limit).collect(),
    }
}

#[async_trait]
impl Documents for MemoryDocuments {
    async fn get(&self, collection: &Collection, id: &str) -> Result<Option<Stored>, Error> {
        self.store.lock().kept(collection)?.stored(id)
    }

    async fn get_many(&self, collection: &Collection, ids: &[String]) -> Result<Vec<Stored>, Error> {
        check_page(ids.len())?;
        let mut shared = self.store.lock();
        let kept = shared.kept(collection)?;
        ids.iter().filter_map(|id| kept.stored(id).transpose()).collect()
    }

    async fn scan(&self, collection: &Collection, scan: Scan) -> Result<Page<Stored>, Error> {
        check_scan(collection, &scan)?;
        let mut shared = self.store.lock();
        let kept = shared.kept(collection)?;
        let mut places = kept.places(&scan);
        let more = places.len() > scan.limit;
        places.truncate(scan.limit);
        let next = places
            .last()
            .filter(|_| more)
            .map(|(key, id)| Cursor { key: Key::from_encoded(key.clone()), id: id.clone() });
        let items = places.iter().filter_map(|(_, id)| kept.stored(id).transpose());
        Ok(Page { items: items.collect::<Result<_, _>>()?, next })
    }

    async fn commit(
        &self,
        collection: &Collection,
        write: Write,
        events: Vec<Event>,
    ) -> Result<Revision, Error> {
        check_write(collection, &write)?;
        let events = encode_events(&events)?;
        let last = events.last().map(|event| event.id);
        let mut shared = self.store.lock();
        let revision = shared.kept(collection)?.change(write)?;
        shared.owe(&self.handle, self.clock.now(), events);
        drop(shared);
        if last.is_some() {
            self.committed.send_replace(last);
        }
        Ok(revision)
    }

    async fn append_many(&self, collection: &Collection, run: Vec<Draft>) -> Result<Appended, Error> {
        check_run(collection, &run)?;
        let mut shared = self.store.lock();
        let kept = shared.kept(collection)?;
        for (committed, draft) in run.iter().enumerate() {
            if let Err(error) = kept.change(Write::Insert(draft.clone())) {
                return Ok(Appended { committed, stopped_by: Some(error) });
            }
        }
        Ok(Appended { committed: run.len(), stopped_by: None })
    }

    async fn pending(&self, scope: PendingScope, limit: usize) -> Result<Vec<Pending>, Error> {
        check_page(limit)?;
        let shared = self.store.lock();
        let wanted = shared.outbox.iter().filter(|(_, owed)| match scope {
            PendingScope::Mine => owed.handle == self.handle,
            PendingScope::LeftBehind(before) => owed.at < before,
        });
        wanted.take(limit).map(|(number, owed)| decode(*number, &owed.event)).collect()
    }

    async fn settle(&self, tokens: &[String]) -> Result<(), Error> {
        let number = |token: &String| token.parse::<u64>();
        let numbers: Result<Vec<u64>, _> = tokens.iter().map(number).collect();
        let numbers = numbers.map_err(|_| Error::Invalid("the token is not one of ours".to_owned()))?;
        // Numbers are given once, so an old token names nothing new.
        self.store.lock().outbox.retain(|number, _| !numbers.contains(number));
        Ok(())
    }

    fn committed(&self) -> watch::Receiver<Option<EventId>> {
        self.committed.subscribe()
    }

    async fn check(&self) -> Result<(), Error> {
        Ok(())
    }
}

fn decode(number: u64, event: &EncodedEvent) -> Result<Pending, Error> {
    let event = serde_json::from_str(&event.json).map_err(|error| Error::Corrupt {
        collection: "_outbox".to_owned(),
        id: event.id.to_string(),
        cause: error.to_string(),
    })?;
    Ok(Pending { token: number.to_string(), event })
}
