//! Documents in a MongoDB database of the service's own, or in anything that speaks its protocol.
//!
//! A document is `{_id, rev, k: {index: key}, body}`, with its owed events inside it, so that a commit is an
//! update of one document and atomic wherever that is. No transactions, change streams, update pipelines,
//! partial or expiring indexes. Writes are acknowledged by a majority and its journals, reads see only what
//! a majority has. A server that does not answer within [`OPERATION_TIMEOUT`] is [`Error::Unavailable`].
//!
//! What the server must do: make an update of one document atomic with its filter. MongoDB and SecantusDB
//! do; FerretDB 1.24 does not (it reads, then writes), so two writers that race there can both win.

mod body;
mod outbox;
mod query;

use std::{
    collections::HashMap,
    future::IntoFuture,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt, future::try_join_all, stream};
use mongodb::{
    Client, Collection as MongoCollection, Database, IndexModel,
    bson::{Document, doc},
    error::{ErrorKind, WriteFailure},
    options::{Acknowledgment, ClientOptions, IndexOptions, ReadConcern, WriteConcern},
};
use outbox::{Owed, Wanted};
use query::{TOMBSTONE, changes, cursor, field, filter, new_document, no_keys, sort, stored};
use tertulia_runtime::{Ambient, Event, Ids, event::EventId};
use tokio::sync::watch;

use crate::{
    Appended, Collection, Documents, Draft, Error, Page, Pending, PendingScope, Revision, Scan, Stored,
    Write,
    bounds::{EncodedEvent, check_page, check_run, check_scan, check_write, encode_events},
};

/// The layout of a document; grows when a release changes it.
const LAYOUT: i32 = 1;
/// How long to look for a server.
const SELECTION_TIMEOUT: Duration = Duration::from_secs(3);
/// How long a server that was found may take to answer.
pub const OPERATION_TIMEOUT: Duration = Duration::from_secs(5);
/// How long it may take to build the indexes that a release is the first to declare.
const INDEXING_TIMEOUT: Duration = Duration::from_mins(10);
/// How many documents are settled at once.
const SETTLE_AT_ONCE: usize = 16;

/// A store of documents in a MongoDB database.
pub struct MongoDocuments {
    database: Database,
    collections: HashMap<&'static str, Known>,
    handle: String,
    ids: Arc<Ids>,
    committed: watch::Sender<Option<EventId>>,
}

/// A declared collection.
struct Known {
    declared: Collection,
    documents: MongoCollection<Document>,
    /// Whether this handle has ever committed events to it: others need not be searched for its own.
    has_owed: AtomicBool,
}

/// Why the server did not do as it was told.
#[derive(Debug)]
enum Failure {
    /// It answered that it will not.
    Refused { duplicate: bool, cause: String },
    /// It stopped at this document of a run.
    Stopped { at: usize, duplicate: bool, cause: String },
    /// It did not answer, or not in time.
    Away(String),
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused { cause, .. } | Failure::Stopped { cause, .. } | Failure::Away(cause) => {
                Self::Unavailable(cause)
            }
        }
    }
}

impl From<mongodb::error::Error> for Failure {
    fn from(error: mongodb::error::Error) -> Self {
        let cause = error.to_string();
        match *error.kind {
            ErrorKind::Write(WriteFailure::WriteError(refusal)) => {
                Self::Refused { duplicate: is_duplicate(refusal.code), cause }
            }
            ErrorKind::Command(refusal) => Self::Refused { duplicate: is_duplicate(refusal.code), cause },
            ErrorKind::InsertMany(stop) => match stop.write_errors.as_deref() {
                Some([first, ..]) => {
                    Self::Stopped { at: first.index, duplicate: is_duplicate(first.code), cause }
                }
                _ => Self::Away(cause),
            },
            _ => Self::Away(cause),
        }
    }
}

fn is_duplicate(code: i32) -> bool {
    matches!(code, 11000 | 11001)
}

