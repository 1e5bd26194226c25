//! The documents port: where a service keeps what it owns.
//!
//! One document and its events commit together, durably. There are no transactions over several
//! documents, because a model that needs none works on one SQLite file and on a sharded MongoDB alike.
//! See [`port`] for the promises, which every adapter keeps and the conformance suite checks.

mod bounds;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod error;
pub mod key;
#[cfg(feature = "memory")]
pub mod memory;
pub mod mongodb;
pub mod port;
mod range;
pub mod sqlite;
pub mod table;

pub use error::Error;
pub use key::Key;
#[cfg(feature = "memory")]
pub use memory::{MemoryDocuments, MemoryStore};
pub use mongodb::MongoDocuments;
pub use port::{
    Appended, Collection, Cursor, Documents, Draft, Index, Order, Page, Pending, PendingScope, Revision,
    Scan, Stored, Write,
};
pub use sqlite::SqliteDocuments;
pub use table::{Record, Table, Versioned};
