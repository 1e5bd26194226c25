//! Which messages disappear when: a projection of the logs, and the list of what somebody has to look after.

use serde::{Deserialize, Serialize};
use tertulia_contracts::{ConversationId, MessageId, UserId};
use tertulia_documents::{Collection, Error, Index, Key, Record, Scan};
use tertulia_runtime::Timestamp;

use super::Store;

/// A message that has not disappeared yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ExpiryRecord {
    /// Where.
    pub conversation_id: ConversationId,
    /// Its position.
    pub message_seq: u64,
    /// Which.
    pub message_id: MessageId,
    /// Who wrote it, in whose name it disappears.
    pub author_id: UserId,
    /// When it does.
    pub at: Timestamp,
}

/// All of them, by when.
const DUE: Index = Index::ordered("due");
/// Those of a conversation, by when.
const HERE: Index = Index::ordered("here");

impl Record for ExpiryRecord {
    const COLLECTION: Collection = Collection { name: "expiries", indexes: &[DUE, HERE] };

    fn id(&self) -> String {
        expiry_id(self.conversation_id, self.message_seq)
    }

    fn keys(&self) -> Vec<(Index, Key)> {
        let here = Key::new().display(self.conversation_id);
        vec![(DUE, Key::new().number(millis(self.at))), (HERE, here.number(millis(self.at)))]
    }
}

pub(crate) fn expiry_id(conversation: ConversationId, message_seq: u64) -> String {
    format!("{conversation}/{message_seq:016x}")
}

fn millis(at: Timestamp) -> u64 {
    u64::try_from(at.as_millis()).unwrap_or(0)
}

impl Store {
    /// What is to disappear by this moment, in one conversation or in all, what was due first first.
    pub(crate) async fn expired(
        &self,
        place: Option<ConversationId>,
        at: Timestamp,
        limit: usize,
    ) -> Result<Vec<ExpiryRecord>, Error> {
        let (index, all) = match place {
            Some(conversation) => (HERE, Key::new().display(conversation)),
            None => (DUE, Key::new()),
        };
        let past = all.clone().number(millis(at).saturating_add(1));
        let page = self.expiries.scan(Scan::of(index, all, limit).to(past)).await?;
        Ok(page.items.into_iter().map(|found| found.value).collect())
    }

    /// When the next message disappears.
    pub(crate) async fn next_expiry(&self) -> Result<Option<Timestamp>, Error> {
        let first = self.expiries.scan(Scan::of(DUE, Key::new(), 1)).await?.items.pop();
        Ok(first.map(|found| found.value.at))
    }

    /// Forgets that a message is to disappear, once it has.
    pub(crate) async fn forget_expiry(
        &self,
        conversation: ConversationId,
        message_seq: u64,
    ) -> Result<(), Error> {
        let id = expiry_id(conversation, message_seq);
        let Some(found) = self.expiries.get(&id).await? else { return Ok(()) };
        match self.expiries.delete(&id, found.revision, Vec::new()).await {
            // Somebody else forgets the same.
            Ok(()) | Err(Error::Conflict { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
