//! `MemoryDocuments` under test: simulations are only as honest as the store they run on.

use std::sync::Arc;

use async_trait::async_trait;
use tertulia_documents::{
    Collection, Documents, Error, MemoryStore,
    conformance::{COLLECTIONS, Store},
};
use tertulia_runtime::Ambient;

struct InMemory(MemoryStore);

/// An empty one.
pub(crate) fn store() -> Arc<dyn Store> {
    Arc::new(InMemory(MemoryStore::new(COLLECTIONS)))
}

#[async_trait]
impl Store for InMemory {
    async fn open(&self, ambient: &Ambient) -> Result<Arc<dyn Documents>, Error> {
        Ok(Arc::new(self.0.open(ambient)))
    }

    async fn damage(&self, collection: &Collection, id: &str) {
        assert!(self.0.damage(collection, id), "the document is there");
    }
}
