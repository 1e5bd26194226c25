//! Threads: messages that stand below another, in the same log, in a place and with a count of their own.

use serde::{Deserialize, Serialize};
use tertulia_contracts::{
    messaging::{Comments, Message, PostMessage, Thread},
    permissions::Refusal,
};

use super::{
    access::{Action, Ground, may},
    place::seq_of,
    settings::Settings,
};
use crate::Error;

/// Where a message stands that is posted in a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct InThread {
    /// The position of the message that the thread stands below.
    pub root_seq: u64,
    /// How many messages the thread holds up to here, this one included.
    pub messages: u64,
}

/// What a message is to those who post in its thread, as of the head of its log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Root {
    /// There is no such message.
    Missing,
    /// It stands in a thread itself.
    Nested,
    /// It is deleted. What stands below it stays, and nothing is added.
    Deleted,
    /// So many messages stand below it.
    Open(u64),
}

impl Root {
    /// Whether a message may be posted below it.
    pub fn takes_posts(self) -> Result<(), Error> {
        let invalid = |detail| Err(Error::invalid("thread_id", detail));
        match self {
            Self::Missing => invalid("there is no such message in this conversation"),
            Self::Nested => invalid("this message stands in a thread itself: name the one it stands below"),
            Self::Deleted => Err(Error::MessageDeleted),
            Self::Open(_) => Ok(()),
        }
    }
}

/// Whether somebody may post this. Where comments are off, a comment takes what posting does besides.
pub fn may_speak(post: &PostMessage, ground: Ground, settings: &Settings) -> Result<(), Refusal> {
    if post.thread_id.is_none() {
        return may(Action::Post, ground);
    }
    may(Action::Comment, ground)?;
    if settings.comments == Comments::Off { may(Action::Post, ground) } else { Ok(()) }
}

/// What is said to a post that answers a message which does not stand where the post is to.
pub fn no_such_reply(post: &PostMessage) -> Error {
    let place = if post.thread_id.is_some() { "thread" } else { "conversation" };
    Error::invalid("reply_to", format!("there is no such message in this {place}"))
}

/// The position of the message that this one stands below.
pub fn root_seq(message: &Message) -> Option<u64> {
    message.thread_id.map(seq_of)
}

/// Counts a message in the thread below another, if it is not counted yet.
pub fn count(root: &mut Message, post: &Message) {
    let messages = match &root.thread {
        Some(thread) if thread.last_seq >= post.seq => return,
        Some(thread) => thread.messages + 1,
        None => 1,
    };
    root.thread = Some(Thread { messages, last_seq: post.seq, last_at: post.created_at });
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tertulia_runtime::{Id, Timestamp};
    use ulid::Ulid;

    fn message(seq: u64) -> Message {
        let name = Ulid::from_parts(9, seq.into());
        let post = PostMessage::new(name, "x".to_owned());
        Message::posted(
            Id::from_ulid(name),
            Id::from_ulid(name),
            seq,
            Id::from_ulid(name),
            post,
            Timestamp::EPOCH,
        )
    }

    proptest! {
        /// Somebody loads the root when so many stand below it, and hears the log from a little before that.
        #[test]
        fn a_message_is_counted_once_however_far_the_log_overlaps(posts in 1_u64..30, known in 0_u64..30, overlap in 0_u64..30) {
            let known = known.min(posts);
            let mut root = message(1);
            (0..known).for_each(|n| count(&mut root, &message(2 + n)));
            prop_assert_eq!(root.thread.as_ref().map_or(0, |thread| thread.messages), known);
            (known.saturating_sub(overlap)..posts).for_each(|n| count(&mut root, &message(2 + n)));
            let thread = root.thread.unwrap();
            prop_assert_eq!((thread.messages, thread.last_seq), (posts, 1 + posts));
        }
    }
}
