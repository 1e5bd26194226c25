//! What became of messages: their present state stands in the entry that posted them.
//!
//! The log tells what happened, so the fact of a posting stays what it was, and the present state stands beside it. Only a
//! deletion reaches into the log: it leaves the message without its content, and a digest that tells a repeat of the
//! posting from another message under the same name.

use serde::{Deserialize, Serialize};
use tertulia_contracts::messaging::{Fact, Message, PostMessage};
use tertulia_documents::Error;

use super::{EntryRecord, encode};
use crate::model::message::{apply, content_digest};

/// What became of a message after it was posted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub(crate) enum Became {
    /// It says or bears something else.
    Changed {
        /// As it is now.
        message: Box<Message>,
        /// How often it was edited.
        edits: u32,
    },
    /// Its content is gone from the fact too.
    Deleted {
        /// Of what it said when it was posted.
        digest: String,
    },
}

impl EntryRecord {
    /// The message as it was posted; once it is deleted, what is left of it.
    pub(crate) fn posted(&self) -> Result<Message, Error> {
        match self.fact()? {
            Fact::MessagePosted { message } => Ok(message),
            _ => Err(self.corrupt(&"a message was expected")),
        }
    }

    /// The message as it is now, and how often it was edited.
    pub(crate) fn message(&self) -> Result<(Message, u32), Error> {
        match &self.became {
            Some(Became::Changed { message, edits }) => Ok((Message::clone(message), *edits)),
            Some(Became::Deleted { .. }) | None => Ok((self.posted()?, 0)),
        }
    }

    /// Whether this post says what the message said when it was posted.
    pub(crate) fn is_repeated_by(&self, post: &PostMessage) -> Result<bool, Error> {
        let message = self.posted()?;
        let same_body = match &self.became {
            Some(Became::Deleted { digest }) => *digest == content_digest(message.id, &post.body),
            Some(Became::Changed { .. }) | None => message.body == post.body,
        };
        Ok(same_body && message.reply_to == post.reply_to)
    }

    /// Takes what the log says of the message it posts, ascending; whether that was news. Repeatable in any order of
    /// calls, since the message knows the newest entry it shows.
    pub(crate) fn take(&mut self, news: &[(u64, Fact)]) -> Result<bool, Error> {
        let (mut message, mut edits) = self.message()?;
        let before = message.changed_seq;
        for (seq, fact) in news.iter().filter(|(seq, _)| Some(*seq) > before) {
            edits += u32::from(matches!(fact, Fact::MessageEdited { .. }));
            apply(&mut message, *seq, fact, None);
        }
        if message.changed_seq == before {
            return Ok(false);
        }
        self.became = Some(if message.deleted_at.is_some() {
            let digest = content_digest(message.id, &self.posted()?.body);
            self.fact = encode(&Fact::MessagePosted { message });
            Became::Deleted { digest }
        } else {
            Became::Changed { message: Box::new(message), edits }
        });
        Ok(true)
    }

    /// Takes what it says out of an edit; whether there was anything.
    pub(crate) fn erase_edit(&mut self) -> Result<bool, Error> {
        let mut fact = self.fact()?;
        let Fact::MessageEdited { body, .. } = &mut fact else {
            return Err(self.corrupt(&"an edit was expected"));
        };
        if body.is_empty() {
            return Ok(false);
        }
        body.clear();
        self.fact = encode(&fact);
        Ok(true)
    }
}
