//! What members do with messages that stand in a log: edit, delete, react, pin.

use tertulia_contracts::{
    ConversationId, MessageId,
    messaging::{Fact, Message, Pin, Version},
};

use super::{Messaging, writer::Request};
use crate::{
    Error,
    model::{
        access::{Action, Actor},
        alteration::Alteration,
        place::seq_of,
    },
};

impl Messaging {
    /// Does something with a message. Again is the same.
    pub(crate) async fn alter(
        &self,
        id: ConversationId,
        by: Actor,
        message: MessageId,
        alteration: Alteration,
    ) -> Result<(), Error> {
        self.writers.write(id, by, Request::Alter(message, alteration)).await?;
        Ok(())
    }

    /// Deletes a message for everybody. Unlike other facts, which whoever reads next applies, a deletion is only
    /// acknowledged when what the message said is gone from every document.
    pub(crate) async fn delete(
        &self,
        id: ConversationId,
        by: Actor,
        message: MessageId,
    ) -> Result<(), Error> {
        self.alter(id, by, message, Alteration::Delete).await?;
        self.keeper.settle(id).await?;
        Ok(())
    }

    /// Changes what a message says, and answers it as it is then.
    pub(crate) async fn edit(
        &self,
        id: ConversationId,
        by: Actor,
        message: MessageId,
        body: String,
    ) -> Result<Message, Error> {
        let markup = self.markup(&body).await?;
        self.alter(id, by, message, Alteration::Edit(body, markup)).await?;
        self.view(id, by, Action::Read).await?;
        let postings = self.store.postings(id, &[message]).await?;
        self.seen_by(id, by.user_id, &postings).await?.pop().ok_or(Error::NoSuchMessage)
    }

    /// What a message has said, the oldest first; nothing once it is deleted.
    pub(crate) async fn versions(
        &self,
        id: ConversationId,
        by: Actor,
        message: MessageId,
    ) -> Result<Vec<Version>, Error> {
        self.view(id, by, Action::Read).await?;
        let edits = self.store.edits_of(&id.to_string(), seq_of(message)).await?;
        // Read after the edits: a message that is not deleted now was not when they were read.
        let posting = self.store.postings(id, &[message]).await?.pop().ok_or(Error::NoSuchMessage)?;
        let posted = posting.posted()?;
        if posted.deleted_at.is_some() {
            return Ok(Vec::new());
        }
        let mut versions = vec![Version { seq: posted.seq, body: posted.body, at: posted.created_at }];
        for edit in edits {
            if let Fact::MessageEdited { body, at, .. } = edit.fact()? {
                versions.push(Version { seq: edit.seq, body, at });
            }
        }
        Ok(versions)
    }

    /// What is pinned in a conversation, in the order pinned.
    pub(crate) async fn pins(&self, id: ConversationId, by: Actor) -> Result<Vec<Pin>, Error> {
        let pins = self.view(id, by, Action::Read).await?.conversation.pins;
        let ids: Vec<MessageId> = pins.iter().map(|pin| pin.message_id).collect();
        let messages = self.seen_by(id, by.user_id, &self.store.postings(id, &ids).await?).await?;
        let pinned = pins.into_iter().filter_map(|pin| {
            let message = messages.iter().find(|message| message.id == pin.message_id)?.clone();
            Some(Pin { message, seq: pin.seq, by: pin.by, at: pin.at })
        });
        Ok(pinned.collect())
    }
}
