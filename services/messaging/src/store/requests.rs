//! Wishes to be let in. They are between one person and those who decide, so no log tells of them.

use serde::{Deserialize, Serialize};
use tertulia_contracts::{ConversationId, UserId, messaging::JoinRequest};
use tertulia_documents::{Collection, Cursor, Error, Index, Key, Page, Record, Scan, Versioned};
use tertulia_runtime::{Timestamp, event::EventId};

use super::{Store, members::member_id};
use crate::model::invitation::Invited;

/// Somebody's wish to be let in: one for each person and conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RequestRecord {
    /// Where.
    pub conversation_id: ConversationId,
    /// Who.
    pub user_id: UserId,
    /// What they say.
    pub note: Option<String>,
    /// Since when.
    pub asked_at: Timestamp,
    /// When it was declined; kept so that it is not asked again at once.
    pub declined_at: Option<Timestamp>,
    /// What a refusal is told under, once.
    pub told_as: EventId,
    /// By what invitation they ask, if by one.
    #[serde(default)]
    pub invited: Option<Invited>,
}

/// A conversation's wishes that wait for a decision, by age.
const WAITING: Index = Index::ordered("waiting");

/// Somebody's wishes, also declined ones.
pub(super) const WHOSE: Index = Index::unique("whose");

impl Record for RequestRecord {
    const COLLECTION: Collection = Collection { name: "requests", indexes: &[WAITING, WHOSE] };

    fn id(&self) -> String {
        member_id(self.conversation_id, self.user_id)
    }

    fn keys(&self) -> Vec<(Index, Key)> {
        let asked = u64::try_from(self.asked_at.as_millis()).unwrap_or(0);
        let key = Key::new().display(self.conversation_id).number(asked);
        let whose = (WHOSE, Key::new().display(self.user_id).display(self.conversation_id));
        let waiting = self.declined_at.is_none().then_some((WAITING, key));
        [whose].into_iter().chain(waiting).collect()
    }
}

impl RequestRecord {
    /// As it is shown.
    pub(crate) fn shown(self) -> JoinRequest {
        let Self { conversation_id, user_id, note, asked_at, invited, .. } = self;
        let invitation_id = invited.map(|invited| invited.invitation_id);
        JoinRequest { conversation_id, user_id, note, asked_at, invitation_id }
    }
}

impl Store {
    /// Somebody's wish, also a declined one.
    pub(crate) async fn request(
        &self,
        conversation: ConversationId,
        user: UserId,
    ) -> Result<Option<Versioned<RequestRecord>>, Error> {
        self.requests.get(&member_id(conversation, user)).await
    }

    /// A page of the wishes that wait for a decision, the oldest first.
    pub(crate) async fn requests_to(
        &self,
        conversation: ConversationId,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page<RequestRecord>, Error> {
        let scan = Scan::of(WAITING, Key::new().display(conversation), limit).after(after);
        let page = self.requests.scan(scan).await?;
        Ok(Page { items: page.items.into_iter().map(|found| found.value).collect(), next: page.next })
    }
}
