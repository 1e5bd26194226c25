//! Posting and reading.

use std::collections::BTreeSet;

use tertulia_contracts::{
    ConversationId, UserId,
    live::RawEntry,
    messaging::{Message, PostMessage, Quoted},
};
use tertulia_documents::Error as StoreError;

use super::{
    Messaging,
    writer::{Answer, Request},
};
use crate::{
    Error,
    model::{
        access::{Action, Actor},
        quote::cut,
    },
    store::{EntryRecord, entries::Span},
};

/// A page of messages.
pub(crate) struct MessagePage {
    /// Ascending.
    pub messages: Vec<Message>,
    /// Where the next page in the same direction lies; none at the end of the log.
    pub next: Option<Span>,
}

/// A page of a log, its facts still encoded.
pub(crate) struct LogPage {
    /// Ascending.
    pub entries: Vec<RawEntry>,
    /// The newest position when the page was read.
    pub head_seq: u64,
}

impl Messaging {
    /// Posts a message, once, however often it is asked for.
    pub(crate) async fn post(
        &self,
        id: ConversationId,
        author: Actor,
        post: PostMessage,
    ) -> Result<Answer, Error> {
        let rests = post.forward.is_some() || post.quote.is_some() || post.poll.is_some();
        if rests && let Some(first) = self.first_result(id, author, &post).await? {
            return self.without_the_past(id, first).await;
        }
        if let Some(forward) = post.forward {
            return self.pass_on(id, author, post, forward).await;
        }
        let markup = self.markup(&post.body).await?;
        let answer = self.writers.write(id, author, Request::Post(post, markup)).await?;
        self.without_the_past(id, answer).await
    }

    /// A page of the messages of a conversation that are in no thread.
    pub(crate) async fn messages(
        &self,
        id: ConversationId,
        by: Actor,
        span: Span,
        limit: usize,
    ) -> Result<MessagePage, Error> {
        self.view(id, by, Action::Read).await?;
        self.messages_in(&id.to_string(), id, by, (span, limit)).await
    }

    /// A page of the messages of a place in a conversation: of itself, or of a thread.
    pub(super) async fn messages_in(
        &self,
        place: &str,
        id: ConversationId,
        by: Actor,
        (span, limit): (Span, usize),
    ) -> Result<MessagePage, Error> {
        // One more than asked for shows whether the page is the last.
        let mut entries = self.store.messages(place, span, limit + 1).await?;
        let more = entries.len() > limit;
        if more {
            match span {
                Span::After(_) => entries.truncate(limit),
                Span::Newest | Span::Before(_) => drop(entries.remove(0)),
            }
        }
        let next = match span {
            Span::After(_) => entries.last().map(|last| Span::After(last.seq)),
            Span::Newest | Span::Before(_) => entries.first().map(|first| Span::Before(first.seq)),
        };
        let messages = self.seen_by(id, by.user_id, &entries).await?;
        Ok(MessagePage { messages, next: next.filter(|_| more) })
    }

    /// The messages that these entries posted, as they are now and as this user sees them.
    pub(super) async fn seen_by(
        &self,
        id: ConversationId,
        user: UserId,
        postings: &[EntryRecord],
    ) -> Result<Vec<Message>, Error> {
        let messages = postings.iter().map(|posting| Ok(posting.message()?.0));
        let mut messages = messages.collect::<Result<Vec<_>, StoreError>>()?;
        let reacted = messages.iter().filter(|message| !message.reactions.is_empty());
        let whose: Vec<(u64, UserId)> = reacted.map(|message| (message.seq, user)).collect();
        for own in self.store.reactions_among(id, whose).await? {
            let message = messages.iter_mut().find(|message| message.seq == own.message_seq);
            let reactions = message.into_iter().flat_map(|message| &mut message.reactions);
            reactions.for_each(|reaction| reaction.me = own.emoji.contains(&reaction.emoji));
        }
        self.draw_quotes(id, &mut messages).await?;
        self.show_own_votes(id, user, &mut messages).await?;
        self.show_threads(postings, &mut messages).await?;
        Ok(messages)
    }

    /// Shows what quotes say. Nobody keeps that but the quoted messages themselves.
    pub(super) async fn draw_quotes(
        &self,
        id: ConversationId,
        messages: &mut [Message],
    ) -> Result<(), Error> {
        let quotes: Vec<&mut Quoted> = messages.iter_mut().filter_map(|it| it.quote.as_deref_mut()).collect();
        if quotes.is_empty() {
            return Ok(());
        }
        let seqs: BTreeSet<u64> = quotes.iter().map(|quote| quote.seq).collect();
        let words = self.store.words_at(&id.to_string(), seqs).await?;
        for quote in quotes {
            quote.text = words.get(&quote.seq).and_then(|body| cut(body, quote.offset, quote.length));
        }
        Ok(())
    }

    /// A page of the log behind a position.
    pub(crate) async fn log(
        &self,
        id: ConversationId,
        by: Actor,
        after: u64,
        limit: usize,
    ) -> Result<LogPage, Error> {
        self.view(id, by, Action::Read).await?;
        let owner = id.to_string();
        let entries = self.store.log_after(&owner, after, limit).await?;
        let head_seq = self.store.head(&owner).await?.seq;
        Ok(LogPage { entries: entries.into_iter().map(EntryRecord::into_raw).collect(), head_seq })
    }
}
