//! Frames in and out of their text. An event is encoded once here and shared by every socket that gets it.

use axum::extract::ws::Utf8Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use tertulia_contracts::{
    UserId,
    frames::{ClientFrame, ServerFrame},
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

/// Writes a frame.
pub(crate) fn encode(frame: &ServerFrame) -> Utf8Bytes {
    serde_json::to_string(frame).expect("a frame is plain data and encodes").into()
}

/// Writes the frame of a log's entry around a fact that stays encoded. The same text that encoding a
/// [`ServerFrame`] gives, without parsing the fact.
pub(crate) fn entry(owner: Owner, seq: u64, fact: &RawValue) -> Utf8Bytes {
    let fact = fact.get();
    match owner {
        Owner::Conversation(c) => format!(r#"{{"t":"event","c":"{c}","seq":{seq},"e":{fact}}}"#),
        Owner::User(_) => format!(r#"{{"t":"user","useq":{seq},"e":{fact}}}"#),
    }
    .into()
}

/// What is broadcast on a log's channel: entries, or that somebody is typing. Borrows from the message.
#[derive(Debug, Deserialize)]
pub(crate) struct OnLogChannel<'a> {
    #[serde(borrow, default)]
    pub entries: Vec<RawEntry<'a>>,
    #[serde(default)]
    pub typing: Option<UserId>,
}

/// An entry whose fact stays encoded.
#[derive(Debug, Deserialize)]
pub(crate) struct RawEntry<'a> {
    pub seq: u64,
    #[serde(borrow)]
    pub e: &'a RawValue,
}

#[cfg(test)]
mod tests {
    use serde_json::value::to_raw_value;
    use tertulia_contracts::ConversationId;
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
        assert_eq!(written.as_str(), meant.as_str());
        let user = UserId::from_ulid(Ulid::from_parts(1_700_000_000_000, 8));
        let written = entry(Owner::User(user), 2, &fact);
        assert_eq!(written.as_str(), encode(&ServerFrame::User { useq: 2, e: fact }).as_str());
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
