//! The event envelope: `CloudEvents` 1.0 in its JSON format
//! (<https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md>), with the
//! partitioning and distributed-tracing extensions and a schema version of our own.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use crate::{Ambient, Id, IdKind, Timestamp};

/// Names the ids of events.
pub enum EventKind {}

impl IdKind for EventKind {
    const PREFIX: &'static str = "evt";
}

/// The id of an event: what a consumer that must act once derives its own ids from.
pub type EventId = Id<EventKind>;

/// The typed body of an event. Unknown fields are ignored when read, so a field can be added without a
/// new version; a version grows only when an old reader would misread a new body.
pub trait EventBody: Serialize + DeserializeOwned + Send + Sync {
    /// What happened, in the past tense: `user.registered`. Also the topic it is published under.
    const TYPE: &'static str;
    /// The version of the body's schema.
    const VERSION: u16 = 1;

    /// Events of one key are delivered in the order they were committed.
    fn partition_key(&self) -> String;
}

/// An event as it is stored, published and consumed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Event {
    /// `CloudEvents` version, always `1.0`.
    pub specversion: SpecVersion,
    /// Unique for ever; a second sight of it is a redelivery.
    pub id: EventId,
    /// The service that tells it: `/auth`.
    pub source: String,
    /// The event's type and topic: `user.registered`.
    #[serde(rename = "type")]
    pub kind: String,
    /// When it was committed.
    pub time: Timestamp,
    /// The order it is delivered in is the order within this key.
    pub partitionkey: String,
    /// The version of `data`'s schema.
    pub schemaversion: u16,
    /// W3C Trace Context of the request that caused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// The body, still encoded: it is decoded once, by whoever consumes it.
    pub data: Box<RawValue>,
}

/// The only `CloudEvents` version there is so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SpecVersion {
    /// Version 1.0.
    #[serde(rename = "1.0")]
    V1,
}

/// Why an event's body could not be read.
#[derive(Debug, thiserror::Error)]
pub enum UnreadableEvent {
    /// Another type than the reader's.
    #[error("the event is a {found}, not a {expected}")]
    OtherType {
        /// What the reader reads.
        expected: &'static str,
        /// What the event is.
        found: String,
    },
    /// Written by a newer release than this one.
    #[error("version {found} of {kind} is newer than version {known}, the newest known here")]
    NewerVersion {
        /// The event's type.
        kind: &'static str,
        /// The version the event has.
        found: u16,
        /// The newest version the reader understands.
        known: u16,
    },
    /// The body is not what its type and version promise.
    #[error("the body of {kind} does not decode: {source}")]
    Malformed {
        /// The event's type.
        kind: &'static str,
        /// Where decoding stopped.
        source: serde_json::Error,
    },
}

impl Event {
    /// Wraps a body, with a fresh id, the present moment and the current trace.
    ///
    /// # Panics
    /// When the body does not encode: one with a map whose keys are not text, which is a programming error.
    pub fn new<B: EventBody>(ambient: &Ambient, source: &str, body: &B) -> Self {
        let data = serde_json::value::to_raw_value(body).expect("an event's body is plain data and encodes");
        Self {
            specversion: SpecVersion::V1,
            id: ambient.ids.next(),
            source: source.to_owned(),
            kind: B::TYPE.to_owned(),
            time: ambient.now(),
            partitionkey: body.partition_key(),
            schemaversion: B::VERSION,
            traceparent: crate::trace::current_traceparent(),
            data,
        }
    }

    /// Reads the body as a `B` of its newest known version or an older one.
    pub fn body<B: EventBody>(&self) -> Result<B, UnreadableEvent> {
        if self.kind != B::TYPE {
            return Err(UnreadableEvent::OtherType { expected: B::TYPE, found: self.kind.clone() });
        }
        if self.schemaversion > B::VERSION {
            let (found, known) = (self.schemaversion, B::VERSION);
            return Err(UnreadableEvent::NewerVersion { kind: B::TYPE, found, known });
        }
        let body = serde_json::from_str(self.data.get());
        body.map_err(|source| UnreadableEvent::Malformed { kind: B::TYPE, source })
    }
}
