//! How messages follow their log.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt, TryStreamExt, stream};
use tertulia_contracts::{ConversationId, UserId, messaging::Fact};
use tertulia_documents::Record as _;

use super::{AT_ONCE, Keeper, revise};
use crate::{
    Error,
    model::{place::entry_id, thread::root_seq},
    store::{EntryRecord, ReactionRecord, reactions::reaction_id},
};

/// What a log says of one document, ascending.
pub(super) type News = Vec<(u64, Fact)>;

impl Keeper {
    /// Shows in messages and in people's own reactions what a log says of them, and takes what deleted messages said
    /// out of the log.
    pub(super) async fn apply_to_messages(&self, id: ConversationId, news: News) -> Result<(), Error> {
        let mut of_messages: BTreeMap<u64, News> = BTreeMap::new();
        let mut of_people: BTreeMap<(u64, UserId), News> = BTreeMap::new();
        let mut deleted = BTreeSet::new();
        let mut roots = BTreeSet::new();
        for (seq, fact) in news {
            match fact {
                Fact::ReactionSet { message_seq, by, .. } | Fact::ReactionRemoved { message_seq, by, .. } => {
                    of_people.entry((message_seq, by)).or_default().push((seq, fact.clone()));
                    of_messages.entry(message_seq).or_default().push((seq, fact));
                }
                Fact::MessageDeleted { message_seq, .. } => {
                    deleted.insert(message_seq);
                    of_messages.entry(message_seq).or_default().push((seq, fact));
                }
                Fact::MessageEdited { message_seq, .. }
                | Fact::PollVoted { message_seq, .. }
                | Fact::PollClosed { message_seq, .. } => {
                    of_messages.entry(message_seq).or_default().push((seq, fact));
                }
                Fact::MessagePosted { ref message } => {
                    roots.extend(root_seq(message));
                    of_messages.entry(seq).or_default().push((seq, fact));
                }
                _ => {}
            }
        }
        let owner = &id.to_string();
        self.apply_to_mentions(id, &of_messages).await?;
        self.apply_to_expiries(id, &of_messages).await?;
        let messages = of_messages.into_iter().map(|(seq, news)| self.apply_to_message(owner, seq, news));
        stream::iter(messages).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
        let roots = roots.into_iter().map(|seq| self.mark_root(owner, seq));
        stream::iter(roots).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
        let people = of_people.into_iter().map(|(whose, news)| self.apply_to_reactions(id, whose, news));
        stream::iter(people).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
        for message_seq in deleted {
            self.erase_edits(owner, message_seq).await?;
        }
        Ok(())
    }

    async fn apply_to_message(&self, owner: &str, seq: u64, news: News) -> Result<(), Error> {
        revise(&self.store.entries, &entry_id(owner, seq), |posting: Option<EntryRecord>| {
            let Some(mut posting) = posting else { return Ok(None) };
            Ok(posting.take(&news)?.then_some(posting))
        })
        .await
    }

    async fn mark_root(&self, owner: &str, seq: u64) -> Result<(), Error> {
        revise(&self.store.entries, &entry_id(owner, seq), |root: Option<EntryRecord>| {
            let unmarked = root.filter(|root| !root.has_thread);
            Ok(unmarked.map(|root| EntryRecord { has_thread: true, ..root }))
        })
        .await
    }

    async fn apply_to_reactions(
        &self,
        id: ConversationId,
        (message_seq, user): (u64, UserId),
        news: News,
    ) -> Result<(), Error> {
        let document = reaction_id(id, message_seq, user);
        revise(&self.store.reactions, &document, |own: Option<ReactionRecord>| {
            let mut own = own.unwrap_or_else(|| ReactionRecord::none(id, message_seq, user));
            Ok(own.take(&news).then_some(own))
        })
        .await
    }

    async fn erase_edits(&self, owner: &str, message_seq: u64) -> Result<(), Error> {
        for edit in self.store.edits_of(owner, message_seq).await? {
            revise(&self.store.entries, &edit.id(), |edit: Option<EntryRecord>| {
                let Some(mut edit) = edit else { return Ok(None) };
                Ok(edit.erase_edit()?.then_some(edit))
            })
            .await?;
        }
        Ok(())
    }
}
