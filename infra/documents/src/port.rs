//! The port itself: what a store of documents promises.
//!
//! * **Atomic.** [`Documents::commit`] changes one document and appends its events to the outbox, both or
//!   neither. When it returns, both survive a crash of the process and of the machine.
//! * **Compare and swap.** A document has a revision that grows with each write; replacing and deleting
//!   name the revision that was read, and fail with [`Error::Conflict`] if it is another by now.
//! * **Indexes** are declared with the collection. An index holds the documents that have a key in it, so
//!   each index is sparse; a unique one refuses a second document with the same key
//!   ([`Error::Duplicate`] names it). Scans read one index in either order and page by [`Cursor`].
//! * **Missing is not an error**, undecodable is ([`Error::Corrupt`]).
//! * **Outbox.** Committed events stay [`Documents::pending`] until they are settled.
//!
//! Bounds: a document's body is at most [`MAX_BODY_BYTES`] and [`MAX_DEPTH`] deep, an id [`MAX_ID_BYTES`], a
//! key [`MAX_KEY_BYTES`], a page [`MAX_PAGE`], one run of [`Documents::append_many`] [`MAX_RUN`], an event
//! [`MAX_EVENT_BYTES`], the events of a commit [`MAX_EVENTS`]; what exceeds one is [`Error::Invalid`], and so
//! is U+0000 anywhere, since PostgreSQL behind a MongoDB-compatible server cannot hold it. Integers and
//! floating-point numbers come back as they went in; an integer beyond `i64` may be [`Error::Invalid`].
//!
//! Not promised: which of several violations is reported, the order of a body's fields, and that a new
//! index holds documents that have not been written since it was declared. A document deleted and inserted
//! again starts at revision 1.

use async_trait::async_trait;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::value::RawValue;
use tertulia_runtime::{Event, Timestamp, event::EventId};
use tokio::sync::watch;

use crate::{Error, Key};

/// The largest body of a document: 1 MiB, well below MongoDB's 16 MiB with room for its outbox.
pub const MAX_BODY_BYTES: usize = 1 << 20;
/// How deep a body may nest. MongoDB stops at a hundred, and some levels may become two there.
pub const MAX_DEPTH: usize = 32;
/// The longest id of a document.
pub const MAX_ID_BYTES: usize = 256;
/// The longest encoded key of an index.
pub const MAX_KEY_BYTES: usize = 1024;
/// The most documents in one page of a scan or one [`Documents::get_many`].
pub const MAX_PAGE: usize = 1000;
/// The most documents in one run of [`Documents::append_many`].
pub const MAX_RUN: usize = 256;
/// The largest encoded event, below what the bus takes: one that cannot be published must not be committed.
pub const MAX_EVENT_BYTES: usize = 192 << 10;
/// The most events of one commit.
pub const MAX_EVENTS: usize = 16;

/// A set of documents of one type, with its indexes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Collection {
    /// Lower-case letters and underscores; unique within a service.
    pub name: &'static str,
    /// Every index but the one by id, which every collection has.
    pub indexes: &'static [Index],
}

/// An ordered index over the documents that have a key in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Index {
    /// Lower-case letters and underscores; unique within the collection.
    pub name: &'static str,
    /// Whether a second document with the same key is refused.
    pub unique: bool,
}

impl Index {
    /// The index every collection has: its key is the document's id itself, not encoded.
    pub const ID: Self = Self { name: "id", unique: true };

    /// A unique index.
    pub const fn unique(name: &'static str) -> Self {
        Self { name, unique: true }
    }

    /// An index in which many documents may share a key; among those, the id orders.
    pub const fn ordered(name: &'static str) -> Self {
        Self { name, unique: false }
    }
}

/// Grows by one with each write of a document; the first is 1.
pub type Revision = u64;

/// A document about to be written.
#[derive(Debug, Clone)]
pub struct Draft {
    /// Its id within the collection.
    pub id: String,
    /// Its key in each index it stands in.
    pub keys: Vec<(Index, Key)>,
    /// Its content: a JSON object.
    pub body: Box<RawValue>,
}

/// A document as it was read.
#[derive(Debug, Clone)]
pub struct Stored {
    /// Its id within the collection.
    pub id: String,
    /// The revision read; what a replacement must name.
    pub revision: Revision,
    /// Its content: a JSON object.
    pub body: Box<RawValue>,
}

/// One change of one document.
#[derive(Debug, Clone)]
pub enum Write {
    /// It must not exist yet.
    Insert(Draft),
    /// It must have this revision.
    Replace(Draft, Revision),
    /// It must have this revision. Carries the id.
    Delete(String, Revision),
}

/// How far a run of appends came.
#[derive(Debug)]
pub struct Appended {
    /// The first so many drafts are committed.
    pub committed: usize,
    /// What stopped the run at the next draft; nothing after it was tried.
    pub stopped_by: Option<Error>,
}

