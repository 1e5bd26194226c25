//! How what calls somebody follows its log.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt, TryStreamExt, stream};
use tertulia_contracts::{ConversationId, UserId, messaging::Fact};

use super::{AT_ONCE, Keeper, messages::News, revise};
use crate::{
    Error,
    model::{callee::callees, place::entry_id},
    store::{EntryRecord, MentionRecord, mentions::mention_id},
};

impl Keeper {
    /// Notes whom messages call and call no longer. The messages themselves follow afterwards: until then they tell whom
    /// they called before, so that this can be done again from the start.
    pub(super) async fn apply_to_mentions(
        &self,
        id: ConversationId,
        of_messages: &BTreeMap<u64, News>,
    ) -> Result<(), Error> {
        let about_calls = of_messages.iter().filter(|(_, news)| news.iter().any(|(_, fact)| may_call(fact)));
        let places: Vec<String> =
            about_calls.clone().map(|(seq, _)| entry_id(&id.to_string(), *seq)).collect();
        if places.is_empty() {
            return Ok(());
        }
        let postings = self.store.entries.get_many(&places).await?;
        let postings: BTreeMap<u64, EntryRecord> =
            postings.into_iter().map(|posting| (posting.value.seq, posting.value)).collect();
        let mut writes = Vec::new();
        for (seq, news) in about_calls {
            let Some(posting) = postings.get(seq) else { continue };
            let (message, _) = posting.message()?;
            let author = message.author_id;
            let mut called = callees(&message.entities, author);
            called.extend(news.iter().flat_map(|(_, fact)| called_in(fact, author)));
            writes.extend(
                called.into_iter().map(|callee| self.apply_to_mention(id, *seq, callee, author, news)),
            );
        }
        stream::iter(writes).buffer_unordered(AT_ONCE).try_collect().await
    }

    async fn apply_to_mention(
        &self,
        id: ConversationId,
        message_seq: u64,
        callee: String,
        author: UserId,
        news: &News,
    ) -> Result<(), Error> {
        let document = mention_id(id, message_seq, &callee);
        revise(&self.store.mentions, &document, |known: Option<MentionRecord>| {
            let none = || MentionRecord::none(id, message_seq, callee.clone(), author);
            let mut mention = known.unwrap_or_else(none);
            Ok(mention.take(news).then_some(mention))
        })
        .await
    }
}

fn may_call(fact: &Fact) -> bool {
    matches!(fact, Fact::MessagePosted { .. } | Fact::MessageEdited { .. } | Fact::MessageDeleted { .. })
}

fn called_in(fact: &Fact, author: UserId) -> BTreeSet<String> {
    match fact {
        Fact::MessagePosted { message } => callees(&message.entities, author),
        Fact::MessageEdited { entities, .. } => callees(entities, author),
        _ => BTreeSet::new(),
    }
}
