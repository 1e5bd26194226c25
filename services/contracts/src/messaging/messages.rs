//! Messages, and what becomes of them.

use garde::Validate;
use serde::{Deserialize, Serialize};
use tertulia_runtime::Timestamp;
use ulid::Ulid;
use utoipa::ToSchema;

use super::{
    Attachment, Entity, Forward, Forwarded, MAX_ATTACHMENTS, MAX_BODY_CHARS, NewPoll, Poll, Quote, Quoted,
    Thread, Via,
    contents::{alone, answering, said},
};
use crate::{ConversationId, MediaId, MessageId, UserId};

/// `POST /v1/conversations/{id}/messages`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PostMessage {
    /// A ULID the client makes up. Sending it again returns the first result.
    #[garde(skip)]
    #[schema(value_type = String, pattern = "^[0-7][0-9A-HJKMNP-TV-Z]{25}$")]
    pub client_id: Ulid,
    /// CommonMark; not only white space; no control characters but tab and line feed. Empty or absent only where
    /// something else is said.
    #[garde(length(chars, max = MAX_BODY_CHARS), custom(said(self)))]
    #[schema(max_length = 8000)]
    #[serde(default)]
    pub body: String,
    /// The message it answers, in the same conversation and the same thread.
    #[garde(skip)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<MessageId>,
    /// The message in whose thread it stands, if in one: a message of the conversation that is in no thread itself.
    #[garde(skip)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread_id: Option<MessageId>,
    /// Whether nobody is to be disturbed by it: it is there for whoever looks, and unread, and notifies nobody.
    #[garde(skip)]
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub silent: bool,
    /// What hangs on it.
    #[garde(length(max = MAX_ATTACHMENTS), dive)]
    #[schema(max_items = 10)]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
    /// The message that is passed on: this one says what that one says. Body, attachments, answer, quote and poll are left out
    /// then.
    #[garde(custom(alone(self)))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forward: Option<Forward>,
    /// What it picks out of the message it answers.
    #[garde(dive, custom(answering(self)))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quote: Option<Quote>,
    /// What it asks.
    #[garde(dive)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub poll: Option<Box<NewPoll>>,
}

impl PostMessage {
    /// A message that says this, and has nothing else to it.
    pub const fn new(client_id: Ulid, body: String) -> Self {
        Self {
            client_id,
            body,
            reply_to: None,
            thread_id: None,
            silent: false,
            attachments: Vec::new(),
            forward: None,
            quote: None,
            poll: None,
        }
    }
}

/// The answer to a post.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Posted {
    /// The message as it stands in the log.
    pub message: Message,
}

/// `PATCH /v1/conversations/{id}/messages/{message_id}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EditMessage {
    /// The new body, by the rule for bodies.
    #[garde(length(chars, max = MAX_BODY_CHARS), custom(super::body))]
    #[schema(min_length = 1, max_length = 8000)]
    pub body: String,
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Message {
    /// Its id.
    pub id: MessageId,
    /// Where it stands.
    pub conversation_id: ConversationId,
    /// Its position in the conversation's log.
    pub seq: u64,
    /// Who wrote it.
    pub author_id: UserId,
    /// The name its author's client gave it.
    #[schema(value_type = String)]
    pub client_id: Ulid,
    /// CommonMark.
    pub body: String,
    /// What the body holds besides words, in its order, at most 100.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub entities: Vec<Entity>,
    /// When it was committed.
    pub created_at: Timestamp,
    /// When it was last edited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited_at: Option<Timestamp>,
    /// When it was deleted; its body is empty then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<Timestamp>,
    /// The message it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<MessageId>,
    /// When it disappears: from this moment on it is as good as deleted, and deleted soon after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// The message in whose thread it stands; absent for a message of the conversation itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread_id: Option<MessageId>,
    /// The thread below it; absent while nothing was posted there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<Thread>,
    /// Whether it was posted so as to notify nobody.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub silent: bool,
    /// The hook that it came through. Then `author_id` is the hook's own, and no account has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<Box<Via>>,
    /// What hangs on it.
    #[serde(default)]
    pub attachments: Vec<Attachment>,
    /// Whose words these are, if it passes on a message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forwarded: Option<Box<Forwarded>>,
    /// What it picks out of the message it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quote: Option<Box<Quoted>>,
    /// What it asks, and what was answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub poll: Option<Box<Poll>>,
    /// How people reacted, the emoji that came first first.
    #[serde(default)]
    pub reactions: Vec<Reaction>,
    /// The newest entry of the log that this shows; absent while nothing followed the posting. An entry about this
    /// message that is not newer is in here already: who applies it again would count it twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed_seq: Option<u64>,
}

impl Message {
    /// As it stands when it was just posted, if its body holds nothing but words, and these are its author's own.
    pub fn posted(
        id: MessageId,
        conversation_id: ConversationId,
        seq: u64,
        author_id: UserId,
        post: PostMessage,
        created_at: Timestamp,
    ) -> Self {
        let PostMessage { client_id, body, reply_to, thread_id, silent, attachments, poll, .. } = post;
        Self {
            id,
            conversation_id,
            seq,
            author_id,
            client_id,
            body,
            entities: Vec::new(),
            created_at,
            edited_at: None,
            deleted_at: None,
            reply_to,
            expires_at: None,
            thread_id,
            thread: None,
            silent,
            via: None,
            attachments,
            forwarded: None,
            quote: None,
            poll: poll.map(|poll| Box::new((*poll).into())),
            reactions: Vec::new(),
            changed_seq: None,
        }
    }
}

/// One emoji on one message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reaction {
    /// One emoji, fully qualified (UTS #51), or `:name:`, which is the conversation's own.
    pub emoji: String,
    /// The picture of such a one, as it was when the first of them set it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub media_id: Option<MediaId>,
    /// How many people set it.
    pub count: u64,
    /// Some of them, at most 10: who sets it is added at the end while there is room, who
    /// takes it back is taken out, and nobody else moves up.
    pub user_ids: Vec<UserId>,
    /// Whether the reader is one of them. Only answers that are read by one person say so; no entry does.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub me: bool,
}

/// What a message said at some time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Version {
    /// The entry of the log that said so.
    pub seq: u64,
    /// What it said.
    pub body: String,
    /// From when on.
    pub at: Timestamp,
}

/// The history of a message.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Versions {
    /// As it was posted, then each edit, at most 100 of them. Empty for a deleted message.
    pub items: Vec<Version>,
}

/// A message that is kept at hand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Pin {
    /// The message as it is now.
    pub message: Message,
    /// The entry of the log that pinned it, which orders pins.
    pub seq: u64,
    /// Who pinned it.
    pub by: UserId,
    /// When.
    pub at: Timestamp,
}

/// What is pinned in a conversation.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Pins {
    /// In the order pinned, at most 50.
    pub items: Vec<Pin>,
}

/// A page of messages, in the order of their seq.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Messages {
    /// Ascending by seq.
    pub items: Vec<Message>,
    /// Absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}
