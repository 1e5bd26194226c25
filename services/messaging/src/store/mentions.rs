//! Who is called by what: a projection of the logs, so that what calls a member behind their cursor is counted without
//! reading what was said. A message that calls everyone is one document, as one that calls a person.

use serde::{Deserialize, Serialize};
use tertulia_contracts::{
    ConversationId, UserId,
    messaging::{Fact, MAX_COUNTED_MENTIONS},
};
use tertulia_documents::{Collection, Error, Index, Key, Record, Scan};

use super::Store;
use crate::model::callee::calls_since;

/// That a message calls somebody; also that it does so no longer is kept, so that an old fact applied late cannot
/// bring it back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MentionRecord {
    /// Where.
    pub conversation_id: ConversationId,
    /// The position of the message.
    pub message_seq: u64,
    /// Whom it calls: a user's id, or a word for many.
    pub callee: String,
    /// Who wrote it.
    pub author_id: UserId,
    /// The entry since which it calls them; none if it does not.
    pub since: Option<u64>,
    /// The newest entry that this follows from.
    pub changed_seq: u64,
}

/// What calls somebody in a conversation, in the order in which it began to.
const CALLS: Index = Index::ordered("calls");

impl Record for MentionRecord {
    const COLLECTION: Collection = Collection { name: "mentions", indexes: &[CALLS] };

    fn id(&self) -> String {
        mention_id(self.conversation_id, self.message_seq, &self.callee)
    }

    fn keys(&self) -> Vec<(Index, Key)> {
        let place = || Key::new().display(self.conversation_id).text(&self.callee);
        self.since.map(|since| (CALLS, place().number(since))).into_iter().collect()
    }
}

impl MentionRecord {
    /// Nobody is called yet.
    pub(crate) fn none(id: ConversationId, message_seq: u64, callee: String, author_id: UserId) -> Self {
        Self { conversation_id: id, message_seq, callee, author_id, since: None, changed_seq: 0 }
    }

    /// Takes what the log says of the message, ascending; whether that was news.
    pub(crate) fn take(&mut self, news: &[(u64, Fact)]) -> bool {
        let before = self.changed_seq;
        for (seq, fact) in news.iter().filter(|(seq, _)| *seq > before) {
            self.since = calls_since(self.since, *seq, fact, &self.callee, self.author_id);
            self.changed_seq = *seq;
        }
        self.changed_seq > before
    }
}

pub(crate) fn mention_id(conversation: ConversationId, message_seq: u64, callee: &str) -> String {
    format!("{conversation}/{message_seq:016x}/{callee}")
}

impl Store {
    /// The first messages that call so since an entry behind this position, at most [`MAX_COUNTED_MENTIONS`].
    pub(crate) async fn calls_after(
        &self,
        conversation: ConversationId,
        callee: String,
        seq: u64,
    ) -> Result<Vec<MentionRecord>, Error> {
        let place = Key::new().display(conversation).text(&callee);
        let from = place.clone().number(seq.saturating_add(1));
        let page = self.mentions.scan(Scan::of(CALLS, place, MAX_COUNTED_MENTIONS).from(from)).await?;
        Ok(page.items.into_iter().map(|found| found.value).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tertulia_contracts::messaging::{Entity, EntityKind, Message, PostMessage};
    use tertulia_runtime::{Id, Timestamp};
    use ulid::Ulid;

    fn user(number: u64) -> UserId {
        Id::from_ulid(Ulid::from_parts(number, 0))
    }

    fn entities(calls: bool) -> Vec<Entity> {
        let what = if calls { EntityKind::Mention { user_id: user(2) } } else { EntityKind::Code };
        vec![Entity { offset: 0, length: 1, what }]
    }

    /// A message by user 1 as a log tells it: posted, then edited, calling user 2 or not, then perhaps deleted.
    fn history(calls: &[bool], deleted: bool) -> Vec<(u64, Fact)> {
        let client_id = Ulid::from_parts(9, 9);
        let post = PostMessage::new(client_id, "x".to_owned());
        let (id, c, at) = (Id::from_ulid(client_id), Id::from_ulid(client_id), Timestamp::EPOCH);
        let posted = Message::posted(id, c, 1, user(1), post, at);
        let (message_id, message_seq, by) = (id, 1, user(1));
        let facts = calls.iter().enumerate().map(|(index, calls)| {
            let entities = entities(*calls);
            if index == 0 {
                return Fact::MessagePosted { message: Message { entities, ..posted.clone() } };
            }
            Fact::MessageEdited { message_id, message_seq, body: "x".to_owned(), entities, by, at }
        });
        let deletion = deleted.then_some(Fact::MessageDeleted { message_id, message_seq, by, at });
        (1..).zip(facts.chain(deletion)).collect()
    }

    proptest! {
        /// Two processes apply parts of one log, each in its order, one perhaps behind the other or twice.
        #[test]
        fn a_call_counts_from_the_entry_that_added_it_however_its_log_is_applied(
            calls in prop::collection::vec(any::<bool>(), 1..12),
            deleted in any::<bool>(),
            again in prop::collection::vec(0_usize..12, 0..4),
        ) {
            let history = history(&calls, deleted);
            let mut added = None;
            for (seq, calls) in (1_u64..).zip(&calls) {
                added = if *calls { added.or(Some(seq)) } else { None };
            }
            let naive = added.filter(|_| !deleted);

            let id = Id::from_ulid(Ulid::nil());
            let mut mention = MentionRecord::none(id, 1, user(2).to_string(), user(1));
            let mut upto = 0;
            for next in again.into_iter().chain([history.len()]) {
                let next = next.min(history.len());
                mention.take(&history[next.min(upto)..next]);
                upto = upto.max(next);
            }
            prop_assert_eq!(mention.since, naive);
            prop_assert!(!mention.take(&history), "again is the same");
            prop_assert_eq!(mention.keys().len(), usize::from(naive.is_some()));
        }
    }
}
