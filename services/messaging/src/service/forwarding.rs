//! Passing messages on. What is passed on is a copy, made of what the message says just then: it is the message of
//! whoever passed it on, and what becomes of the original does not touch it.

use tertulia_contracts::{
    ConversationId,
    messaging::{Forward, Forwarded, Message, PostMessage, Visibility},
};

use super::{
    Messaging,
    writer::{Answer, Request},
};
use crate::{
    Error,
    model::{
        access::{Action, Actor},
        markup::Markup,
        moderation::{Note, PassedOn},
        thread::may_speak,
    },
};

impl Messaging {
    /// What a post came to that rests on another message or on the time, if it was posted before: a repeat is one although
    /// that message is gone since, that time is over, or its author may not post any more. Whoever may not post here, and
    /// posted nothing under this name, does not learn what there is elsewhere.
    pub(super) async fn first_result(
        &self,
        id: ConversationId,
        by: Actor,
        post: &PostMessage,
    ) -> Result<Option<Answer>, Error> {
        let seen = self.view(id, by, Action::Read).await?;
        let may_post = may_speak(post, seen.ground, &seen.conversation.settings).map_err(Error::from);
        match self.store.first_result(&id.to_string(), by.user_id, post).await {
            Ok(None) | Err(Error::ClientIdReused) if may_post.is_err() => may_post.map(|()| None),
            first => Ok(first?.map(Answer::Repeated)),
        }
    }

    /// Posts a copy of a message.
    pub(super) async fn pass_on(
        &self,
        id: ConversationId,
        by: Actor,
        post: PostMessage,
        forward: Forward,
    ) -> Result<Answer, Error> {
        let (original, forwarded) = self.original(by, forward).await?;
        let markup = Markup::passed_on(&original.body);
        let post = PostMessage { body: original.body, attachments: original.attachments, ..post };
        let note = Note { passed_on: Some(PassedOn { forward, forwarded }), ..Note::default() };
        self.writers.write_noted(id, by, Request::Post(post, markup), Some(note)).await
    }

    /// A message that somebody may read, and what others may know of where it comes from.
    pub(super) async fn original(&self, by: Actor, forward: Forward) -> Result<(Message, Forwarded), Error> {
        let Forward { conversation_id, message_id } = forward;
        let none = || Error::invalid("forward", "there is no such message that you can read");
        let seen = self.view(conversation_id, by, Action::Read).await.map_err(|error| match error {
            Error::NoSuchConversation | Error::NotAllowed(_) => none(),
            error => error,
        })?;
        let posting = self.store.postings(conversation_id, &[message_id]).await?.pop().ok_or_else(none)?;
        let (message, _) = posting.message()?;
        if message.deleted_at.is_some() {
            return Err(Error::invalid("forward", "this message was deleted"));
        }
        if message.poll.is_some() {
            return Err(Error::invalid("forward", "a poll is asked where it is asked"));
        }
        let is_public = seen.conversation.visibility() == Visibility::Public;
        let here = Forwarded {
            author_id: message.author_id,
            conversation_id: is_public.then_some(conversation_id),
            message_id: is_public.then_some(message_id),
            at: message.created_at,
        };
        // Who passed it on before is nobody's business.
        let forwarded = message.forwarded.as_deref().copied().unwrap_or(here);
        Ok((message, forwarded))
    }
}