/// The server's answer, if it comes in time.
async fn answer<T>(
    operation: impl IntoFuture<Output = mongodb::error::Result<T>, IntoFuture: Send>,
) -> Result<T, Failure> {
    answer_within(OPERATION_TIMEOUT, operation).await
}

async fn answer_within<T>(
    limit: Duration,
    operation: impl IntoFuture<Output = mongodb::error::Result<T>, IntoFuture: Send>,
) -> Result<T, Failure> {
    match tokio::time::timeout(limit, operation.into_future()).await {
        Ok(result) => result.map_err(Failure::from),
        Err(_) => Err(Failure::Away(format!("no answer within {limit:?}"))),
    }
}

impl MongoDocuments {
    /// Connects to the database of this name and gives each collection its indexes.
    ///
    /// [`Error::Invalid`] for a malformed URI, [`Error::NewerSchema`] if a newer release wrote the database,
    /// [`Error::Unavailable`] if no server answers.
    pub async fn open(
        uri: &str,
        database: &str,
        collections: &[Collection],
        ambient: &Ambient,
    ) -> Result<Self, Error> {
        let options = ClientOptions::parse(uri).await.map_err(|error| Error::Invalid(error.to_string()))?;
        let client = Client::with_options(with_promises(options))
            .map_err(|error| Error::Invalid(error.to_string()))?;
        let database = client.database(database);
        check_layout(&database).await?;
        let mut known = HashMap::new();
        for declared in collections {
            let documents = database.collection(declared.name);
            create_indexes(&documents, declared).await?;
            known.insert(
                declared.name,
                Known { declared: *declared, documents, has_owed: AtomicBool::new(false) },
            );
        }
        Ok(Self {
            database,
            collections: known,
            handle: ambient.ids.next_ulid().to_string(),
            ids: ambient.ids.clone(),
            committed: watch::channel(None).0,
        })
    }

    fn known(&self, collection: &Collection) -> Result<&Known, Error> {
        let known = self.collections.get(collection.name).filter(|known| known.declared == *collection);
        known.ok_or_else(|| Error::Invalid(format!("{} was not declared", collection.name)))
    }

    fn owed<'a>(&'a self, events: &'a [EncodedEvent]) -> Owed<'a> {
        let entries = events.iter().map(|event| (self.ids.next_ulid().to_string(), event));
        Owed { handle: &self.handle, entries: entries.collect() }
    }
}

/// The promises of the port, whatever the URI says.
fn with_promises(mut options: ClientOptions) -> ClientOptions {
    options.write_concern = Some(WriteConcern::builder().w(Acknowledgment::Majority).journal(true).build());
    options.read_concern = Some(ReadConcern::majority());
    options.selection_criteria = None;
    options.server_selection_timeout = Some(SELECTION_TIMEOUT);
    options.connect_timeout = Some(SELECTION_TIMEOUT);
    // A server that does not recognise a retry would answer it with a conflict of the write with itself.
    options.retry_writes = Some(false);
    options.app_name = Some("tertulia".to_owned());
    options
}

async fn check_layout(database: &Database) -> Result<(), Error> {
    let meta = database.collection::<Document>("_meta");
    let first = doc! { "$setOnInsert": { "version": LAYOUT } };
    answer(meta.update_one(doc! { "_id": "layout" }, first).upsert(true)).await?;
    let found = answer(meta.find_one(doc! { "_id": "layout" })).await?;
    let version = found.and_then(|found| found.get_i32("version").ok()).unwrap_or(LAYOUT);
    if version > LAYOUT {
        let (found, known) = (version.unsigned_abs(), LAYOUT.unsigned_abs());
        return Err(Error::NewerSchema { found, known });
    }
    Ok(())
}

