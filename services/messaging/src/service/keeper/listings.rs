//! How the directory's index follows the logs.

use futures_util::{StreamExt, TryStreamExt, stream};
use tertulia_contracts::messaging::{ConversationKind, Fact};

use super::{AT_ONCE, Keeper, revise};
use crate::{
    Error,
    model::listing::name,
    store::{ConversationRecord, ListingRecord, listings::listing_id},
};

/// Whether a fact may change what a channel is found by.
pub(super) fn is_about_listing(fact: &Fact) -> bool {
    matches!(
        fact,
        Fact::ConversationCreated { .. }
            | Fact::ConversationUpdated { .. }
            | Fact::ConversationArchived { .. }
            | Fact::ConversationUnarchived { .. }
    )
}

impl Keeper {
    /// Lists a channel under what it is found by as of `seq`, and under nothing else.
    pub(super) async fn list(&self, conversation: &ConversationRecord, seq: u64) -> Result<(), Error> {
        if conversation.charter.kind != ConversationKind::Channel {
            return Ok(());
        }
        let terms = conversation.terms();
        let places = terms.len().max(self.store.places_used_by(conversation.id).await?);
        let handle = conversation.charter.handle.as_deref();
        let writes = (0..places).map(|place| {
            let after = ListingRecord {
                conversation_id: conversation.id,
                place,
                term: terms.get(place).cloned(),
                name: name(handle, &conversation.settings),
                created_at: conversation.charter.created_at,
                seq,
            };
            self.list_at(after)
        });
        stream::iter(writes).buffer_unordered(AT_ONCE).try_collect().await
    }

    async fn list_at(&self, after: ListingRecord) -> Result<(), Error> {
        let id = listing_id(after.conversation_id, after.place);
        revise(&self.store.listings, &id, |before: Option<ListingRecord>| {
            Ok(before.is_none_or(|before| before.seq < after.seq).then(|| after.clone()))
        })
        .await
    }
}
