//! The store as one process reaches it: the real semantics, behind a network that delays, refuses and loses answers.

use std::{
    cmp::Reverse,
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use async_trait::async_trait;
use serde_json::{Value, value::RawValue};
use tertulia_bus::{Broadcast, Bus as _};
use tertulia_contracts::live::{RawEntry, Tail, log_channel};
use tertulia_documents::{
    Appended, Collection, Documents, Draft, Error, MemoryDocuments, Order, Page, Pending, PendingScope,
    Revision, Scan, Stored, Write, port::MAX_PAGE,
};
use tertulia_runtime::{Event, event::EventId};
use tokio::{sync::watch, time::Instant};

use crate::{
    Planted,
    bus::SimulatedBus,
    world::{Life, World, spawn},
};

/// One process's handle.
pub(crate) struct SimulatedStore {
    world: Arc<World>,
    life: Arc<Life>,
    server: Arc<MemoryDocuments>,
    /// Nothing gets through until this moment.
    cut_until: RwLock<Option<Instant>>,
    /// What a store tells that must not: only used when that fault is planted.
    bus: Arc<SimulatedBus>,
}

impl SimulatedStore {
    pub(crate) fn new(
        world: Arc<World>,
        life: Arc<Life>,
        server: MemoryDocuments,
        bus: Arc<SimulatedBus>,
    ) -> Arc<Self> {
        Arc::new(Self { world, life, server: Arc::new(server), cut_until: RwLock::default(), bus })
    }

    /// Parts the process from its store until a moment.
    pub(crate) fn cut_off(&self, until: Instant) {
        *self.cut_until.write().unwrap_or_else(PoisonError::into_inner) = Some(until);
    }

    fn is_cut_off(&self) -> bool {
        let until = *self.cut_until.read().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| until > Instant::now())
    }

    async fn read<T>(&self, reading: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        self.life
            .uses(async {
                self.world.delay().await;
                self.reach()?;
                let answer = reading.await;
                // What was read is old by the time it arrives.
                self.world.delay().await;
                answer
            })
            .await
    }

    fn reach(&self) -> Result<(), Error> {
        if self.is_cut_off() || self.world.happens(|climate| climate.store_away) {
            return Err(away("it did not answer"));
        }
        Ok(())
    }

    /// A write that is on its way arrives whatever becomes of who sent it.
    async fn write<T: fmt::Debug + Send + 'static>(
        &self,
        what: String,
        write: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        let (world, life) = (self.world.clone(), self.life.clone());
        self.life
            .uses(async {
                self.world.delay().await;
                self.reach()?;
                let late = world.happens(|climate| climate.store_late);
                let arrives = spawn(async move {
                    if late {
                        tokio::time::sleep(world.chance.between(20, 500)).await;
                    }
                    let outcome = write.await;
                    world.note(format_args!("{} {what} -> {outcome:?}", life.name));
                    world.delay().await;
                    outcome
                });
                if late {
                    return Err(away("it seems to be away"));
                }
                let outcome = arrives.await.map_err(|error| away(&error.to_string()))?;
                if self.world.happens(|climate| climate.store_mute) {
                    return Err(away("its answer was lost"));
                }
                outcome
            })
            .await
    }

    /// A store that tells before it commits: the fault that is planted.
    async fn tell_too_early(&self, run: &[Draft]) {
        for draft in run {
            let body: Value = serde_json::from_str(draft.body.get()).expect("an entry is an object");
            let (Some(owner), Some(seq)) = (body["owner"].as_str(), body["seq"].as_u64()) else { continue };
            let e = serde_json::value::to_raw_value(&body["fact"]).expect("a fact is plain data and encodes");
            let tail = serde_json::to_vec(&Tail { entries: vec![RawEntry { seq, e }] });
            let payload = tail.expect("a tail is plain data and encodes").into();
            let _ = self.bus.broadcast(Broadcast { channel: log_channel(owner), payload }).await;
        }
    }
}

fn away(why: &str) -> Error {
    Error::Unavailable(why.to_owned())
}

#[async_trait]
impl Documents for SimulatedStore {
    async fn get(&self, collection: &Collection, id: &str) -> Result<Option<Stored>, Error> {
        self.read(self.server.get(collection, id)).await
    }

