//! A crowd of subscribers, written as rows: joining a million times takes the product most of an hour.
//!
//! Each is a copy of somebody who joined by the product's own road: their entry of the channel's log, their place
//! among its members, their own log and what is known of them, with another id and the next position. What follows
//! from all of them together (how many there are, how far the log is applied) stands on the channel as it would. The
//! product that opens the file finds what it would have written itself.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use rusqlite::{Connection, params_from_iter, types::Value};
use tertulia_contracts::{ConversationId, UserId};
use tertulia_runtime::Ambient;

/// Where somebody who joined stands: the table, and the row by their id (`?1`) and the channel's (`?2`).
const TRACES: [(&str, &str); 5] = [
    ("entries", "id LIKE ?2 || '/%' AND json_extract(body, '$.fact.member.user_id') = ?1"),
    ("members", "id = ?2 || '/' || ?1"),
    ("private", "id LIKE ?1 || '/%' AND id LIKE '%' || ?2"),
    ("user_heads", "id = ?1 AND ?2 <> ''"),
    ("people", "id = ?1 AND ?2 <> ''"),
];
/// Members of one transaction.
const BATCH: usize = 50_000;

/// One row as it was found, and how another is written.
struct Trace {
    row: Vec<Value>,
    insert: String,
}

/// Adds so many to a channel that nobody serves just now, each a copy of one who joined it last, alone and on this file's
/// first writer.
pub(crate) fn join(file: &Path, channel: ConversationId, model: UserId, count: u64) -> Result<()> {
    let mut connection = Connection::open(file)?;
    connection.execute_batch("PRAGMA synchronous = OFF; PRAGMA cache_size = -262144;")?;
    let (model, channel) = (model.to_string(), channel.to_string());
    let traces = TRACES.iter().map(|(table, place)| trace(&connection, table, place, [&model, &channel]));
    let traces = traces.collect::<Result<Vec<_>>>()?;
    let numbers = "SELECT json_extract(body, '$.seq'), json_extract(body, '$.written[1]') FROM entries \
                   WHERE id LIKE ?1 || '/%' ORDER BY id DESC LIMIT 1";
    let (seq, n): (i64, i64) =
        connection.query_row(numbers, [&channel], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let handle = "SELECT json_extract(body, '$.handle') FROM people WHERE id = ?1";
    let handle: String = connection.query_row(handle, [&model], |row| row.get(0))?;

    let ambient = Ambient::system();
    let id = || -> UserId { ambient.ids.next() };
    let mut crowd: Vec<String> = (0..count).map(|_| id().to_string()).collect();
    // As if they had come one after the other.
    crowd.sort_unstable();
    let mut added: i64 = 0;
    for batch in crowd.chunks(BATCH) {
        let transaction = connection.transaction()?;
        for user in batch {
            added += 1;
            let other = [
                (model.clone(), user.clone()),
                (format!("\"{handle}\""), format!("\"crowd{added}\"")),
                (format!("{handle}\u{1}"), format!("crowd{added}\u{1}")),
                (format!("{seq:016x}"), format!("{:016x}", seq + added)),
                (format!("seq\":{seq},"), format!("seq\":{},", seq + added)),
                (format!("seq\":{seq}}}"), format!("seq\":{}}}", seq + added)),
                (format!(",{n}],"), format!(",{}],", n + added)),
            ];
            for Trace { row, insert } in &traces {
                let row = row.iter().map(|value| copied(value, &other));
                transaction.prepare_cached(insert)?.execute(params_from_iter(row))?;
            }
        }
        transaction.commit()?;
    }
    let grown = "UPDATE conversations SET revision = revision + ?2, body = json_set(body, \
                 '$.members', json_extract(body, '$.members') + ?2, '$.applied_seq', ?3) WHERE id = ?1";
    let grown = connection.execute(grown, (&channel, added, seq + added))?;
    ensure!(grown == 1, "there is no such channel");
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    Ok(())
}

fn trace(connection: &Connection, table: &str, place: &str, ids: [&String; 2]) -> Result<Trace> {
    let mut statement = connection.prepare(&format!("SELECT * FROM {table} WHERE {place}"))?;
    let width = statement.column_count();
    let mut rows = statement.query(ids)?;
    let row = rows.next()?.with_context(|| format!("who joined left nothing in {table}"))?;
    let row = (0..width).map(|at| row.get(at)).collect::<rusqlite::Result<Vec<Value>>>()?;
    ensure!(rows.next()?.is_none(), "who joined stands in {table} more than once");
    let places = vec!["?"; width].join(", ");
    Ok(Trace { row, insert: format!("INSERT INTO {table} VALUES ({places})") })
}

/// A value with each of these texts replaced by another.
fn copied(value: &Value, other: &[(String, String)]) -> Value {
    let Value::Text(text) = value else { return value.clone() };
    let change = |text: String, (from, to): &(String, String)| {
        if text.contains(from.as_str()) { text.replace(from.as_str(), to) } else { text }
    };
    Value::Text(other.iter().fold(text.clone(), change))
}
