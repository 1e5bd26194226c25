//! When people were last connected. Not in their logs: it is written whenever they go, and no device of theirs needs it.

use serde::{Deserialize, Serialize};
use tertulia_contracts::UserId;
use tertulia_documents::{Collection, Error, Index, Key, Record};
use tertulia_runtime::Timestamp;

use super::Store;

/// When somebody was last connected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LastSeenRecord {
    /// Who.
    pub user_id: UserId,
    /// When, to the minute. It moves forward only.
    pub at: Timestamp,
}

impl Record for LastSeenRecord {
    const COLLECTION: Collection = Collection { name: "last_seen", indexes: &[] };

    fn id(&self) -> String {
        self.user_id.to_string()
    }

    fn keys(&self) -> Vec<(Index, Key)> {
        Vec::new()
    }
}

impl Store {
    /// When these were last connected, as far as that is known.
    pub(crate) async fn last_seen_of(&self, users: &[UserId]) -> Result<Vec<LastSeenRecord>, Error> {
        let ids: Vec<String> = users.iter().map(ToString::to_string).collect();
        Ok(self.last_seen.get_many(&ids).await?.into_iter().map(|found| found.value).collect())
    }
}
