//! What the cases share: the collections they use and short ways to make documents and events.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json, value::to_raw_value};
use tertulia_runtime::{
    Ambient, Event, EventBody,
    testkit::{FrozenClock, frozen},
};

use super::Store;
use crate::{Collection, Documents, Draft, Error, Index, Key, Revision, Stored, Write};

pub(super) const NAME: Index = Index::unique("name");
pub(super) const PLACE: Index = Index::unique("place");
pub(super) const GROUP: Index = Index::ordered("group");

/// What most cases write to.
pub const THINGS: Collection = Collection { name: "things", indexes: &[NAME, PLACE, GROUP] };
pub(super) const OTHERS: Collection = Collection { name: "other_things", indexes: &[NAME] };

/// What a store under test is opened with.
pub const COLLECTIONS: &[Collection] = &[THINGS, OTHERS];

/// A store, a handle on it, and time that stands still.
pub(super) struct Fixture {
    pub(super) store: Arc<dyn Store>,
    pub(super) documents: Arc<dyn Documents>,
    pub(super) ambient: Ambient,
    pub(super) clock: Arc<FrozenClock>,
}

impl Fixture {
    pub(super) async fn new(store: Arc<dyn Store>) -> Self {
        let (ambient, clock) = frozen(7);
        let documents = store.open(&ambient).await.expect("an empty store opens");
        Self { store, documents, ambient, clock }
    }

    pub(super) async fn another_handle(&self) -> Arc<dyn Documents> {
        self.store.open(&self.ambient).await.expect("a store opens twice")
    }

    pub(super) fn event(&self, number: u64) -> Event {
        event(&self.ambient, number)
    }

    pub(super) async fn insert(&self, draft: Draft) -> Result<Revision, Error> {
        self.documents.commit(&THINGS, Write::Insert(draft), Vec::new()).await
    }

    pub(super) async fn replace(&self, draft: Draft, revision: Revision) -> Result<Revision, Error> {
        self.documents.commit(&THINGS, Write::Replace(draft, revision), Vec::new()).await
    }

    pub(super) async fn delete(&self, id: &str, revision: Revision) -> Result<Revision, Error> {
        self.documents.commit(&THINGS, Write::Delete(id.to_owned(), revision), Vec::new()).await
    }

    pub(super) async fn get(&self, id: &str) -> Option<Stored> {
        self.documents.get(&THINGS, id).await.expect("a store that answers is read")
    }

    /// The number in the body of a document made by [`thing`], if it is there.
    pub(super) async fn number(&self, id: &str) -> Option<u64> {
        self.get(id).await.map(|stored| {
            let body: Value = serde_json::from_str(stored.body.get()).expect("a body is JSON");
            body["number"].as_u64().expect("a thing has a number")
        })
    }
}

/// A document without keys.
#[expect(clippy::missing_panics_doc, reason = "a number in an object always encodes")]
pub fn thing(id: &str, number: u64) -> Draft {
    let body = to_raw_value(&json!({ "number": number })).expect("plain data encodes");
    Draft { id: id.to_owned(), keys: Vec::new(), body }
}

pub(super) fn keyed(id: &str, number: u64, keys: &[(Index, Key)]) -> Draft {
    Draft { keys: keys.to_vec(), ..thing(id, number) }
}

pub(super) fn key(text: &str) -> Key {
    Key::new().text(text)
}

#[derive(Serialize, Deserialize)]
struct ThingTold {
    number: u64,
}

impl EventBody for ThingTold {
    const TYPE: &'static str = "thing.told";

    fn partition_key(&self) -> String {
        "things".to_owned()
    }
}

/// An event that carries a number.
pub fn event(ambient: &Ambient, number: u64) -> Event {
    Event::new(ambient, "/conformance", &ThingTold { number })
}
