//! Messages that somebody keeps for later.

use std::collections::BTreeMap;

use futures_util::{StreamExt, TryStreamExt, stream};
use tertulia_contracts::{
    ConversationId, MessageId,
    messaging::{Message, Saved},
};
use tertulia_documents::{Cursor, Page};

use super::Messaging;
use crate::{
    Error,
    model::{
        access::{Action, Actor},
        private::{Listing, Mark, Matter, Topic},
    },
    store::PrivateRecord,
};

/// How many conversations of a list are looked at at once.
const AT_ONCE: usize = 8;

impl Messaging {
    /// Keeps a message, with this note. Again with the same note is the same.
    pub(crate) async fn save(
        &self,
        id: ConversationId,
        by: Actor,
        message: MessageId,
        note: Option<String>,
    ) -> Result<Saved, Error> {
        self.view(id, by, Action::Read).await?;
        let shown = self.still_there(id, by, &[message]).await?.pop();
        let shown = shown.ok_or(Error::NoSuchMessage)?;
        let now = self.ambient.now();
        let keep = |before: Option<&PrivateRecord>| {
            let kept = before.and_then(mark_of);
            let at = kept.map_or(now, |mark| mark.at);
            let mark = Mark { at, note: note.clone() };
            let news = kept != Some(&mark);
            Ok(news.then_some(Matter::Saved { conversation_id: id, message_id: message, mark: Some(mark) }))
        };
        let after = self.user_logs.change(by.user_id, Topic::Saved(id, message), keep).await?.after;
        let saved = after.as_ref().and_then(|record| listed(record, Some(shown)));
        saved.ok_or(Error::NoSuchMessage)
    }

    /// Keeps a message no longer. It may be gone, or out of reach: it is one's own mark that goes.
    pub(crate) async fn unsave(
        &self,
        id: ConversationId,
        by: Actor,
        message: MessageId,
    ) -> Result<(), Error> {
        let let_go = |before: Option<&PrivateRecord>| {
            let kept = before.and_then(mark_of).is_some();
            Ok(kept.then_some(Matter::Saved { conversation_id: id, message_id: message, mark: None }))
        };
        self.user_logs.change(by.user_id, Topic::Saved(id, message), let_go).await.map(drop)
    }

    /// A page of what somebody keeps, the one saved last first, each with its message while that can be read.
    pub(crate) async fn saved(
        &self,
        by: Actor,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page<Saved>, Error> {
        let page = self.store.listing(by.user_id, Listing::Saved, after, limit).await?;
        let mut wanted: BTreeMap<ConversationId, Vec<MessageId>> = BTreeMap::new();
        for record in &page.items {
            if let Matter::Saved { conversation_id, message_id, .. } = record.matter {
                wanted.entry(conversation_id).or_default().push(message_id);
            }
        }
        let found = wanted.into_iter().map(|(id, messages)| self.readable(id, by, messages));
        let found: Vec<Vec<Message>> = stream::iter(found).buffer_unordered(AT_ONCE).try_collect().await?;
        let mut messages: BTreeMap<(ConversationId, MessageId), Message> = found
            .into_iter()
            .flatten()
            .map(|message| ((message.conversation_id, message.id), message))
            .collect();
        let items = page.items.iter().filter_map(|record| {
            let Matter::Saved { conversation_id, message_id, .. } = record.matter else { return None };
            listed(record, messages.remove(&(conversation_id, message_id)))
        });
        Ok(Page { items: items.collect(), next: page.next })
    }

    /// Those of these messages that somebody may read now; none of a conversation that they may not.
    async fn readable(
        &self,
        id: ConversationId,
        by: Actor,
        messages: Vec<MessageId>,
    ) -> Result<Vec<Message>, Error> {
        match self.view(id, by, Action::Read).await {
            Ok(_) => self.still_there(id, by, &messages).await,
            Err(Error::NoSuchConversation | Error::NotAllowed(_)) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    async fn still_there(
        &self,
        id: ConversationId,
        by: Actor,
        messages: &[MessageId],
    ) -> Result<Vec<Message>, Error> {
        let postings = self.store.postings(id, messages).await?;
        let mut messages = self.seen_by(id, by.user_id, &postings).await?;
        messages.retain(|message| message.deleted_at.is_none());
        Ok(messages)
    }
}

fn mark_of(record: &PrivateRecord) -> Option<&Mark> {
    match &record.matter {
        Matter::Saved { mark, .. } => mark.as_ref(),
        _ => None,
    }
}

fn listed(record: &PrivateRecord, message: Option<Message>) -> Option<Saved> {
    let Matter::Saved { conversation_id, message_id, mark: Some(Mark { at, note }) } = record.matter.clone()
    else {
        return None;
    };
    Some(Saved { conversation_id, message_id, note, saved_at: at, message })
}
