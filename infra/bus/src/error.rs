//! What can go wrong between a service and the bus.

use std::borrow::Cow;

use tertulia_runtime::{Fault, Kind};

/// A failure of the bus port. An event whose publication failed may have been delivered all the same.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The bus is away, full or overloaded; nothing can be said about the events.
    #[error("the bus is unavailable: {0}")]
    Unavailable(String),
    /// A group that should receive the event has no queue: publishing it would lose it.
    #[error("an event of the topic {topic} reaches no queue")]
    Unroutable {
        /// The event's topic.
        topic: String,
    },
    /// The topic or the group is not in the topology.
    #[error("{0} is not in the topology")]
    Unknown(String),
    /// The event or the message is larger than the bound.
    #[error("a message of {bytes} bytes exceeds the bound of {limit}")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The bound.
        limit: usize,
    },
    /// There is no such dead letter.
    #[error("there is no dead letter {0}")]
    NoSuchLetter(String),
    /// What is queued does not decode.
    #[error("a queued event does not decode: {0}")]
    Corrupt(String),
    /// The queue was written by a newer release.
    #[error("the queue has schema version {found}; this release knows up to {known}")]
    NewerSchema {
        /// The version the queue has.
        found: u32,
        /// The newest version this release knows.
        known: u32,
    },
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Unavailable(_) => Kind::Unavailable,
            Self::NoSuchLetter(_) => Kind::NotFound,
            Self::TooLarge { .. } => Kind::Invalid,
            Self::Unroutable { .. } | Self::Unknown(_) | Self::Corrupt(_) | Self::NewerSchema { .. } => {
                Kind::Internal
            }
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Unavailable(_) => "bus_unavailable",
            Self::Unroutable { .. } => "event_unroutable",
            Self::Unknown(_) => "unknown_topic",
            Self::TooLarge { .. } => "event_too_large",
            Self::NoSuchLetter(_) => "no_such_dead_letter",
            Self::Corrupt(_) => "queued_data_unreadable",
            Self::NewerSchema { .. } => "newer_data",
        }
    }

    fn detail(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Unavailable(_) => "The message bus is away just now. Try again in a moment.",
            Self::NoSuchLetter(_) => "There is no such dead letter.",
            Self::TooLarge { .. } => "The event is too large.",
            Self::Unroutable { .. } | Self::Unknown(_) => "The event has no destination.",
            Self::Corrupt(_) => "Queued data could not be read.",
            Self::NewerSchema { .. } => "The queue was written by a newer release.",
        })
    }
}
