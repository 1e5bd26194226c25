//! How it follows a log which messages are to disappear.

use std::collections::BTreeMap;

use tertulia_contracts::{ConversationId, messaging::Fact};

use super::{Keeper, messages::News, revise};
use crate::{
    Error,
    store::{ExpiryRecord, expiries::expiry_id},
};

impl Keeper {
    /// Remembers which of these messages are to disappear, and forgets those that have. What is remembered late, after it
    /// was forgotten, is forgotten again by whoever finds nothing to delete.
    pub(super) async fn apply_to_expiries(
        &self,
        id: ConversationId,
        of_messages: &BTreeMap<u64, News>,
    ) -> Result<(), Error> {
        for (seq, news) in of_messages {
            let is_deleted = news.iter().any(|(_, fact)| matches!(fact, Fact::MessageDeleted { .. }));
            let expiry = news.iter().find_map(|(_, fact)| expiry_of(id, fact));
            match expiry {
                Some(expiry) if !is_deleted => {
                    revise(&self.store.expiries, &expiry_id(id, *seq), |known: Option<ExpiryRecord>| {
                        Ok(known.is_none().then(|| expiry.clone()))
                    })
                    .await?;
                }
                _ if is_deleted => self.store.forget_expiry(id, *seq).await?,
                _ => {}
            }
        }
        Ok(())
    }
}

fn expiry_of(conversation_id: ConversationId, fact: &Fact) -> Option<ExpiryRecord> {
    let Fact::MessagePosted { message } = fact else { return None };
    let (message_id, message_seq, author_id) = (message.id, message.seq, message.author_id);
    Some(ExpiryRecord { conversation_id, message_seq, message_id, author_id, at: message.expires_at? })
}
