//! Who reacted to what: a projection of the logs, so that a writer and a reader know their own reactions to a message
//! that a million others reacted to.

use serde::{Deserialize, Serialize};
use tertulia_contracts::{ConversationId, UserId, messaging::Fact};
use tertulia_documents::{Collection, Error, Index, Key, Record};

use super::Store;

/// One person's reactions to one message; also that there are none any more is kept, so that an old fact applied late
/// cannot bring one back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ReactionRecord {
    /// Where.
    pub conversation_id: ConversationId,
    /// The position of the message.
    pub message_seq: u64,
    /// Who.
    pub user_id: UserId,
    /// With what.
    pub emoji: Vec<String>,
    /// The entry that this follows from.
    pub changed_seq: u64,
}

impl Record for ReactionRecord {
    const COLLECTION: Collection = Collection { name: "reactions", indexes: &[] };

    fn id(&self) -> String {
        reaction_id(self.conversation_id, self.message_seq, self.user_id)
    }

    fn keys(&self) -> Vec<(Index, Key)> {
        Vec::new()
    }
}

impl ReactionRecord {
    /// No reactions yet.
    pub(crate) fn none(conversation_id: ConversationId, message_seq: u64, user_id: UserId) -> Self {
        Self { conversation_id, message_seq, user_id, emoji: Vec::new(), changed_seq: 0 }
    }

    /// Takes what the log says of them, ascending; whether that was news.
    pub(crate) fn take(&mut self, news: &[(u64, Fact)]) -> bool {
        let before = self.changed_seq;
        for (seq, fact) in news.iter().filter(|(seq, _)| *seq > before) {
            toggle(&mut self.emoji, fact);
            self.changed_seq = *seq;
        }
        self.changed_seq > before
    }
}

/// Folds a fact into somebody's own reactions to a message.
pub(crate) fn toggle(own: &mut Vec<String>, fact: &Fact) {
    match fact {
        Fact::ReactionSet { emoji, .. } => own.push(emoji.clone()),
        Fact::ReactionRemoved { emoji, .. } => own.retain(|it| it != emoji),
        _ => {}
    }
}

pub(crate) fn reaction_id(conversation: ConversationId, message_seq: u64, user: UserId) -> String {
    format!("{conversation}/{message_seq:016x}/{user}")
}

impl Store {
    /// What these people's reactions to these messages are, as far as they ever had any.
    pub(crate) async fn reactions_among(
        &self,
        conversation: ConversationId,
        wanted: impl IntoIterator<Item = (u64, UserId)>,
    ) -> Result<Vec<ReactionRecord>, Error> {
        let ids: Vec<String> =
            wanted.into_iter().map(|(seq, user)| reaction_id(conversation, seq, user)).collect();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        Ok(self.reactions.get_many(&ids).await?.into_iter().map(|found| found.value).collect())
    }
}
