//! The frames of the socket protocol `tertulia.v1`: text frames of JSON with short keys. docs/protocol.md is
//! the specification; these types are its Rust spelling.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tertulia_runtime::Timestamp;
use ulid::Ulid;
use utoipa::ToSchema;

use crate::{
    ConnectionId, ConversationId, MessageId, UserId,
    auth::User,
    messaging::{Fact, UserFact},
    presence::{DeviceStatus, PresenceStatus},
};

/// The WebSocket subprotocol.
pub const SUBPROTOCOL: &str = "tertulia.v1";
/// The largest frame a client may send, in bytes.
pub const MAX_CLIENT_FRAME_BYTES: usize = 64 << 10;
/// The most conversations a socket may have open, those watched among them.
pub const MAX_OPEN: usize = 1_000;
/// The most conversations a stream of server-sent events may name, so that its address and its event ids fit
/// into the lines of 8 KiB that proxies commonly take.
pub const MAX_STREAMED: usize = 200;

/// What a client sends.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(tag = "t", rename_all = "snake_case", deny_unknown_fields)]
pub enum ClientFrame {
    /// The first frame, and again with a fresh token before the old one expires.
    Hello {
        /// An access token.
        token: String,
        /// Where the client is, when it was here before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        resume: Option<Resume>,
    },
    /// Opens a conversation, from behind `after` if it is given, else from now on.
    Open {
        /// The conversation.
        c: ConversationId,
        /// The last position the client has.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<u64>,
    },
    /// Asks to be told that something happened in conversations, not what.
    Watch {
        /// The conversations.
        cs: Vec<ConversationId>,
    },
    /// Closes a conversation.
    Close {
        /// The conversation.
        c: ConversationId,
    },
    /// Posts a message.
    Send {
        /// Comes back in the answer; at most 64 bytes.
        #[serde(rename = "ref")]
        reference: String,
        /// The conversation.
        c: ConversationId,
        /// The client's name for the message.
        #[schema(value_type = String, pattern = "^[0-7][0-9A-HJKMNP-TV-Z]{25}$")]
        client_id: Ulid,
        /// CommonMark.
        body: String,
        /// The message it answers.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reply_to: Option<MessageId>,
        /// The message in whose thread it stands, if in one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        thread_id: Option<MessageId>,
        /// Whether nobody is to be disturbed by it.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        silent: bool,
    },
    /// Says that the user is typing.
    Typing {
        /// The conversation.
        c: ConversationId,
    },
    /// Asks for a pong.
    Ping {},
    /// Asks how people are seen, now and whenever that changes. Takes the place of those asked for before.
    PresenceWatch {
        /// Who, at most 200; nobody ends it.
        users: Vec<UserId>,
    },
    /// Says whether somebody uses this device.
    Presence {
        /// Which of the two.
        status: DeviceStatus,
    },
}

/// Where a client was.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Resume {
    /// The epoch the positions belong to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<String>,
    /// The last position of the user's own log.
    #[serde(default)]
    pub useq: u64,
    /// The last position of each conversation that is open.
    #[serde(default)]
    pub seqs: BTreeMap<ConversationId, u64>,
}

/// What a server sends.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(tag = "t", rename_all = "snake_case")]
pub enum ServerFrame {
    /// The socket is authenticated; what was missed follows.
    Ready {
        /// Names this connection in logs.
        session: ConnectionId,
        /// Positions are of this epoch.
        epoch: String,
        /// The head of the user's own log.
        useq: u64,
        /// Who the client is.
        user: User,
    },
    /// An entry of an open conversation's log.
    Event {
        /// The conversation.
        c: ConversationId,
        /// The entry's position.
        seq: u64,
        /// What happened.
        #[schema(value_type = Fact)]
        e: Box<RawValue>,
    },
    /// An entry of the user's own log.
    User {
        /// The entry's position.
        useq: u64,
        /// What happened.
        #[schema(value_type = UserFact)]
        e: Box<RawValue>,
    },
    /// The conversation is open; events after `head` follow as they happen.
    Opened {
        /// The conversation.
        c: ConversationId,
        /// The head of its log.
        head: u64,
    },
    /// The client is too far behind in this log: load it anew. What follows, follows the head.
    Resync {
        /// The conversation; absent for the user's own log.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        c: Option<ConversationId>,
    },
    /// Something happened in a conversation that is watched.
    Dirty {
        /// The conversation.
        c: ConversationId,
        /// The head of its log.
        head: u64,
    },
    /// The conversation is closed, by the client or because access was lost.
    Closed {
        /// The conversation.
        c: ConversationId,
    },
    /// A send was committed.
    Ack {
        /// The send's reference.
        #[serde(rename = "ref")]
        reference: String,
        /// The message's position.
        seq: u64,
        /// The message's id.
        id: MessageId,
    },
    /// Something the client sent was refused.
    Error {
        /// The send's reference, if it was one.
        #[serde(rename = "ref", default, skip_serializing_if = "Option::is_none")]
        reference: Option<String>,
        /// The conversation it was about.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        c: Option<ConversationId>,
        /// The problem's stable code.
        code: String,
        /// One sentence for a person.
        detail: String,
        /// After so many seconds it may be tried again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after: Option<u64>,
    },
    /// Somebody is typing.
    Typing {
        /// The conversation.
        c: ConversationId,
        /// Who.
        user: UserId,
    },
    /// Somebody has read on.
    Read {
        /// The conversation.
        c: ConversationId,
        /// Who.
        user: UserId,
        /// Up to where.
        seq: u64,
    },
    /// The answer to a ping.
    Pong,
    /// The last of a stream of server-sent events, which has no close frame.
    End {
        /// The close code that a socket would have got.
        code: u16,
        /// What the client does next, as the code says.
        then: CloseCode,
        /// One phrase for the person who reads the client's log.
        reason: String,
    },
    /// How somebody is seen from now on.
    Presence {
        /// Who.
        user: UserId,
        /// How.
        status: PresenceStatus,
        /// When they were last connected, to the minute; only of who is `offline` and lets it be seen.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        last_seen: Option<Timestamp>,
        /// What they say beside it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<String>,
    },
}