    async fn get_many(&self, collection: &Collection, ids: &[String]) -> Result<Vec<Stored>, Error> {
        self.read(self.server.get_many(collection, ids)).await
    }

    async fn scan(&self, collection: &Collection, scan: Scan) -> Result<Page<Stored>, Error> {
        let (limit, newest_first) = (scan.limit, scan.order == Order::Descending);
        let by_time = self.world.planted == Some(Planted::NewestByTime) && newest_first;
        let scan = if by_time { Scan { limit: MAX_PAGE, ..scan } } else { scan };
        let mut page = self.read(self.server.scan(collection, scan)).await?;
        if by_time && collection.name == "entries" {
            page.items.sort_by_key(|entry| Reverse(time_of(&entry.body)));
        }
        if self.world.planted == Some(Planted::NothingIsOver) && collection.name == "expiries" {
            page.items.clear();
        }
        page.items.truncate(limit);
        Ok(page)
    }

    async fn commit(
        &self,
        collection: &Collection,
        write: Write,
        events: Vec<Event>,
    ) -> Result<Revision, Error> {
        let what = match &write {
            Write::Insert(draft) => format!("inserts {}/{} {}", collection.name, draft.id, draft.body),
            Write::Replace(draft, revision) => {
                format!("replaces {}/{} at {revision} {}", collection.name, draft.id, draft.body)
            }
            Write::Delete(id, revision) => format!("deletes {}/{id} at {revision}", collection.name),
        };
        let (server, collection) = (self.server.clone(), *collection);
        self.write(what, async move { server.commit(&collection, write, events).await }).await
    }

    async fn append_many(&self, collection: &Collection, mut run: Vec<Draft>) -> Result<Appended, Error> {
        match self.world.planted {
            Some(Planted::PublishBeforeCommit) => self.tell_too_early(&run).await,
            Some(Planted::MissingDedupe) => {
                for draft in &mut run {
                    draft.keys.retain(|(index, _)| index.name != "once");
                }
            }
            Some(Planted::NoPace) => {
                for draft in &mut run {
                    draft.keys.retain(|(index, _)| !matches!(index.name, "authors" | "in_threads"));
                }
            }
            Some(Planted::MiscountedThread) => run.iter_mut().for_each(miscount),
            _ => {}
        }
        let bodies: Vec<String> = run.iter().map(|draft| format!("{} {}", draft.id, draft.body)).collect();
        let what = format!("appends {}", bodies.join(" + "));
        let (server, collection, world) = (self.server.clone(), *collection, self.world.clone());
        let ids: Vec<String> = run.iter().map(|draft| draft.id.clone()).collect();
        let append = async move {
            let appended = server.append_many(&collection, run).await?;
            ids.into_iter().take(appended.committed).for_each(|id| world.commits(id));
            Ok(appended)
        };
        self.write(what, append).await
    }

    async fn pending(&self, scope: PendingScope, limit: usize) -> Result<Vec<Pending>, Error> {
        self.read(self.server.pending(scope, limit)).await
    }

    async fn settle(&self, tokens: &[String]) -> Result<(), Error> {
        let (server, tokens) = (self.server.clone(), tokens.to_vec());
        self.write(format!("settles {tokens:?}"), async move { server.settle(&tokens).await }).await
    }

    fn committed(&self) -> watch::Receiver<Option<EventId>> {
        self.server.committed()
    }

    async fn check(&self) -> Result<(), Error> {
        self.read(self.server.check()).await
    }
}

/// Says of a message in a thread that it is the first there.
fn miscount(draft: &mut Draft) {
    let mut body: Value = serde_json::from_str(draft.body.get()).expect("an entry is an object");
    if let Some(count) = body.pointer_mut("/in_thread/messages") {
        *count = 1.into();
        draft.body = serde_json::value::to_raw_value(&body).expect("it was read from there");
    }
}

/// When an entry says that it was written.
fn time_of(entry: &RawValue) -> Option<String> {
    let body: Value = serde_json::from_str(entry.get()).ok()?;
    Some(body.get("at")?.as_str()?.to_owned())
}
