//! How votes follow their log, and what stands beside it.

use std::collections::BTreeMap;

use futures_util::{StreamExt, TryStreamExt, stream};
use tertulia_contracts::{ConversationId, UserId};

use super::{AT_ONCE, Keeper, revise};
use crate::{
    Error,
    model::poll::Ballot,
    store::{VoteRecord, votes::vote_id},
};

impl Keeper {
    /// Shows each person's newest vote of these, ascending, where the documents show none that is newer.
    pub(super) async fn apply_to_votes(
        &self,
        id: ConversationId,
        ballots: Vec<(u64, u64, Ballot)>,
    ) -> Result<(), Error> {
        let mut newest: BTreeMap<(u64, UserId), (u64, Ballot)> = BTreeMap::new();
        for (seq, message_seq, ballot) in ballots {
            newest.insert((message_seq, ballot.user_id), (seq, ballot));
        }
        let votes = newest.into_iter().map(|((message_seq, user_id), (seq, ballot))| VoteRecord {
            conversation_id: id,
            message_seq,
            user_id,
            options: ballot.options,
            seq,
        });
        let writes = votes.map(|vote| self.apply_vote(vote));
        stream::iter(writes).buffer_unordered(AT_ONCE).try_collect().await
    }

    async fn apply_vote(&self, vote: VoteRecord) -> Result<(), Error> {
        let document = vote_id(vote.conversation_id, vote.message_seq, vote.user_id);
        revise(&self.store.votes, &document, |known: Option<VoteRecord>| {
            let is_news = known.is_none_or(|known| known.seq < vote.seq);
            Ok(is_news.then(|| vote.clone()))
        })
        .await
    }
}
