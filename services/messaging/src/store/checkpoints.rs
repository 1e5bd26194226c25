//! How far each writer's entries are published.

use serde::{Deserialize, Serialize};
use tertulia_documents::{Collection, Error, Index, Key, Record, Scan, Versioned};
use tertulia_runtime::Timestamp;

use super::{Store, entries::WriterId};

/// A writer's checkpoint. It exists for as long as the writer may have entries that are not published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CheckpointRecord {
    /// Whose.
    pub writer: WriterId,
    /// Every entry of theirs up to and including this count is published.
    pub published_n: u64,
    /// When they last said that they live.
    pub seen_at: Timestamp,
}

impl Record for CheckpointRecord {
    const COLLECTION: Collection = Collection { name: "checkpoints", indexes: &[] };

    fn id(&self) -> String {
        self.writer.to_string()
    }

    fn keys(&self) -> Vec<(Index, Key)> {
        Vec::new()
    }
}

impl Store {
    /// The checkpoints of writers that live or have died lately; at most `limit`.
    pub(crate) async fn checkpoints(&self, limit: usize) -> Result<Vec<Versioned<CheckpointRecord>>, Error> {
        Ok(self.checkpoints.scan(Scan::of(Index::ID, Key::new(), limit)).await?.items)
    }
}