async fn create_indexes(documents: &MongoCollection<Document>, declared: &Collection) -> Result<(), Error> {
    let mut models = vec![index("owes", doc! { "owes": 1 }, false)];
    for declared in declared.indexes {
        let keys = if declared.unique {
            doc! { field(*declared): 1 }
        } else {
            doc! { field(*declared): 1, "_id": 1 }
        };
        models.push(index(&format!("k_{}", declared.name), keys, declared.unique));
    }
    let existing = match answer(documents.list_index_names()).await {
        Ok(names) => names,
        // There is no such collection yet.
        Err(Failure::Refused { .. }) => Vec::new(),
        Err(failure) => return Err(failure.into()),
    };
    // FerretDB 1.24 hangs up when it is asked for an index that it has.
    models.retain(|model| !existing.iter().any(|name| name_of(model) == Some(name)));
    if !models.is_empty() {
        answer_within(INDEXING_TIMEOUT, documents.create_indexes(models)).await?;
    }
    Ok(())
}

fn name_of(model: &IndexModel) -> Option<&String> {
    model.options.as_ref().and_then(|options| options.name.as_ref())
}

/// Sparse, but where the id is part of it: every document has one.
fn index(name: &str, keys: Document, unique: bool) -> IndexModel {
    let sparse = keys.len() == 1;
    let options = IndexOptions::builder().name(name.to_owned()).unique(unique.then_some(true));
    IndexModel::builder().keys(keys).options(options.sparse(sparse.then_some(true)).build()).build()
}

impl Known {
    async fn write(&self, write: &Write, owed: &Owed<'_>) -> Result<Revision, Error> {
        match write {
            Write::Insert(draft) => {
                let mut document = new_document(draft)?;
                owed.join_document(&mut document);
                match answer(self.documents.insert_one(document)).await {
                    Ok(_) => Ok(1),
                    Err(Failure::Refused { duplicate: true, .. }) => self.insert_as_update(draft, owed).await,
                    Err(failure) => Err(failure.into()),
                }
            }
            Write::Replace(draft, revision) => {
                let next = revision.saturating_add(1);
                let (set, unset) = changes(&self.declared, draft, to_bson(next))?;
                let updated = self.update(draft, to_bson(*revision), owed.join_update(set, unset)).await?;
                if updated { Ok(next) } else { Err(self.conflict(&draft.id)) }
            }
            Write::Delete(id, revision) => {
                self.delete(id, to_bson(*revision), owed).await?;
                Ok(revision.saturating_add(1))
            }
        }
    }

    /// Inserts what an ordinary insert was refused for: over a tombstone, where there is one or where nothing
    /// else is in the way. The latter is so when the obstacle has just gone, and in SecantusDB 0.5.3, which
    /// does not insert a key that some document was inserted with and gave up since, but lets an update set it.
    async fn insert_as_update(&self, draft: &Draft, owed: &Owed<'_>) -> Result<Revision, Error> {
        let (set, unset) = changes(&self.declared, draft, 1)?;
        let update = owed.join_update(set, unset);
        if self.update(draft, TOMBSTONE, update.clone()).await? {
            return Ok(1);
        }
        if let Some(obstacle) = self.find_obstacle(draft, true).await? {
            return Err(obstacle);
        }
        match answer(self.documents.insert_one(doc! { "_id": &draft.id, "rev": TOMBSTONE })).await {
            // Refused: someone else was faster, and what is there now decides.
            Ok(_) | Err(Failure::Refused { .. }) => {}
            Err(failure) => return Err(failure.into()),
        }
        if self.update(draft, TOMBSTONE, update).await? { Ok(1) } else { Err(self.conflict(&draft.id)) }
    }

