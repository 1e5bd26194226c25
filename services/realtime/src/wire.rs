//! Frames in and out of their text. An event is encoded once here, down to the bytes on the wire, and shared by every
//! socket that gets it.

use bytes::{Buf as _, Bytes};
use serde::Deserialize;
use serde_json::value::RawValue;
use tertulia_contracts::{
    UserId,
    frames::{ClientFrame, ServerFrame},
    live::Read,
};

use crate::feed::Owner;

/// The longest reference a client may give a send, in bytes.
const MAX_REFERENCE_BYTES: usize = 64;

/// Why a frame could not be read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Malformed {
    /// The reference, where at least that could be read.
    pub reference: Option<String>,
    /// What is wrong, for the person who writes the client.
    pub detail: String,
}

/// Reads a client's frame.
pub(crate) fn decode(text: &str) -> Result<ClientFrame, Malformed> {
    let malformed = |detail: String| {
        #[derive(Deserialize)]
        struct Referenced {
            #[serde(rename = "ref")]
            reference: String,
        }
        let reference = serde_json::from_str(text).map(|Referenced { reference }| reference).ok();
        let reference = reference.filter(|reference| reference.len() <= MAX_REFERENCE_BYTES);
        Malformed { reference, detail }
    };
    match serde_json::from_str(text) {
        Ok(ClientFrame::Send { reference, .. }) if reference.len() > MAX_REFERENCE_BYTES => {
            Err(malformed(format!("A ref has at most {MAX_REFERENCE_BYTES} bytes.")))
        }
        Ok(frame) => Ok(frame),
        Err(error) => Err(malformed(format!(
            "The frame is not one of {}: {error}.",
            tertulia_contracts::frames::SUBPROTOCOL
        ))),
    }
}

/// WebSocket frames as they stand on the wire. A server's are not masked (RFC 6455 §5.1), so the same bytes, heads
/// included, serve every socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frames {
    bytes: Bytes,
    count: usize,
}

impl Frames {
    /// A ping without a payload. A frame of the protocol's own, so it does not count.
    pub(crate) const PING: Self = Self { bytes: Bytes::from_static(&[0x89, 0]), count: 0 };

    /// One text frame.
    pub(crate) fn of_text(text: &str) -> Self {
        let mut bytes = Vec::with_capacity(LONGEST_HEAD + text.len());
        put_text(&mut bytes, text);
        Self { bytes: bytes.into(), count: 1 }
    }

    /// How many frames these are.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Bytes on the wire.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.bytes
    }

    /// The texts of the frames, for who cannot read frames; a ping has none.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        let mut rest = self.as_slice();
        let frames = std::iter::from_fn(move || {
            let (payload, behind) = split_frame(rest)?;
            rest = behind;
            Some(payload)
        });
        frames
            .filter(|payload| !payload.is_empty())
            .map(|text| str::from_utf8(text).expect("a text frame was made of text"))
    }

    /// Leaves out what is written already.
    pub(crate) fn advance(&mut self, written: usize) {
        self.bytes.advance(written);
    }
}

/// The longest head of a frame that is not masked.
const LONGEST_HEAD: usize = 10;

/// Appends a text frame that stands alone (RFC 6455 §5.2).
fn put_text(bytes: &mut Vec<u8>, text: &str) {
    const FINAL_TEXT: u8 = 0x81;
    bytes.push(FINAL_TEXT);
    match (u8::try_from(text.len()), u16::try_from(text.len())) {
        (Ok(length @ ..126), _) => bytes.push(length),
        (_, Ok(length)) => {
            bytes.push(126);
            bytes.extend_from_slice(&length.to_be_bytes());
        }
        _ => {
            bytes.push(127);
            bytes.extend_from_slice(&(text.len() as u64).to_be_bytes());
        }
    }
    bytes.extend_from_slice(text.as_bytes());
}

/// The payload of the first of these frames, and what follows it.
fn split_frame(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&[_, length], rest) = bytes.split_first_chunk()?;
    let (length, rest) = match length {
        126 => {
            let (length, rest) = rest.split_first_chunk()?;
            (usize::from(u16::from_be_bytes(*length)), rest)
        }
        127 => {
            let (length, rest) = rest.split_first_chunk()?;
            (usize::try_from(u64::from_be_bytes(*length)).ok()?, rest)
        }
        length => (usize::from(length), rest),
    };
    rest.split_at_checked(length)
}

/// Frames of consecutive entries in one piece of memory, from which any rest of them can be shared.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    bytes: Bytes,
    /// Where each frame ends.
    ends: Vec<usize>,
}

impl Batch {
    /// Encodes the entries of a log.
    pub(crate) fn of_entries(owner: Owner, entries: &[RawEntry<'_>]) -> Self {
        let (mut bytes, mut ends) = (Vec::new(), Vec::with_capacity(entries.len()));
        for entry in entries {
            put_text(&mut bytes, &entry_text(owner, entry.seq, entry.e));
            ends.push(bytes.len());
        }
        Self { bytes: bytes.into(), ends }
    }

    /// Puts frames that were encoded one by one together.
    pub(crate) fn of_frames<'a>(frames: impl Iterator<Item = &'a Frames>) -> Self {
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        for frame in frames {
            bytes.extend_from_slice(frame.as_slice());
            ends.push(bytes.len());
        }
        Self { bytes: bytes.into(), ends }
    }

    /// How many frames there are.
    pub(crate) fn count(&self) -> usize {
        self.ends.len()
    }

    /// All but so many of the first; none if that leaves nothing.
    pub(crate) fn behind(&self, first: usize) -> Option<Frames> {
        let count = self.count().checked_sub(first).filter(|count| *count > 0)?;
        Some(Frames { bytes: self.bytes.slice(self.start(first)..), count })
    }

