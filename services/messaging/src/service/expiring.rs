//! Messages that disappear: erased by whoever comes by once their time is over, and by a sweeper when nobody does.
//!
//! A message whose time is over is deleted like any other, by an entry of its log, in its author's name; so clients and
//! every projection follow as they follow any deletion. Whoever looks at a conversation deletes what is over first, so
//! that nobody is shown it, wherever it would have been shown. Many may try the same at once: the conversation's writer
//! makes one entry of it.

use std::{collections::BTreeMap, time::Duration};

use futures_util::future::join_all;
use tertulia_contracts::{ConversationId, MessageId, permissions::InstanceRole};
use tokio_util::sync::CancellationToken;

use super::{
    Messaging,
    writer::{Answer, Request},
};
use crate::{
    Error,
    model::{
        access::Actor,
        alteration::{Alteration, is_past},
    },
    store::{ConversationRecord, ExpiryRecord},
};

/// How many messages are looked at in one go.
const PAGE: usize = 64;
/// How many goes somebody makes who looks at a conversation; what is left then is refused, and tried again.
const MAX_GOES: usize = 1_000;
/// How long the sweeper rests between two rounds at least: what is over and does not go must not keep a processor busy.
const REST: Duration = Duration::from_millis(50);

impl Messaging {
    /// Erases what is over in a conversation, all of it.
    pub(super) async fn erase_expired(&self, id: ConversationId) -> Result<(), Error> {
        for _ in 0..MAX_GOES {
            let over = self.store.expired(Some(id), self.ambient.now(), PAGE).await?;
            if over.is_empty() {
                return Ok(());
            }
            self.expire(id, &over).await?;
        }
        Err(Error::Busy)
    }

    /// The conversation as it is when everything that is over is erased from it.
    pub(super) async fn without_what_is_over(
        &self,
        conversation: ConversationRecord,
    ) -> Result<Option<ConversationRecord>, Error> {
        if !conversation.disappears {
            return Ok(Some(conversation));
        }
        self.erase_expired(conversation.id).await?;
        self.keeper.settle(conversation.id).await
    }

    /// An answer as it is now: what was posted long before it is repeated may be over, and then nobody is shown it.
    pub(super) async fn without_the_past(&self, id: ConversationId, answer: Answer) -> Result<Answer, Error> {
        match answer {
            Answer::Repeated(first) if is_past(&first, self.ambient.now()) => {
                self.erase_expired(id).await?;
                let entry = self.store.entry(&id.to_string(), first.seq).await?;
                Ok(Answer::Repeated(entry.ok_or(Error::NoSuchMessage)?.posted()?))
            }
            answer => Ok(answer),
        }
    }

    /// Erases messages of one conversation that are over; done when what they said is gone from every document.
    async fn expire(&self, id: ConversationId, over: &[ExpiryRecord]) -> Result<(), Error> {
        let deletions = over.iter().map(|expiry| {
            let author = Actor { user_id: expiry.author_id, account: InstanceRole::User };
            self.writers.write(id, author, Request::Alter(expiry.message_id, Alteration::Expire))
        });
        for deleted in join_all(deletions).await {
            deleted?;
        }
        self.keeper.settle(id).await?;
        // What somebody wrote down late, behind the deletion. What a clock that was set back calls early stays.
        let messages: Vec<MessageId> = over.iter().map(|expiry| expiry.message_id).collect();
        for posting in self.store.postings(id, &messages).await? {
            if posting.posted()?.deleted_at.is_some() {
                self.store.forget_expiry(id, posting.seq).await?;
            }
        }
        Ok(())
    }
}

/// Erases what is over although nobody looks at it. Every process has one.
pub(crate) struct Sweeper {
    messaging: Messaging,
}

impl Sweeper {
    /// One that erases by these use cases.
    pub(crate) const fn new(messaging: Messaging) -> Self {
        Self { messaging }
    }

    /// Erases until shutdown, sleeping until something is over, but never longer than `tick`.
    pub(crate) async fn run(&self, tick: Duration, shutdown: CancellationToken) -> Result<(), Error> {
        while !shutdown.is_cancelled() {
            let pause = self.round().await.unwrap_or_else(|error| {
                tracing::warn!(%error, "messages that are over could not be erased; they are tried again");
                tick
            });
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = tokio::time::sleep(pause.max(REST).min(tick)) => {}
            }
        }
        Ok(())
    }

    /// Erases a page of what is over, and tells how long there is nothing to do.
    async fn round(&self) -> Result<Duration, Error> {
        let Messaging { store, ambient, .. } = &self.messaging;
        let over = store.expired(None, ambient.now(), PAGE).await?;
        let full = over.len() == PAGE;
        let mut places: BTreeMap<ConversationId, Vec<ExpiryRecord>> = BTreeMap::new();
        for expiry in over {
            places.entry(expiry.conversation_id).or_default().push(expiry);
        }
        // One that fails keeps nobody else's messages.
        let all = places.iter().map(|(id, over)| self.messaging.expire(*id, over));
        if let Some(error) = join_all(all).await.into_iter().find_map(Result::err) {
            return Err(error);
        }
        if full {
            return Ok(Duration::ZERO);
        }
        let next = store.next_expiry().await?;
        Ok(next.map_or(Duration::MAX, |next| next.since(ambient.now())))
    }
}
