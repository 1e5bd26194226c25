//! The adapters, dressed for the suite.

mod sqlite;

pub(crate) use sqlite::SqliteRig;