/// In which order a scan reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Smallest key first.
    Ascending,
    /// Largest key first.
    Descending,
}

/// A read of part of an index: all keys that start with `prefix` and lie in `from..to`.
#[derive(Debug, Clone)]
pub struct Scan {
    /// The index to read; [`Index::ID`] reads by id.
    pub index: Index,
    /// Every key read starts with this.
    pub prefix: Key,
    /// The first key that may be read.
    pub from: Option<Key>,
    /// The first key past the end.
    pub to: Option<Key>,
    /// The order of the page and of the pages.
    pub order: Order,
    /// At most so many; 1 to [`MAX_PAGE`].
    pub limit: usize,
    /// Where the page before this one ended.
    pub after: Option<Cursor>,
}

impl Scan {
    /// All of an index under a prefix, ascending.
    pub const fn of(index: Index, prefix: Key, limit: usize) -> Self {
        Self { index, prefix, from: None, to: None, order: Order::Ascending, limit, after: None }
    }

    /// Reads from the other end.
    #[must_use]
    pub const fn descending(mut self) -> Self {
        self.order = Order::Descending;
        self
    }

    /// Leaves out the keys below `from`.
    #[must_use]
    pub fn from(mut self, from: Key) -> Self {
        self.from = Some(from);
        self
    }

    /// Leaves out `to` and the keys above it.
    #[must_use]
    pub fn to(mut self, to: Key) -> Self {
        self.to = Some(to);
        self
    }

    /// Continues behind a page.
    #[must_use]
    pub fn after(mut self, cursor: Option<Cursor>) -> Self {
        self.after = cursor;
        self
    }
}

/// A place in an index, between two documents: it stays where it is whatever is inserted or deleted
/// around it. Opaque to clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// The key of the last document read.
    pub key: Key,
    /// Its id, which orders documents of the same key.
    pub id: String,
}

impl Cursor {
    /// As a client may carry it: letters, digits, `-` and `_`.
    pub fn encode(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(format!("{}\0{}", self.key.as_str(), self.id))
    }

    /// Reads what [`Cursor::encode`] wrote; [`Error::Invalid`] for anything else.
    pub fn decode(text: &str) -> Result<Self, Error> {
        let invalid = || Error::Invalid("the cursor is not one of ours".to_owned());
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| invalid())?;
        let text = String::from_utf8(bytes).map_err(|_| invalid())?;
        let (key, id) = text.split_once('\0').ok_or_else(invalid)?;
        Ok(Self { key: Key::from_encoded(key.to_owned()), id: id.to_owned() })
    }
}

/// Documents in the order of the scan.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// At most as many as asked for.
    pub items: Vec<T>,
    /// Where to go on; none when the scan is at its end.
    pub next: Option<Cursor>,
}

/// A committed event that still has to be published.
#[derive(Debug, Clone)]
pub struct Pending {
    /// What settles it.
    pub token: String,
    /// The event.
    pub event: Event,
}

/// Whose pending events to read.
#[derive(Debug, Clone, Copy)]
pub enum PendingScope {
    /// Those that this handle committed, oldest first.
    Mine,
    /// Anybody's that were committed before this moment: their writer has probably died.
    LeftBehind(Timestamp),
}

/// A store of documents that belongs to one service.
#[async_trait]
pub trait Documents: Send + Sync {
    /// The document of this id, if there is one.
    async fn get(&self, collection: &Collection, id: &str) -> Result<Option<Stored>, Error>;

    /// Those documents of these ids that exist, in the order asked for.
    async fn get_many(&self, collection: &Collection, ids: &[String]) -> Result<Vec<Stored>, Error>;

    /// A page of an index.
    async fn scan(&self, collection: &Collection, scan: Scan) -> Result<Page<Stored>, Error>;

    /// Changes one document and appends its events to the outbox, both or neither, durably.
    /// Returns the document's new revision.
    async fn commit(
        &self,
        collection: &Collection,
        write: Write,
        events: Vec<Event>,
    ) -> Result<Revision, Error>;

    /// Inserts a run of documents in order, durably, and stops at the first that cannot be. An `Err` means
    /// that none is known to be committed.
    async fn append_many(&self, collection: &Collection, run: Vec<Draft>) -> Result<Appended, Error>;

    /// Committed events that are not settled yet, oldest first, at most `limit`.
    async fn pending(&self, scope: PendingScope, limit: usize) -> Result<Vec<Pending>, Error>;

    /// Forgets events that were published. Settling twice is harmless.
    async fn settle(&self, tokens: &[String]) -> Result<(), Error>;

    /// Changes its value whenever this handle has committed events: the relay's nudge.
    fn committed(&self) -> watch::Receiver<Option<EventId>>;

    /// Whether the store answers, for readiness.
    async fn check(&self) -> Result<(), Error>;
}
