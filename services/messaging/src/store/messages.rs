//! What became of messages: their present state stands in the entry that posted them.
//!
//! The log tells what happened, so the fact of a posting stays what it was, and the present state stands beside it. Only a
//! deletion reaches into the log: it leaves the message without its content, and nothing from which that could be guessed.

use serde::{Deserialize, Serialize};
use tertulia_contracts::{
    UserId,
    messaging::{Fact, Message, Poll, PostMessage},
};
use tertulia_documents::Error;

use super::{EntryRecord, Store, encode};
use crate::model::{message::apply, quote::cut};

/// What became of a message after it was posted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Became {
    /// As it is now.
    message: Box<Message>,
    /// How often it was edited.
    edits: u32,
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
            Some(Became { message, edits }) => Ok((Message::clone(message), *edits)),
            None => Ok((self.posted()?, 0)),
        }
    }

    /// Whether this post says what the message said when it was posted. Of a deleted one nothing is left to compare, so
    /// whatever comes under its name is taken for a repeat.
    fn is_repeated_by(&self, post: &PostMessage) -> Result<bool, Error> {
        let message = self.posted()?;
        let passed_on = self.note.as_ref().and_then(|note| note.passed_on).map(|it| it.forward);
        // What is passed on may say something else by now: it is known by where it stands.
        let says_the_same =
            passed_on.is_some() || message.body == post.body && message.attachments == post.attachments;
        let asked = post.poll.clone().map(|poll| Box::new(Poll::from(*poll)));
        let is_the_same = says_the_same
            && passed_on == post.forward
            && message.reply_to == post.reply_to
            && message.thread_id == post.thread_id
            && message.silent == post.silent
            && message.poll == asked
            && message.quote.is_some() == post.quote.is_some();
        Ok(is_the_same || message.deleted_at.is_some())
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
        if message.deleted_at.is_some() {
            self.fact = encode(&Fact::MessagePosted { message });
            (self.became, self.note) = (None, None);
        } else {
            self.became = Some(Became { message: Box::new(message), edits });
        }
        Ok(true)
    }

    /// Takes what it says out of an edit; whether there was anything.
    pub(crate) fn erase_edit(&mut self) -> Result<bool, Error> {
        let mut fact = self.fact()?;
        let Fact::MessageEdited { body, entities, .. } = &mut fact else {
            return Err(self.corrupt(&"an edit was expected"));
        };
        if body.is_empty() {
            return Ok(false);
        }
        body.clear();
        entities.clear();
        self.fact = encode(&fact);
        Ok(true)
    }
}

impl Store {
    /// What a post came to that was made before under the same name; none if none was. Fails if that name is another's.
    pub(crate) async fn first_result(
        &self,
        owner: &str,
        author: UserId,
        post: &PostMessage,
    ) -> Result<Option<Message>, crate::Error> {
        let Some(first) = self.named(owner, author, post.client_id).await? else { return Ok(None) };
        if self.is_repeated(&first, post).await? {
            Ok(Some(first.posted()?))
        } else {
            Err(crate::Error::ClientIdReused)
        }
    }

    /// Whether a post says what a message said that was posted under its name, as far as that can still be known.
    async fn is_repeated(&self, first: &EntryRecord, post: &PostMessage) -> Result<bool, Error> {
        let quoted = first.posted()?.quote;
        let (Some(quoted), Some(quote)) = (quoted, &post.quote) else { return first.is_repeated_by(post) };
        let words = self.words_at(&first.owner, [quoted.seq]).await?;
        let text = words.get(&quoted.seq).and_then(|body| cut(body, quoted.offset, quoted.length));
        Ok(text.is_none_or(|text| text == quote.text) && first.is_repeated_by(post)?)
    }
}
