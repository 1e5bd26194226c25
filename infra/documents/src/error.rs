//! What can go wrong between a service and its documents.

use std::borrow::Cow;

use tertulia_runtime::{Fault, Kind};

/// A failure of the documents port. After any of them the store is as it was before the call, with one
/// exception: after [`Error::Unavailable`] a write may or may not have happened, as with every network.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The document has another revision than the writer read, or is gone, or is already there.
    #[error("{collection}/{id} was changed by someone else")]
    Conflict {
        /// The collection written to.
        collection: &'static str,
        /// The document written.
        id: String,
    },
    /// Another document holds this key of a unique index.
    #[error("another document of {collection} has this key in the unique index {index}")]
    Duplicate {
        /// The collection written to.
        collection: &'static str,
        /// The index that refused.
        index: &'static str,
    },
    /// The request can never succeed: too large, too deep, an unknown index.
    #[error("the write is not valid: {0}")]
    Invalid(String),
    /// The store is away, full or overloaded.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// What is stored does not decode. Never skipped: it is data of ours that we cannot read.
    #[error("{collection}/{id} does not decode: {cause}")]
    Corrupt {
        /// The collection read.
        collection: String,
        /// The document that does not decode.
        id: String,
        /// What the decoder said.
        cause: String,
    },
    /// The store was written by a newer release; opening it could lose what we do not know of.
    #[error("the store has schema version {found}; this release knows up to {known}")]
    NewerSchema {
        /// The version the store has.
        found: u32,
        /// The newest version this release knows.
        known: u32,
    },
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Conflict { .. } | Self::Duplicate { .. } => Kind::Conflict,
            Self::Invalid(_) => Kind::Invalid,
            Self::Unavailable(_) => Kind::Unavailable,
            Self::Corrupt { .. } | Self::NewerSchema { .. } => Kind::Internal,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Conflict { .. } => "changed_meanwhile",
            Self::Duplicate { .. } => "already_exists",
            Self::Invalid(_) => "not_storable",
            Self::Unavailable(_) => "store_unavailable",
            Self::Corrupt { .. } => "stored_data_unreadable",
            Self::NewerSchema { .. } => "newer_data",
        }
    }

    fn detail(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Conflict { .. } => "It was changed by someone else meanwhile. Read it again.",
            Self::Duplicate { .. } => "There is one like it already.",
            Self::Invalid(_) => "It cannot be stored in this form.",
            Self::Unavailable(_) => "The data store is away just now. Try again in a moment.",
            Self::Corrupt { .. } => "Stored data could not be read.",
            Self::NewerSchema { .. } => "The data was written by a newer release.",
        })
    }
}