    /// Updates the document if it has this revision, and tells whether it had.
    async fn update(&self, draft: &Draft, revision: i64, update: Document) -> Result<bool, Error> {
        let current = doc! { "_id": &draft.id, "rev": revision };
        match answer(self.documents.update_one(current, update)).await {
            Ok(updated) => Ok(updated.matched_count == 1),
            Err(failure @ Failure::Refused { duplicate, .. }) => {
                match self.find_obstacle(draft, false).await? {
                    Some(obstacle) => Err(obstacle),
                    // It has gone meanwhile: whoever tries again will succeed.
                    None if duplicate => Err(self.conflict(&draft.id)),
                    None => Err(failure.into()),
                }
            }
            Err(failure) => Err(failure.into()),
        }
    }

    /// A document that owes events, its own last ones or earlier ones, leaves a tombstone until they are
    /// settled.
    async fn delete(&self, id: &str, revision: i64, owed: &Owed<'_>) -> Result<(), Error> {
        if owed.entries.is_empty() {
            let owes_nothing = doc! { "_id": id, "rev": revision, "owes": { "$exists": false } };
            if answer(self.documents.delete_one(owes_nothing)).await?.deleted_count == 1 {
                return Ok(());
            }
        }
        let mut unset = no_keys(&self.declared);
        unset.insert("body", "");
        let bury = owed.join_update(doc! { "rev": TOMBSTONE }, unset);
        let buried = answer(self.documents.update_one(doc! { "_id": id, "rev": revision }, bury)).await?;
        if buried.matched_count == 1 { Ok(()) } else { Err(self.conflict(id)) }
    }

    /// What stands in the draft's way. Servers name the index that refused in different ways, or not at all.
    async fn find_obstacle(&self, draft: &Draft, inserting: bool) -> Result<Option<Error>, Failure> {
        let taken = doc! { "_id": &draft.id, "rev": { "$gt": 0 } };
        if inserting && answer(self.documents.find_one(taken)).await?.is_some() {
            return Ok(Some(self.conflict(&draft.id)));
        }
        for (index, key) in draft.keys.iter().filter(|(index, _)| index.unique) {
            let holder = doc! { field(*index): key.as_str(), "_id": { "$ne": &draft.id } };
            if answer(self.documents.find_one(holder)).await?.is_some() {
                return Ok(Some(Error::Duplicate { collection: self.declared.name, index: index.name }));
            }
        }
        Ok(None)
    }

    fn conflict(&self, id: &str) -> Error {
        Error::Conflict { collection: self.declared.name, id: id.to_owned() }
    }

    /// Appends from `committed` on, and counts it up.
    async fn append(&self, run: &[Draft], committed: &mut usize) -> Result<(), Error> {
        while *committed < run.len() {
            let rest = run[*committed..].iter().map(new_document).collect::<Result<Vec<_>, Error>>()?;
            match answer(self.documents.insert_many(rest).ordered(true)).await {
                Ok(_) => *committed = run.len(),
                Err(Failure::Stopped { at, duplicate: true, .. }) => {
                    *committed += at;
                    let nothing = Owed { handle: "", entries: Vec::new() };
                    self.insert_as_update(&run[*committed], &nothing).await?;
                    *committed += 1;
                }
                Err(failure) => return Err(failure.into()),
            }
        }
        Ok(())
    }
}

/// A revision beyond what BSON holds is one that no document has.
fn to_bson(revision: Revision) -> i64 {
    i64::try_from(revision).unwrap_or(i64::MAX)
}

#[async_trait]
impl Documents for MongoDocuments {
    async fn get(&self, collection: &Collection, id: &str) -> Result<Option<Stored>, Error> {
        let known = self.known(collection)?;
        let found = answer(known.documents.find_one(doc! { "_id": id })).await?;
        Ok(found.map(|document| stored(collection, &document)).transpose()?.flatten())
    }

    async fn get_many(&self, collection: &Collection, ids: &[String]) -> Result<Vec<Stored>, Error> {
        check_page(ids.len())?;
        let known = self.known(collection)?;
        let finding =
            async { known.documents.find(doc! { "_id": { "$in": ids } }).await?.try_collect().await };
        let documents: Vec<Document> = answer(finding).await?;
        let mut found = HashMap::new();
        for document in &documents {
            found.extend(stored(collection, document)?.map(|stored| (stored.id.clone(), stored)));
        }
        Ok(ids.iter().filter_map(|id| found.get(id).cloned()).collect())
    }