impl ServerFrame {
    /// Reads a frame. Use this and not `serde_json::from_str`: behind a tag, serde buffers what it reads and
    /// cannot keep a fact encoded, so that deriving alone never reads an [`ServerFrame::Event`].
    ///
    /// # Errors
    /// The text is no frame of the protocol.
    pub fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        struct Entry {
            c: Option<ConversationId>,
            #[serde(alias = "useq")]
            seq: Option<u64>,
            e: Option<Box<RawValue>>,
        }
        if let Ok(Entry { c, seq: Some(seq), e: Some(e) }) = serde_json::from_str(text) {
            return Ok(match c {
                Some(c) => Self::Event { c, seq, e },
                None => Self::User { useq: seq, e },
            });
        }
        serde_json::from_str(text)
    }
}

/// Why the server closed a socket, and so what the client does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CloseCode {
    /// Come back and resume: the node drains or the client was too slow.
    Resume,
    /// Get a fresh token first: it expired or the login was revoked.
    LogInAgain,
    /// Don't come back: the client breaks the protocol.
    Stop,
}

impl CloseCode {
    /// Each there is.
    pub const ALL: [Self; 3] = [Self::Resume, Self::LogInAgain, Self::Stop];

    /// What a code of this protocol says; any other one means that somebody between broke the connection.
    pub fn of(code: u16) -> Self {
        Self::ALL.into_iter().find(|known| known.code() == code).unwrap_or(Self::Resume)
    }

    /// The code on the wire (RFC 6455 §7.4.2 leaves 4000 to 4999 to applications).
    pub const fn code(self) -> u16 {
        match self {
            Self::Resume => 4000,
            Self::LogInAgain => 4001,
            Self::Stop => 4002,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{json, value::to_raw_value};

    use super::*;

    #[test]
    fn every_frame_of_a_server_is_read_as_it_was_written() {
        let c = ConversationId::from_ulid(Ulid::from_parts(1, 2));
        let user = UserId::from_ulid(Ulid::from_parts(1, 3));
        let id = MessageId::from_ulid(Ulid::from_parts(1, 4));
        let e = || to_raw_value(&json!({"type": "message.posted", "t": "ready", "seq": 1})).unwrap();
        let reference = || "1".to_owned();
        let frames = [
            ServerFrame::Ready {
                session: ConnectionId::from_ulid(Ulid::from_parts(1, 5)),
                epoch: "1".to_owned(),
                useq: 3,
                user: User {
                    id: user,
                    handle: "ada".to_owned(),
                    display_name: "Ada".to_owned(),
                    bot_of: None,
                },
            },
            ServerFrame::Event { c, seq: 13, e: e() },
            ServerFrame::User { useq: 4, e: e() },
            ServerFrame::Opened { c, head: 13 },
            ServerFrame::Resync { c: Some(c) },
            ServerFrame::Resync { c: None },
            ServerFrame::Dirty { c, head: 14 },
            ServerFrame::Closed { c },
            ServerFrame::Ack { reference: reference(), seq: 14, id },
            ServerFrame::Error {
                reference: Some(reference()),
                c: None,
                code: "rate_limited".to_owned(),
                detail: "Too many.".to_owned(),
                retry_after: Some(1),
            },
            ServerFrame::Typing { c, user },
            ServerFrame::Read { c, user, seq: 13 },
            ServerFrame::Pong,
            ServerFrame::End { code: 4001, then: CloseCode::LogInAgain, reason: "expired".to_owned() },
            ServerFrame::Presence {
                user,
                status: PresenceStatus::Offline,
                last_seen: Some(Timestamp::EPOCH),
                text: None,
            },
        ];
        for frame in frames {
            let text = serde_json::to_string(&frame).unwrap();
            let read = ServerFrame::from_json(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(serde_json::to_string(&read).unwrap(), text);
        }
        assert!(ServerFrame::from_json(r#"{"t":"dance"}"#).is_err());
    }
}
