//! Drafts: what somebody is about to say, the same on all their devices.

use tertulia_contracts::{
    ConversationId,
    messaging::{Draft, PutDraft},
};
use tertulia_documents::{Cursor, Page};

use super::Messaging;
use crate::{
    Error,
    model::{
        access::{Action, Actor},
        private::{Listing, Matter, Topic, Words},
    },
    store::PrivateRecord,
};

impl Messaging {
    /// Puts a draft in the place of the one it names. Words without any are none. Again is the same.
    pub(crate) async fn put_draft(
        &self,
        id: ConversationId,
        by: Actor,
        put: PutDraft,
    ) -> Result<Option<Draft>, Error> {
        self.view(id, by, Action::Read).await?;
        let PutDraft { body, reply_to, revision } = put;
        let empty = body.trim().is_empty() && reply_to.is_none();
        let words = (!empty).then_some(Words { body, reply_to });
        let after = self.set_draft(id, by, words, |there| there == revision).await?;
        Ok(after.and_then(|record| shown(&record)))
    }

    /// Takes a draft away: the one of this revision, or whichever there is. It need not be one of a conversation that its
    /// author may still read.
    pub(crate) async fn delete_draft(
        &self,
        id: ConversationId,
        by: Actor,
        revision: Option<u64>,
    ) -> Result<(), Error> {
        self.set_draft(id, by, None, |there| revision.is_none() || there == revision).await.map(drop)
    }

    async fn set_draft(
        &self,
        conversation_id: ConversationId,
        by: Actor,
        words: Option<Words>,
        fits: impl Fn(Option<u64>) -> bool,
    ) -> Result<Option<PrivateRecord>, Error> {
        let change = |before: Option<&PrivateRecord>| {
            let there = before.and_then(|record| words_of(record).map(|words| (record.useq, words)));
            if there.map(|(_, words)| words) == words.as_ref() {
                return Ok(None);
            }
            if !fits(there.map(|(revision, _)| revision)) {
                return Err(Error::DraftChanged);
            }
            Ok(Some(Matter::Draft { conversation_id, words: words.clone() }))
        };
        Ok(self.user_logs.change(by.user_id, Topic::Draft(conversation_id), change).await?.after)
    }

    /// The draft somebody has in a conversation.
    pub(crate) async fn draft(&self, id: ConversationId, by: Actor) -> Result<Draft, Error> {
        self.view(id, by, Action::Read).await?;
        let found = self.store.private(by.user_id, Topic::Draft(id)).await?;
        found.as_ref().and_then(shown).ok_or(Error::NoSuchDraft)
    }

    /// A page of somebody's drafts, the one begun last first.
    pub(crate) async fn drafts(
        &self,
        by: Actor,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page<Draft>, Error> {
        let page = self.store.listing(by.user_id, Listing::Drafts, after, limit).await?;
        Ok(Page { items: page.items.iter().filter_map(shown).collect(), next: page.next })
    }
}

fn words_of(record: &PrivateRecord) -> Option<&Words> {
    match &record.matter {
        Matter::Draft { words, .. } => words.as_ref(),
        _ => None,
    }
}

fn shown(record: &PrivateRecord) -> Option<Draft> {
    let Matter::Draft { conversation_id, words: Some(Words { body, reply_to }) } = record.matter.clone()
    else {
        return None;
    };
    Some(Draft { conversation_id, body, reply_to, revision: record.useq, updated_at: record.at })
}
