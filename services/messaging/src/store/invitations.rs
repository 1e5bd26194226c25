//! Invitations: what was said when they were made, and how often the log shows them used.

use serde::{Deserialize, Serialize};
use tertulia_contracts::{ConversationId, InvitationId, messaging::MAX_INVITATIONS};
use tertulia_documents::{Collection, Cursor, Error, Index, Key, Page, Record, Scan, Versioned};
use tertulia_runtime::secret::fingerprint;

use super::Store;
use crate::model::invitation::Terms;

/// An invitation that was not withdrawn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct InvitationRecord {
    /// What it says.
    pub terms: Terms,
    /// The fingerprint of its code. The code itself opens a door in the name of whoever made it, so nobody keeps it:
    /// neither those who may list invitations nor a backup.
    pub fingerprint: String,
    /// Which of its conversation's places it takes: there are so many, and no more can be taken.
    pub slot: u64,
    /// How many came in by it, as of `counted_seq`.
    pub uses: u64,
    /// The newest entry that is counted.
    pub counted_seq: u64,
}

/// What a code opens.
const CODE: Index = Index::unique("code");
/// The places of a conversation's invitations.
pub(crate) const SLOT: Index = Index::unique("slot");

impl Record for InvitationRecord {
    const COLLECTION: Collection = Collection { name: "invitations", indexes: &[CODE, SLOT] };

    fn id(&self) -> String {
        self.terms.id.to_string()
    }

    fn keys(&self) -> Vec<(Index, Key)> {
        let place = Key::new().display(self.terms.conversation_id).number(self.slot);
        vec![(CODE, Key::new().text(&self.fingerprint)), (SLOT, place)]
    }
}

impl InvitationRecord {
    /// Counts the entries, ascending, that are not counted yet; says whether there were any.
    pub(crate) fn take(&mut self, entries: &[u64]) -> bool {
        let known = entries.partition_point(|seq| *seq <= self.counted_seq);
        let news = &entries[known..];
        self.uses += news.len() as u64;
        self.counted_seq = news.last().copied().unwrap_or(self.counted_seq);
        !news.is_empty()
    }
}

impl Store {
    /// The invitation that a code opens.
    pub(crate) async fn invitation_of(&self, code: &str) -> Result<Option<InvitationRecord>, Error> {
        let key = Key::new().text(&fingerprint(code));
        Ok(self.invitations.find(CODE, key).await?.map(|found| found.value))
    }

    /// Those of these invitations that there are.
    pub(crate) async fn invitations_among(
        &self,
        ids: &[InvitationId],
    ) -> Result<Vec<InvitationRecord>, Error> {
        let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
        Ok(self.invitations.get_many(&ids).await?.into_iter().map(|found| found.value).collect())
    }

    /// All invitations of a conversation.
    pub(crate) async fn all_invitations(
        &self,
        conversation: ConversationId,
    ) -> Result<Vec<Versioned<InvitationRecord>>, Error> {
        let scan = Scan::of(SLOT, Key::new().display(conversation), MAX_INVITATIONS);
        Ok(self.invitations.scan(scan).await?.items)
    }

    /// A page of a conversation's invitations, in the order of their places.
    pub(crate) async fn invitations_to(
        &self,
        conversation: ConversationId,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page<InvitationRecord>, Error> {
        let scan = Scan::of(SLOT, Key::new().display(conversation), limit).after(after);
        let page = self.invitations.scan(scan).await?;
        Ok(Page { items: page.items.into_iter().map(|found| found.value).collect(), next: page.next })
    }
}
