//! The queue's file: its schema and its statements. Synchronous; only the queue's own thread calls it.

use std::path::Path;

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use tertulia_runtime::Timestamp;

use crate::{DeadLetter, DeadLetterId, Error};

/// The schema, one step a version. A released step never changes.
const MIGRATIONS: &[&str] = &["
    CREATE TABLE queue (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        grp TEXT NOT NULL,
        key TEXT NOT NULL,
        failed INTEGER NOT NULL DEFAULT 0,
        due_ms INTEGER NOT NULL DEFAULT 0,
        event BLOB NOT NULL
    );
    CREATE INDEX queue_by_group ON queue (grp, seq);
    CREATE TABLE dead (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        grp TEXT NOT NULL,
        key TEXT NOT NULL,
        attempts INTEGER NOT NULL,
        at_ms INTEGER NOT NULL,
        reason TEXT NOT NULL,
        event BLOB NOT NULL
    );
    CREATE INDEX dead_by_group ON dead (grp, id);
"];

/// An event on its way into a group's queue.
pub(super) struct Row {
    pub(super) group: &'static str,
    pub(super) key: String,
    pub(super) event: Bytes,
}

/// An event on its way out.
pub(super) struct Queued {
    pub(super) failed: u32,
    pub(super) due: Timestamp,
    pub(super) event: Vec<u8>,
}

/// What became of a queued event.
#[derive(Clone)]
pub(super) enum Verdict {
    Done,
    Failed { failed: u32, due: Timestamp },
    Dead { attempts: u32, at: Timestamp, reason: String },
}

/// Opens the file, makes it durable and brings its schema up to date.
pub(super) fn open(path: &Path) -> Result<Connection, Error> {
    let mut connection = Connection::open(path).map_err(failed)?;
    connection
        .execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 1000;")
        .map_err(failed)?;
    migrate(&mut connection)?;
    Ok(connection)
}

fn migrate(connection: &mut Connection) -> Result<(), Error> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    let found: u32 =
        transaction.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(failed)?;
    let known = u32::try_from(MIGRATIONS.len()).expect("a handful of migrations");
    if found > known {
        return Err(Error::NewerSchema { found, known });
    }
    for step in MIGRATIONS.iter().skip(found as usize) {
        transaction.execute_batch(step).map_err(failed)?;
    }
    transaction.pragma_update(None, "user_version", known).map_err(failed)?;
    transaction.commit().map_err(failed)
}

pub(super) fn insert(transaction: &Transaction<'_>, row: &Row) -> rusqlite::Result<()> {
    let mut statement =
        transaction.prepare_cached("INSERT INTO queue (grp, key, event) VALUES (?1, ?2, ?3)")?;
    statement.execute(params![row.group, row.key, &row.event[..]])?;
    Ok(())
}

pub(super) fn settle(transaction: &Transaction<'_>, seq: i64, verdict: &Verdict) -> rusqlite::Result<()> {
    match verdict {
        Verdict::Failed { failed, due } => {
            let sql = "UPDATE queue SET failed = ?2, due_ms = ?3 WHERE seq = ?1";
            transaction.prepare_cached(sql)?.execute(params![seq, failed, due.as_millis()])?;
            return Ok(());
        }
        Verdict::Dead { attempts, at, reason } => {
            let sql = "INSERT INTO dead (grp, key, attempts, at_ms, reason, event)
                       SELECT grp, key, ?2, ?3, ?4, event FROM queue WHERE seq = ?1";
            transaction.prepare_cached(sql)?.execute(params![seq, attempts, at.as_millis(), reason])?;
        }
        Verdict::Done => {}
    }
    transaction.prepare_cached("DELETE FROM queue WHERE seq = ?1")?.execute([seq])?;
    Ok(())
}

/// Moves a dead letter to the end of its group's queue. Says whether there was one.
pub(super) fn replay(transaction: &Transaction<'_>, group: &str, letter: i64) -> rusqlite::Result<bool> {
    let sql =
        "INSERT INTO queue (grp, key, event) SELECT grp, key, event FROM dead WHERE grp = ?1 AND id = ?2";
    transaction.prepare_cached(sql)?.execute(params![group, letter])?;
    drop_letter(transaction, group, letter)
}

/// Says whether there was one.
pub(super) fn drop_letter(transaction: &Transaction<'_>, group: &str, letter: i64) -> rusqlite::Result<bool> {
    let sql = "DELETE FROM dead WHERE grp = ?1 AND id = ?2";
    Ok(transaction.prepare_cached(sql)?.execute(params![group, letter])? > 0)
}

/// The numbers and keys of a group's events after `seq`, in order.
pub(super) fn after(
    connection: &Connection,
    group: &str,
    seq: i64,
    limit: usize,
) -> rusqlite::Result<Vec<(i64, String)>> {
    let sql = "SELECT seq, key FROM queue WHERE grp = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3";
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(params![group, seq, limit], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}

pub(super) fn load(connection: &Connection, seq: i64) -> rusqlite::Result<Option<Queued>> {
    let mut statement =
        connection.prepare_cached("SELECT failed, due_ms, event FROM queue WHERE seq = ?1")?;
    let queued = statement.query_row([seq], |row| {
        Ok(Queued { failed: row.get(0)?, due: Timestamp::from_millis(row.get(1)?), event: row.get(2)? })
    });
    queued.optional()
}

pub(super) fn depth(connection: &Connection, group: &str) -> rusqlite::Result<u64> {
    let mut statement = connection.prepare_cached("SELECT count(*) FROM queue WHERE grp = ?1")?;
    statement.query_row([group], |row| row.get(0)).map(i64::unsigned_abs)
}

pub(super) fn letters(
    connection: &Connection,
    group: &str,
    limit: usize,
) -> rusqlite::Result<Vec<DeadLetter>> {
    let sql = "SELECT id, attempts, at_ms, reason, event FROM dead WHERE grp = ?1 ORDER BY id LIMIT ?2";
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(sql)?;
    let letters = statement.query_map(params![group, limit], |row| {
        Ok(DeadLetter {
            id: DeadLetterId(row.get::<_, i64>(0)?.to_string()),
            group: group.to_owned(),
            attempts: row.get(1)?,
            at: Timestamp::from_millis(row.get(2)?),
            reason: row.get(3)?,
            body: String::from_utf8_lossy(row.get_ref(4)?.as_blob()?).into_owned(),
        })
    })?;
    letters.collect()
}

/// Whatever SQLite says (a full disk, a lock, a fault of the file), the queue cannot serve just now.
#[expect(clippy::needless_pass_by_value, reason = "it stands in map_err")]
pub(super) fn failed(error: rusqlite::Error) -> Error {
    Error::Unavailable(error.to_string())
}
