//! The SQL of one collection, written once; connections keep the prepared form.

use std::fmt::Write as _;

use rusqlite::{Connection, OptionalExtension, Row, types::ToSql};
use serde_json::value::RawValue;

use super::unavailable;
use crate::{
    Collection, Cursor, Draft, Error, Index, Key, Order, Page, Scan, Stored,
    range::{High, Low, bounds, needs_id},
};

/// The statements of one collection.
pub(super) struct Statements {
    pub(super) collection: Collection,
    pub(super) insert: String,
    pub(super) replace: String,
    pub(super) delete: String,
    get: String,
}

impl Statements {
    pub(super) fn new(collection: Collection) -> Self {
        let table = collection.name;
        let (mut columns, mut values, mut changes) = (String::new(), String::new(), String::new());
        // Parameters: 1 the id, 2 the body, 3 the revision (or unused), from 4 the keys.
        for (position, index) in collection.indexes.iter().enumerate() {
            let (name, parameter) = (index.name, position + 4);
            write!(columns, ", \"k_{name}\"").expect("writing to a string does not fail");
            write!(values, ", ?{parameter}").expect("writing to a string does not fail");
            write!(changes, ", \"k_{name}\" = ?{parameter}").expect("writing to a string does not fail");
        }
        Self {
            collection,
            insert: format!(
                "INSERT INTO \"{table}\" (id, body, revision{columns}) VALUES (?1, ?2, ?3{values})"
            ),
            replace: format!(
                "UPDATE \"{table}\" SET revision = revision + 1, body = ?2{changes} WHERE id = ?1 AND revision = ?3"
            ),
            delete: format!("DELETE FROM \"{table}\" WHERE id = ?1 AND revision = ?2"),
            get: format!("SELECT id, revision, body FROM \"{table}\" WHERE id = ?1"),
        }
    }

    pub(super) fn get(&self, connection: &Connection, id: &str) -> Result<Option<Stored>, Error> {
        let mut statement = connection.prepare_cached(&self.get).map_err(unavailable)?;
        let row = statement.query_row([id], |row| Ok(self.stored(row))).optional().map_err(unavailable)?;
        row.transpose()
    }

    pub(super) fn scan(&self, connection: &Connection, scan: &Scan) -> Result<Page<Stored>, Error> {
        let mut parameters: Vec<Box<dyn ToSql>> = Vec::with_capacity(5);
        let sql = self.scan_sql(scan, &mut parameters);
        let mut statement = connection.prepare_cached(&sql).map_err(unavailable)?;
        let parameters: Vec<&dyn ToSql> = parameters.iter().map(AsRef::as_ref).collect();
        let mut rows = statement.query(parameters.as_slice()).map_err(unavailable)?;
        let (mut items, mut last) = (Vec::new(), None);
        while let Some(row) = rows.next().map_err(unavailable)? {
            // One row more than asked for was wanted, to know whether the page is the last.
            if items.len() == scan.limit {
                return Ok(Page { items, next: last });
            }
            let item = self.stored(row)?;
            if items.len() + 1 == scan.limit {
                let key = row.get(3).map_err(|error| self.corrupt(&item.id, &error))?;
                last = Some(Cursor { key: Key::from_encoded(key), id: item.id.clone() });
            }
            items.push(item);
        }
        Ok(Page { items, next: None })
    }

    fn scan_sql(&self, scan: &Scan, parameters: &mut Vec<Box<dyn ToSql>>) -> String {
        let key =
            if scan.index == Index::ID { "id".to_owned() } else { format!("\"k_{}\"", scan.index.name) };
        let table = self.collection.name;
        let with_id = needs_id(scan.index);
        let mut sql = format!("SELECT id, revision, body, {key} FROM \"{table}\" WHERE ");
        let mut compare = |operator: &str, bound: String, id: Option<String>| {
            parameters.push(Box::new(bound));
            match id {
                Some(id) if with_id => {
                    parameters.push(Box::new(id));
                    format!("({key}, id) {operator} (?, ?)")
                }
                _ => format!("{key} {operator} ?"),
            }
        };
        let (low, high) = bounds(scan);
        if scan.index != Index::ID {
            // SQLite takes an index of some documents only for a question about none but these, and a comparison of two
            // columns at once does not tell it so.
            write!(sql, "{key} IS NOT NULL AND ").expect("writing to a string does not fail");
        }
        sql.push_str(&match low {
            Low::From(bound) => compare(">=", bound, None),
            Low::After { key, id } => compare(">", key, Some(id)),
        });
        match high {
            High::Open => {}
            High::Before(bound) => sql.extend([" AND ", &compare("<", bound, None)]),
            High::BeforeDocument { key, id } => sql.extend([" AND ", &compare("<", key, Some(id))]),
        }
        let direction = match scan.order {
            Order::Ascending => "ASC",
            Order::Descending => "DESC",
        };
        write!(sql, " ORDER BY {key} {direction}").expect("writing to a string does not fail");
        if with_id {
            write!(sql, ", id {direction}").expect("writing to a string does not fail");
        }
        sql.push_str(" LIMIT ?");
        parameters.push(Box::new(i64::try_from(scan.limit + 1).expect("a page is at most MAX_PAGE")));
        sql
    }