    /// Each frame by itself.
    pub(crate) fn frames(&self) -> impl Iterator<Item = Frames> {
        let of = |(nth, end): (usize, &usize)| self.bytes.slice(self.start(nth)..*end);
        self.ends.iter().enumerate().map(move |frame| Frames { bytes: of(frame), count: 1 })
    }

    fn start(&self, nth: usize) -> usize {
        nth.checked_sub(1).map_or(0, |before| self.ends[before])
    }
}

/// Writes a frame.
pub(crate) fn encode(frame: &ServerFrame) -> Frames {
    Frames::of_text(&serde_json::to_string(frame).expect("a frame is plain data and encodes"))
}

/// Writes the frame of a log's entry around a fact that stays encoded. The same text that encoding a
/// [`ServerFrame`] gives, without parsing the fact.
pub(crate) fn entry(owner: Owner, seq: u64, fact: &RawValue) -> Frames {
    Frames::of_text(&entry_text(owner, seq, fact))
}

fn entry_text(owner: Owner, seq: u64, fact: &RawValue) -> String {
    let fact = fact.get();
    match owner {
        Owner::Conversation(c) => format!(r#"{{"t":"event","c":"{c}","seq":{seq},"e":{fact}}}"#),
        Owner::User(_) => format!(r#"{{"t":"user","useq":{seq},"e":{fact}}}"#),
    }
}

/// What is broadcast on a log's channel: entries, that somebody is typing or has read on, or that fewer may read. Borrows
/// from the message.
#[derive(Debug, Deserialize)]
pub(crate) struct OnLogChannel<'a> {
    #[serde(borrow, default)]
    pub entries: Vec<RawEntry<'a>>,
    #[serde(default)]
    pub typing: Option<UserId>,
    #[serde(default)]
    pub narrowed: bool,
    #[serde(default)]
    pub read: Option<Read>,
    #[serde(default)]
    pub look_again: bool,
}

/// An entry whose fact stays encoded.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(crate) struct RawEntry<'a> {
    pub seq: u64,
    #[serde(borrow)]
    pub e: &'a RawValue,
}

/// What a client reads of it, until it ends.
#[cfg(test)]
pub(crate) fn read_messages(wire: Vec<u8>) -> Vec<tokio_tungstenite::tungstenite::Message> {
    use tokio_tungstenite::tungstenite::{WebSocket, protocol::Role};
    let mut client = WebSocket::from_raw_socket(std::io::Cursor::new(wire), Role::Client, None);
    std::iter::from_fn(|| client.read().ok()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::value::to_raw_value;
    use tertulia_contracts::ConversationId;
    use tokio_tungstenite::tungstenite::Message;
    use ulid::Ulid;

    use super::*;

    #[test]
    fn an_entry_is_written_like_the_frame_it_stands_for() {
        let fact =
            to_raw_value(&serde_json::json!({"type": "message.posted", "message": {"body": "a \"b\" ü"}}))
                .unwrap();
        let c = ConversationId::from_ulid(Ulid::from_parts(1_700_000_000_000, 7));
        let written = entry(Owner::Conversation(c), 13, &fact);
        let meant = encode(&ServerFrame::Event { c, seq: 13, e: fact.clone() });
        assert_eq!(written, meant);
        let user = UserId::from_ulid(Ulid::from_parts(1_700_000_000_000, 8));
        let written = entry(Owner::User(user), 2, &fact);
        assert_eq!(written, encode(&ServerFrame::User { useq: 2, e: fact }));
    }

    #[test]
    fn frames_are_what_another_implementation_reads() {
        let texts =
            [0, 1, 125, 126, 65_535, 65_536].map(|length| "ü".repeat(length / 2) + &"x".repeat(length % 2));
        let frames: Vec<Frames> = texts.iter().map(|text| Frames::of_text(text)).collect();
        let batch = Batch::of_frames(frames.iter());
        for first in 0..texts.len() {
            let rest = batch.behind(first).unwrap();
            assert_eq!(rest.count(), texts.len() - first);
            let read = read_messages([rest.as_slice(), Frames::PING.as_slice()].concat());
            let mut meant: Vec<Message> = texts[first..].iter().map(Message::text).collect();
            meant.push(Message::Ping(Bytes::new()));
            assert_eq!(read, meant);
            let with_text = texts[first..].iter().map(String::as_str).filter(|text| !text.is_empty());
            assert!(rest.texts().eq(with_text), "and so do we");
            assert_eq!(Frames::PING.texts().count(), 0);
        }
        assert_eq!(batch.behind(texts.len()), None);
        assert!(batch.frames().eq(frames));
    }

    #[test]
    fn a_malformed_frame_keeps_its_reference_when_it_has_one() {
        let wrong = [
            "",
            "{",
            "[]",
            "null",
            r#"{"t":"dance"}"#,
            r#"{"t":"ping","extra":1}"#,
            r#"{"t":"open","c":"usr_01HF7YAT000000000000000000"}"#,
            r#"{"t":"send","ref":1,"c":"cnv_01HF7YAT000000000000000000","client_id":"01HF7YAT000000000000000000","body":"x"}"#,
        ];
        for text in wrong {
            assert_eq!(decode(text).unwrap_err().reference, None, "{text}");
        }
        let text =
            r#"{"t":"send","ref":"9","c":"cnv_01HF7YAT000000000000000000","client_id":"x","body":"x"}"#;
        assert_eq!(decode(text).unwrap_err().reference.as_deref(), Some("9"));
        assert!(matches!(decode(r#"{"t":"ping"}"#), Ok(ClientFrame::Ping {})));
    }
}
