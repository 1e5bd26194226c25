//! The ceiling of ingest: the rows that the product wrote, written again by nothing but SQLite.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use rusqlite::{Connection, OpenFlags, params_from_iter, types::Value};
use tokio::time::{Duration, Instant};

/// As the product groups at most.
const ROWS_PER_COMMIT: usize = 256;
/// As the product's: a log of 16 MiB between two checkpoints, and as much of a cache.
const PRAGMAS: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 4096; \
                       PRAGMA cache_size = -16384;";
const TABLE: &str = "entries";

/// Rows a second, and how many were written.
pub(crate) struct Committed {
    pub rows: usize,
    pub per_second: f64,
}

/// Writes at most `most` rows of a messaging database's log to a new file, grouped and durable.
pub(crate) fn measure(product_file: &Path, new_file: &Path, most: usize) -> Result<Committed> {
    let product = Connection::open_with_flags(product_file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let rows = rows(&product, most)?;
    let width = rows.first().context("the product wrote no rows")?.len();
    let mut connection = Connection::open(new_file)?;
    connection.execute_batch(PRAGMAS)?;
    connection.execute_batch(&schema(&product)?)?;
    let insert = format!("INSERT INTO {TABLE} VALUES ({})", vec!["?"; width].join(", "));
    let began = Instant::now();
    for chunk in rows.chunks(ROWS_PER_COMMIT) {
        let transaction = connection.transaction()?;
        let mut statement = transaction.prepare_cached(&insert)?;
        for row in chunk {
            statement.execute(params_from_iter(row))?;
        }
        drop(statement);
        transaction.commit()?;
    }
    let per_second = rate(rows.len(), began.elapsed());
    Ok(Committed { rows: rows.len(), per_second })
}

fn rate(count: usize, within: Duration) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a count of rows is far below 2^52")]
    let count = count as f64;
    count / within.as_secs_f64()
}

/// In the order in which the product committed them.
fn rows(product: &Connection, most: usize) -> Result<Vec<Vec<Value>>> {
    let mut statement = product.prepare(&format!("SELECT * FROM {TABLE} ORDER BY rowid LIMIT ?"))?;
    let width = statement.column_count();
    let read = |row: &rusqlite::Row<'_>| (0..width).map(|column| row.get(column)).collect();
    Ok(statement.query_map([i64::try_from(most)?], read)?.collect::<rusqlite::Result<_>>()?)
}

fn schema(product: &Connection) -> Result<String> {
    let mut statement = product
        .prepare("SELECT sql FROM sqlite_master WHERE tbl_name = ? AND sql IS NOT NULL ORDER BY type DESC")?;
    let statements: Vec<String> =
        statement.query_map([TABLE], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    ensure!(statements.len() > 1, "the product's table {TABLE} has no indexes");
    Ok(statements.join(";"))
}