    /// The draft's key in each index of the collection, in the order of the parameters.
    pub(super) fn keys_of<'a>(&self, draft: &'a Draft) -> impl Iterator<Item = Option<&'a str>> {
        self.collection.indexes.iter().map(|index| {
            let key = draft.keys.iter().find(|(of, _)| of == index);
            key.map(|(_, key)| key.as_str())
        })
    }

    pub(super) fn conflict(&self, id: &str) -> Error {
        Error::Conflict { collection: self.collection.name, id: id.to_owned() }
    }

    /// SQLite names the column of the index that refused: `UNIQUE constraint failed: things.k_name`.
    pub(super) fn violation(&self, id: &str, message: &str) -> Error {
        let column = message.rsplit_once(".k_").map(|(_, name)| name);
        let index = self.collection.indexes.iter().find(|index| Some(index.name) == column);
        match index {
            Some(index) => Error::Duplicate { collection: self.collection.name, index: index.name },
            None => self.conflict(id),
        }
    }

    fn stored(&self, row: &Row<'_>) -> Result<Stored, Error> {
        let id: String = row.get(0).map_err(|error| self.corrupt("?", &error))?;
        let revision: i64 = row.get(1).map_err(|error| self.corrupt(&id, &error))?;
        let revision = u64::try_from(revision).map_err(|error| self.corrupt(&id, &error))?;
        let body: String = row.get(2).map_err(|error| self.corrupt(&id, &error))?;
        let body = RawValue::from_string(body).map_err(|error| self.corrupt(&id, &error))?;
        Ok(Stored { id, revision, body })
    }

    fn corrupt(&self, id: &str, cause: &dyn std::error::Error) -> Error {
        Error::Corrupt {
            collection: self.collection.name.to_owned(),
            id: id.to_owned(),
            cause: cause.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::params_from_iter;

    use super::*;
    use crate::sqlite::schema::prepare;

    const NAME: Index = Index::unique("name");
    const SIZE: Index = Index::ordered("size");

    #[test]
    fn every_scan_walks_an_index_and_sorts_nothing() {
        let collection = Collection { name: "things", indexes: &[NAME, SIZE] };
        let mut connection = Connection::open_in_memory().unwrap();
        prepare(&mut connection, &[collection]).unwrap();
        let statements = Statements::new(collection);
        let cursor = || Some(Cursor { key: Key::new().text("m"), id: "7".to_owned() });
        for (index, used) in
            [(Index::ID, "sqlite_autoindex_things_1"), (NAME, "things.k_name"), (SIZE, "things.k_size")]
        {
            let scan = || Scan::of(index, Key::new(), 10);
            for scan in [
                scan(),
                scan().descending(),
                scan().from(Key::new().text("a")).to(Key::new().text("z")),
                scan().after(cursor()),
                scan().descending().after(cursor()),
            ] {
                let mut parameters = Vec::new();
                let sql = format!("EXPLAIN QUERY PLAN {}", statements.scan_sql(&scan, &mut parameters));
                let mut statement = connection.prepare(&sql).unwrap();
                let rows = statement
                    .query_map(params_from_iter(&parameters), |row| row.get::<_, String>("detail"))
                    .unwrap();
                let plan: Vec<String> = rows.collect::<Result<_, _>>().unwrap();
                assert_eq!(plan.len(), 1, "{scan:?}: {plan:?}");
                assert!(plan[0].contains(&format!("SEARCH things USING INDEX {used}")), "{scan:?}: {plan:?}");
            }
        }
    }

    #[test]
    fn what_has_no_key_is_in_no_index() {
        let collection = Collection { name: "things", indexes: &[NAME, SIZE] };
        let mut connection = Connection::open_in_memory().unwrap();
        prepare(&mut connection, &[collection]).unwrap();
        connection.execute("INSERT INTO things (id, revision, body) VALUES ('a', 1, '{}')", []).unwrap();
        for index in ["things.k_name", "things.k_size"] {
            let rows = format!("SELECT count(*) FROM dbstat WHERE name = '{index}' AND ncell > 0");
            assert_eq!(connection.query_row(&rows, [], |row| row.get(0)), Ok(0), "{index}");
        }
    }
}