    async fn scan(&self, collection: &Collection, scan: Scan) -> Result<Page<Stored>, Error> {
        check_scan(collection, &scan)?;
        let known = self.known(collection)?;
        // One more than asked for, to know whether the page is the last.
        let limit = i64::try_from(scan.limit + 1).expect("a page is at most MAX_PAGE");
        let finding = async {
            known.documents.find(filter(&scan)).sort(sort(&scan)).limit(limit).await?.try_collect().await
        };
        let documents: Vec<Document> = answer(finding).await?;
        let has_more = documents.len() > scan.limit;
        let page = &documents[..documents.len().min(scan.limit)];
        let items = page.iter().filter_map(|document| stored(collection, document).transpose());
        let items = items.collect::<Result<Vec<_>, _>>()?;
        let last = page.last().filter(|_| has_more);
        Ok(Page { items, next: last.and_then(|document| cursor(scan.index, document)) })
    }

    async fn commit(
        &self,
        collection: &Collection,
        write: Write,
        events: Vec<Event>,
    ) -> Result<Revision, Error> {
        check_write(collection, &write)?;
        let known = self.known(collection)?;
        let events = encode_events(&events)?;
        if !events.is_empty() {
            // Before the write: it may happen although its answer is lost.
            known.has_owed.store(true, Ordering::Release);
        }
        let revision = known.write(&write, &self.owed(&events)).await?;
        if let Some(last) = events.last() {
            self.committed.send_replace(Some(last.id));
        }
        Ok(revision)
    }

    async fn append_many(&self, collection: &Collection, run: Vec<Draft>) -> Result<Appended, Error> {
        check_run(collection, &run)?;
        let known = self.known(collection)?;
        let mut committed = 0;
        match known.append(&run, &mut committed).await {
            Ok(()) => Ok(Appended { committed, stopped_by: None }),
            Err(error @ (Error::Conflict { .. } | Error::Duplicate { .. })) => {
                Ok(Appended { committed, stopped_by: Some(error) })
            }
            Err(error) if committed > 0 => Ok(Appended { committed, stopped_by: Some(error) }),
            Err(error) => Err(error),
        }
    }

    async fn pending(&self, scope: PendingScope, limit: usize) -> Result<Vec<Pending>, Error> {
        check_page(limit)?;
        let (wanted, only_owed) = match scope {
            PendingScope::Mine => (Wanted::OfHandle(&self.handle), true),
            PendingScope::LeftBehind(before) => (Wanted::BelowOrder(outbox::order_at(before)), false),
        };
        let searched =
            self.collections.values().filter(|known| !only_owed || known.has_owed.load(Ordering::Acquire));
        let reads = searched.map(|known| outbox::read(&known.documents, &wanted, limit));
        Ok(outbox::merge(try_join_all(reads).await?, limit))
    }

    async fn settle(&self, tokens: &[String]) -> Result<(), Error> {
        let mut settlements = Vec::new();
        for ((collection, id), orders) in outbox::group(tokens)? {
            let known = self.collections.get(collection);
            let known = known.ok_or_else(|| Error::Invalid("the token is not one of ours".to_owned()))?;
            settlements.push(async move { outbox::settle(&known.documents, id, &orders).await });
        }
        let mut settled = stream::iter(settlements).buffer_unordered(SETTLE_AT_ONCE);
        while let Some(result) = settled.next().await {
            result?;
        }
        Ok(())
    }

    fn committed(&self) -> watch::Receiver<Option<EventId>> {
        self.committed.subscribe()
    }

    async fn check(&self) -> Result<(), Error> {
        answer(self.database.run_command(doc! { "ping": 1 })).await?;
        Ok(())
    }
}
