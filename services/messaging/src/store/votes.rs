//! Who chose what in polls: a projection of the logs and of what stands beside them, so that a vote that is changed is taken
//! from what it was, in a poll of any size.

use serde::{Deserialize, Serialize};
use tertulia_contracts::{
    ConversationId, UserId,
    messaging::{MAX_OPTIONS, Vote},
};
use tertulia_documents::{Collection, Cursor, Error, Index, Key, Page, Record, Scan};

use super::Store;

/// One person's vote in one poll; also that they took it back is kept, so that an old entry applied late cannot bring it
/// back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct VoteRecord {
    /// Where.
    pub conversation_id: ConversationId,
    /// The position of the message.
    pub message_seq: u64,
    /// Who.
    pub user_id: UserId,
    /// What they chose, ascending.
    pub options: Vec<u8>,
    /// The entry that this follows from.
    pub seq: u64,
}

/// For each option those who chose it, in the order of their votes: an index each, since a document has one key in an index.
const CHOICES: [Index; MAX_OPTIONS] = [
    Index::ordered("choice0"),
    Index::ordered("choice1"),
    Index::ordered("choice2"),
    Index::ordered("choice3"),
    Index::ordered("choice4"),
    Index::ordered("choice5"),
    Index::ordered("choice6"),
    Index::ordered("choice7"),
    Index::ordered("choice8"),
    Index::ordered("choice9"),
    Index::ordered("choice10"),
    Index::ordered("choice11"),
];

impl Record for VoteRecord {
    const COLLECTION: Collection = Collection { name: "votes", indexes: &CHOICES };

    fn id(&self) -> String {
        vote_id(self.conversation_id, self.message_seq, self.user_id)
    }

    fn keys(&self) -> Vec<(Index, Key)> {
        let place = || Key::new().display(self.conversation_id).number(self.message_seq).number(self.seq);
        let chosen = self.options.iter().filter_map(|option| CHOICES.get(usize::from(*option)));
        chosen.map(|index| (*index, place())).collect()
    }
}

pub(crate) fn vote_id(conversation: ConversationId, message_seq: u64, user: UserId) -> String {
    format!("{conversation}/{message_seq:016x}/{user}")
}

impl Store {
    /// What these people chose in the polls of these messages, as far as they ever chose anything.
    pub(crate) async fn votes_among(
        &self,
        conversation: ConversationId,
        wanted: impl IntoIterator<Item = (u64, UserId)>,
    ) -> Result<Vec<VoteRecord>, Error> {
        let ids: Vec<String> =
            wanted.into_iter().map(|(seq, user)| vote_id(conversation, seq, user)).collect();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        Ok(self.votes.get_many(&ids).await?.into_iter().map(|found| found.value).collect())
    }

    /// A page of those who chose an option, the oldest vote first.
    pub(crate) async fn votes_for(
        &self,
        conversation: ConversationId,
        message_seq: u64,
        option: u8,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page<Vote>, Error> {
        let Some(index) = CHOICES.get(usize::from(option)) else {
            return Ok(Page { items: Vec::new(), next: None });
        };
        let poll = Key::new().display(conversation).number(message_seq);
        let page = self.votes.scan(Scan::of(*index, poll, limit).after(after)).await?;
        let vote = |record: VoteRecord| Vote { user_id: record.user_id, options: record.options };
        Ok(Page { items: page.items.into_iter().map(|found| vote(found.value)).collect(), next: page.next })
    }
}
