//! The tables of a file and how they come about.

use rusqlite::Connection;

use super::unavailable;
use crate::{Collection, Error};

/// Each brings a file from the layout of its position to the next; a released one never changes.
const MIGRATIONS: &[&str] = &["
    CREATE TABLE _outbox (
        seq INTEGER PRIMARY KEY,
        event_id TEXT NOT NULL,
        handle TEXT NOT NULL,
        at INTEGER NOT NULL,
        event TEXT NOT NULL
    ) STRICT;
"];

/// Brings the file to this release's layout and gives each collection its table.
pub(super) fn prepare(connection: &mut Connection, collections: &[Collection]) -> Result<(), Error> {
    migrate(connection, MIGRATIONS)?;
    let transaction = connection.transaction().map_err(unavailable)?;
    for collection in collections {
        create_table(&transaction, collection).map_err(unavailable)?;
    }
    transaction.commit().map_err(unavailable)
}

fn migrate(connection: &mut Connection, migrations: &[&str]) -> Result<(), Error> {
    let found: u32 =
        connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(unavailable)?;
    let known = u32::try_from(migrations.len()).expect("there are not four billion migrations");
    if found > known {
        return Err(Error::NewerSchema { found, known });
    }
    for version in found..known {
        let transaction = connection.transaction().map_err(unavailable)?;
        transaction.execute_batch(migrations[version as usize]).map_err(unavailable)?;
        transaction.pragma_update(None, "user_version", version + 1).map_err(unavailable)?;
        transaction.commit().map_err(unavailable)?;
    }
    Ok(())
}

/// A table with a row id, since documents of a kilobyte would spill out of a clustered index; the keys stand
/// before the body, so that reading them never walks through a long one.
///
/// A document is in the indexes that it has a key of, and in no others: SQLite would keep a place for it in each, and
/// write one more page of each for every document.
///
/// An index that is new to an existing table starts empty: a document enters it when it is next written.
fn create_table(connection: &Connection, collection: &Collection) -> rusqlite::Result<()> {
    let table = collection.name;
    let columns = collection.indexes.iter().map(|index| format!("\"k_{}\" TEXT, ", index.name));
    let keys = columns.collect::<Vec<_>>().concat();
    connection.execute_batch(&format!(
        "CREATE TABLE IF NOT EXISTS \"{table}\" (
            id TEXT PRIMARY KEY NOT NULL, revision INTEGER NOT NULL, {keys}body TEXT NOT NULL) STRICT"
    ))?;
    for index in collection.indexes {
        let column = format!("k_{}", index.name);
        if !connection.column_exists(None, table, &column)? {
            connection.execute_batch(&format!("ALTER TABLE \"{table}\" ADD COLUMN \"{column}\" TEXT"))?;
        }
        let (unique, columns) = if index.unique {
            ("UNIQUE", format!("\"{column}\""))
        } else {
            ("", format!("\"{column}\", id"))
        };
        connection.execute_batch(&format!(
            "CREATE {unique} INDEX IF NOT EXISTS \"{table}.{column}\" ON \"{table}\" ({columns})
                WHERE \"{column}\" IS NOT NULL"
        ))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::{migrate, prepare};
    use crate::{Collection, Error, Index};

    #[test]
    fn a_file_is_migrated_forward_step_by_step_and_never_backward() {
        let mut connection = Connection::open_in_memory().unwrap();
        let first = ["CREATE TABLE a (x)"];
        let both = ["CREATE TABLE a (x)", "ALTER TABLE a RENAME TO b"];
        migrate(&mut connection, &first).unwrap();
        connection.execute("INSERT INTO a VALUES (7)", []).unwrap();
        migrate(&mut connection, &both).unwrap();
        assert_eq!(connection.query_row("SELECT x FROM b", [], |row| row.get(0)), Ok(7));
        let refused = migrate(&mut connection, &first);
        assert!(matches!(refused, Err(Error::NewerSchema { found: 2, known: 1 })), "{refused:?}");
    }

    #[test]
    fn a_new_index_is_added_to_a_table_that_exists() {
        const INDEXES: &[Index] = &[Index::unique("name"), Index::ordered("size")];
        let mut connection = Connection::open_in_memory().unwrap();
        prepare(&mut connection, &[Collection { name: "things", indexes: &[] }]).unwrap();
        connection.execute("INSERT INTO things VALUES ('a', 1, '{}')", []).unwrap();
        let indexed = Collection { name: "things", indexes: INDEXES };
        prepare(&mut connection, &[indexed]).unwrap();
        prepare(&mut connection, &[indexed]).unwrap();
        connection.execute("UPDATE things SET k_name = 'x'", []).unwrap();
        let clash = connection
            .execute("INSERT INTO things (id, revision, body, k_name) VALUES ('b', 1, '{}', 'x')", []);
        assert!(clash.unwrap_err().to_string().contains("things.k_name"));
    }
}
