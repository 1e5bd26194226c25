//! Hooks: ways for programs to post.

use serde::{Deserialize, Serialize};
use tertulia_contracts::{
    ConversationId, HookId, UserId,
    messaging::{Hook, MAX_HOOKS},
};
use tertulia_documents::{Collection, Error, Index, Key, Record, Scan, Versioned};
use tertulia_runtime::{Timestamp, secret::fingerprint};

use super::Store;

/// A hook that was not deleted. Nothing of it ever changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HookRecord {
    /// Its id.
    pub id: HookId,
    /// Where what comes through it is posted.
    pub conversation_id: ConversationId,
    /// Which of its conversation's places it takes: there are so many, and no more can be taken.
    pub slot: u64,
    /// Who seems to say what comes through it.
    pub name: String,
    /// The fingerprint of its secret, which nobody keeps.
    pub fingerprint: String,
    /// Who made it and answers for it.
    pub created_by: UserId,
    /// When.
    pub created_at: Timestamp,
}

/// What a secret opens. It is found by its fingerprint: how long that takes tells nothing of the secret.
const SECRET: Index = Index::unique("secret");
/// The places of a conversation's hooks.
pub(crate) const SLOT: Index = Index::unique("slot");

impl Record for HookRecord {
    const COLLECTION: Collection = Collection { name: "hooks", indexes: &[SECRET, SLOT] };

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn keys(&self) -> Vec<(Index, Key)> {
        let place = Key::new().display(self.conversation_id).number(self.slot);
        vec![(SECRET, Key::new().text(&self.fingerprint)), (SLOT, place)]
    }
}

impl HookRecord {
    /// As those see it who manage hooks.
    pub(crate) fn shown(&self) -> Hook {
        let Self { id, name, created_by, created_at, .. } = self;
        Hook { id: *id, name: name.clone(), created_by: *created_by, created_at: *created_at }
    }
}

impl Store {
    /// The hook that a secret opens.
    pub(crate) async fn hook_of(&self, secret: &str) -> Result<Option<HookRecord>, Error> {
        let key = Key::new().text(&fingerprint(secret));
        Ok(self.hooks.find(SECRET, key).await?.map(|found| found.value))
    }

    /// All hooks of a conversation.
    pub(crate) async fn hooks_of(
        &self,
        conversation: ConversationId,
    ) -> Result<Vec<Versioned<HookRecord>>, Error> {
        let scan = Scan::of(SLOT, Key::new().display(conversation), MAX_HOOKS);
        Ok(self.hooks.scan(scan).await?.items)
    }
}
