//! Conversations.

use serde::{Deserialize, Serialize};
use tertulia_contracts::{
    ConversationId, UserId,
    messaging::Filters,
    permissions::{Action, Place, Seat, decide as permitted},
};
use tertulia_documents::{Collection, Error, Index, Key, Record, Scan, Versioned};

use super::Store;
use crate::model::{
    founding::Charter,
    membership::{Step, owner_after},
    message::Pinned,
};

/// A conversation, besides its log. Its insertion is the moment it comes into being.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ConversationRecord {
    /// Its id.
    pub id: ConversationId,
    /// What it was founded with.
    pub charter: Charter,
    /// Its title, as of `applied_seq`.
    pub title: Option<String>,
    /// What is pinned in it, as of `applied_seq`.
    #[serde(default)]
    pub pins: Vec<Pinned>,
    /// Who owns it, as of `applied_seq`.
    #[serde(default)]
    pub owner: Option<UserId>,
    /// Which words and links are kept out of it, as of `applied_seq`.
    #[serde(default)]
    pub filters: Filters,
    /// The newest change in its log that its documents show; 0 before its founding is written.
    pub applied_seq: u64,
}

/// One direct conversation per pair.
const DIRECT: Index = Index::unique("direct");
/// One channel per handle.
pub(crate) const HANDLE: Index = Index::unique("handle");
/// Conversations whose founding is not wholly written.
const UNFOUNDED: Index = Index::ordered("unfounded");

impl Record for ConversationRecord {
    const COLLECTION: Collection =
        Collection { name: "conversations", indexes: &[DIRECT, HANDLE, UNFOUNDED] };

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn keys(&self) -> Vec<(Index, Key)> {
        let direct = self.charter.pair().map(|pair| (DIRECT, pair_key(pair)));
        let handle = self.charter.handle.as_ref().map(|handle| (HANDLE, Key::new().text(handle)));
        let unfounded = (!self.is_founded()).then(|| (UNFOUNDED, Key::new().display(self.id)));
        [direct, handle, unfounded].into_iter().flatten().collect()
    }
}

impl ConversationRecord {
    /// Whether its founding is wholly written and shown.
    pub(crate) fn is_founded(&self) -> bool {
        self.applied_seq >= self.charter.founding_entries()
    }

    /// Moves on by a step of somebody.
    pub(crate) fn take(&mut self, user: UserId, step: &Step) {
        let place = Place::of(self.charter.kind, self.charter.visibility);
        let owns = |role| permitted(&Seat::of(Some(role)), Action::TransferOwnership, place).is_ok();
        self.owner = owner_after(self.owner, user, step, owns);
    }
}

fn pair_key((one, other): (UserId, UserId)) -> Key {
    Key::new().display(one).display(other)
}

impl Store {
    /// A conversation.
    pub(crate) async fn conversation(
        &self,
        id: ConversationId,
    ) -> Result<Option<Versioned<ConversationRecord>>, Error> {
        self.conversations.get(&id.to_string()).await
    }

    /// The direct conversation of a pair.
    pub(crate) async fn direct(&self, pair: (UserId, UserId)) -> Result<Option<ConversationRecord>, Error> {
        Ok(self.conversations.find(DIRECT, pair_key(pair)).await?.map(|found| found.value))
    }

    /// Conversations whose maker crashed in the middle of founding them, or is at it.
    pub(crate) async fn unfounded(&self, limit: usize) -> Result<Vec<ConversationRecord>, Error> {
        let page = self.conversations.scan(Scan::of(UNFOUNDED, Key::new(), limit)).await?;
        Ok(page.items.into_iter().map(|found| found.value).collect())
    }
}
