//! Documents in a SQLite file of the service's own: the default, with nothing to install beside it.
//!
//! Write-ahead log with `synchronous=FULL`: what is acknowledged has been synced. One thread writes and
//! groups the commits that arrive together, and another carries what they wrote from the log into the file; readers see
//! the last commit and wait for nobody. A full disk or
//! any other failure of the file is [`Error::Unavailable`] and leaves the file sound; once there is room
//! again, the same handle serves again.

mod checkpointer;
mod reader;
mod schema;
mod statements;
mod writer;

use std::{collections::HashMap, fs::File, path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;
use checkpointer::Checkpointer;
use reader::Readers;
use rusqlite::{Connection, Row};
use statements::Statements;
use tertulia_runtime::{
    Ambient,
    event::EventId,
    metrics::{Counter, Histogram, Metrics},
};
use tokio::sync::{mpsc, oneshot, watch};
use writer::{Job, Reply, Token, Writer};

use crate::{
    Appended, Collection, Documents, Draft, Error, Page, Pending, PendingScope, Revision, Scan, Stored,
    Write,
    bounds::{check_page, check_run, check_scan, check_write, encode_events},
};

/// How many jobs may wait for the writer; whoever comes then waits in line for a place.
const QUEUE: usize = 1024;
/// How long to wait for another process that has the file, before giving up.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// 64 MiB of log, after which the commit that finds it so carries it over, and everybody waits for that. It comes to it when
/// more is written than the checkpointer can carry over.
const CHECKPOINT_PAGES: u32 = 16_384;
/// Above the number of statements that one service has.
const STATEMENTS: usize = 256;

/// A store of documents in a SQLite file.
pub struct SqliteDocuments {
    statements: HashMap<&'static str, Arc<Statements>>,
    readers: Readers,
    jobs: mpsc::Sender<Job>,
    committed: watch::Receiver<Option<EventId>>,
    handle: String,
    stats: Arc<WriterStats>,
}

/// How well commits are grouped.
#[derive(Debug)]
pub struct WriterStats {
    transactions: Counter,
    documents: Counter,
    documents_each: Histogram,
}

impl Default for WriterStats {
    fn default() -> Self {
        let powers_of_two = (0..10_u32).map(|power| f64::from(1 << power));
        let documents_each = Histogram::new(powers_of_two);
        Self { transactions: Counter::default(), documents: Counter::default(), documents_each }
    }
}

impl WriterStats {
    fn count(&self, documents: u32) {
        self.transactions.inc();
        self.documents.inc_by(u64::from(documents));
        self.documents_each.observe(f64::from(documents));
    }

    /// Shows the sizes of transactions on the metrics page, under the prefix of the service whose file it is.
    pub fn show_on(&self, metrics: &Metrics) {
        let help = "Documents of each committed transaction";
        metrics.sub("documents").metric("transaction_size", help, || self.documents_each.clone());
    }

    /// How many transactions were committed; each was one sync.
    pub fn transactions(&self) -> u64 {
        self.transactions.get()
    }

    /// How many documents they held.
    pub fn documents(&self) -> u64 {
        self.documents.get()
    }
}

impl SqliteDocuments {
    /// Opens the file, or makes it, and brings it to this release's layout.
    ///
    /// [`Error::NewerSchema`] if a newer release wrote it, [`Error::Unavailable`] if it cannot be opened.
    pub async fn open(path: &Path, collections: &[Collection], ambient: &Ambient) -> Result<Self, Error> {
        let (path, all) = (path.to_owned(), collections.to_vec());
        let opening = tokio::task::spawn_blocking(move || {
            let connection = open_writer(&path, &all)?;
            let file = File::open(&path).map_err(|error| Error::Unavailable(error.to_string()))?;
            let file = Arc::new(file);
            Ok::<_, Error>((connection, Checkpointer::start(&path, file.clone())?, Readers::new(&path, file)))
        });
        let (connection, checkpointer, readers) =
            opening.await.map_err(|error| Error::Unavailable(error.to_string()))??;

        let handle = ambient.ids.next_ulid().to_string();
        let stats = Arc::<WriterStats>::default();
        let (committed, nudge) = watch::channel(None);
        let (jobs, queue) = mpsc::channel(QUEUE);
        let (clock, stats_of_writer) = (ambient.clock.clone(), stats.clone());
        let writer = Writer {
            connection,
            checkpointer,
            clock,
            handle: handle.clone(),
            committed,
            stats: stats_of_writer,
        };
        let thread = std::thread::Builder::new().name("documents-writer".to_owned());
        thread.spawn(move || writer.run(queue)).map_err(|error| Error::Unavailable(error.to_string()))?;

        let statements =
            collections.iter().map(|collection| (collection.name, Arc::new(Statements::new(*collection))));
        Ok(Self { statements: statements.collect(), readers, jobs, committed: nudge, handle, stats })
    }

    /// How well commits are grouped so far.
    pub fn stats(&self) -> &WriterStats {
        &self.stats
    }

    fn statements(&self, collection: &Collection) -> Result<Arc<Statements>, Error> {
        let known = self.statements.get(collection.name).filter(|known| known.collection == *collection);
        known.cloned().ok_or_else(|| Error::Invalid(format!("{} was not declared", collection.name)))
    }

    async fn write<T>(&self, job: impl FnOnce(Reply<T>) -> Job) -> Result<T, Error> {
        let gone = || Error::Unavailable("the writer has ended".to_owned());
        let (reply, answer) = oneshot::channel();
        self.jobs.send(job(reply)).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

#[async_trait]
impl Documents for SqliteDocuments {
    async fn get(&self, collection: &Collection, id: &str) -> Result<Option<Stored>, Error> {
        let (statements, id) = (self.statements(collection)?, id.to_owned());
        self.readers.read(move |connection| statements.get(connection, &id)).await
    }

    async fn get_many(&self, collection: &Collection, ids: &[String]) -> Result<Vec<Stored>, Error> {
        check_page(ids.len())?;
        let (statements, ids) = (self.statements(collection)?, ids.to_vec());
        self.readers
            .read(move |connection| {
                ids.iter().filter_map(|id| statements.get(connection, id).transpose()).collect()
            })
            .await
    }

    async fn scan(&self, collection: &Collection, scan: Scan) -> Result<Page<Stored>, Error> {
        check_scan(collection, &scan)?;
        let statements = self.statements(collection)?;
        self.readers.read(move |connection| statements.scan(connection, &scan)).await
    }

    async fn commit(
        &self,
        collection: &Collection,
        write: Write,
        events: Vec<tertulia_runtime::Event>,
    ) -> Result<Revision, Error> {
        check_write(collection, &write)?;
        let (statements, events) = (self.statements(collection)?, encode_events(&events)?);
        self.write(|reply| Job::Commit { statements, write, events, reply }).await
    }

    async fn append_many(&self, collection: &Collection, run: Vec<Draft>) -> Result<Appended, Error> {
        check_run(collection, &run)?;
        let statements = self.statements(collection)?;
        self.write(|reply| Job::Append { statements, run, reply }).await
    }

    async fn pending(&self, scope: PendingScope, limit: usize) -> Result<Vec<Pending>, Error> {
        check_page(limit)?;
        let handle = self.handle.clone();
        let limit = i64::try_from(limit).expect("a page is at most MAX_PAGE");
        self.readers.read(move |connection| pending(connection, scope, &handle, limit)).await
    }

    async fn settle(&self, tokens: &[String]) -> Result<(), Error> {
        let tokens = tokens.iter().map(|token| parse_token(token)).collect::<Result<_, _>>()?;
        self.write(|reply| Job::Settle { tokens, reply }).await
    }

    fn committed(&self) -> watch::Receiver<Option<EventId>> {
        self.committed.clone()
    }

    async fn check(&self) -> Result<(), Error> {
        let probe = |connection: &Connection| {
            connection.query_row("SELECT 1 FROM _outbox LIMIT 1", [], |_| Ok(())).or_else(|error| match error
            {
                rusqlite::Error::QueryReturnedNoRows => Ok(()),
                error => Err(unavailable(error)),
            })
        };
        self.readers.read(probe).await
    }
}

fn open_writer(path: &Path, collections: &[Collection]) -> Result<Connection, Error> {
    let mut connection = connect(path)?;
    connection.pragma_update(None, "journal_mode", "WAL").map_err(unavailable)?;
    connection.pragma_update(None, "synchronous", "FULL").map_err(unavailable)?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES).map_err(unavailable)?;
    // Keys that arrive in no order touch many pages; those of the recent past should not be read again.
    connection.pragma_update(None, "cache_size", -16_384).map_err(unavailable)?;
    schema::prepare(&mut connection, collections)?;
    Ok(connection)
}

fn connect(path: &Path) -> Result<Connection, Error> {
    let connection = Connection::open(path).map_err(unavailable)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(unavailable)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(connection)
}

fn pending(
    connection: &Connection,
    scope: PendingScope,
    handle: &str,
    limit: i64,
) -> Result<Vec<Pending>, Error> {
    let of_handle = "SELECT seq, event_id, event FROM _outbox WHERE handle = ?1 ORDER BY seq LIMIT ?2";
    let left_behind = "SELECT seq, event_id, event FROM _outbox WHERE at < ?1 ORDER BY seq LIMIT ?2";
    let sql = if matches!(scope, PendingScope::Mine) { of_handle } else { left_behind };
    let mut statement = connection.prepare_cached(sql).map_err(unavailable)?;
    let rows = match scope {
        PendingScope::Mine => statement.query((handle, limit)),
        PendingScope::LeftBehind(before) => statement.query((before.as_millis(), limit)),
    };
    let mut rows = rows.map_err(unavailable)?;
    let mut events = Vec::new();
    while let Some(row) = rows.next().map_err(unavailable)? {
        events.push(decode_pending(row)?);
    }
    Ok(events)
}

fn decode_pending(row: &Row<'_>) -> Result<Pending, Error> {
    let seq: i64 = row.get(0).map_err(unavailable)?;
    let event_id: String = row.get(1).map_err(unavailable)?;
    let event: String = row.get(2).map_err(unavailable)?;
    let event = serde_json::from_str(&event).map_err(|error| Error::Corrupt {
        collection: "_outbox".to_owned(),
        id: event_id.clone(),
        cause: error.to_string(),
    })?;
    Ok(Pending { token: format!("{seq}/{event_id}"), event })
}

fn parse_token(token: &str) -> Result<Token, Error> {
    let parts = token.split_once('/').and_then(|(seq, id)| Some((seq.parse().ok()?, id.to_owned())));
    parts.ok_or_else(|| Error::Invalid("the token is not one of ours".to_owned()))
}

#[expect(clippy::needless_pass_by_value, reason = "it stands in map_err")]
fn unavailable(error: rusqlite::Error) -> Error {
    Error::Unavailable(error.to_string())
}
