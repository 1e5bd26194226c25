//! What can go wrong on a mail's way.

use std::borrow::Cow;

use tertulia_runtime::{Fault, Kind};

/// Why a mail was not accepted. Never quotes what the mail says.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// It is no mail that could be sent: which part is wrong, and how.
    #[error("the mail cannot be sent: {0}")]
    Invalid(String),
    /// The server will never take it, in its own words.
    #[error("the mail was refused: {0}")]
    Refused(String),
    /// Nobody is there who takes it now.
    #[error("mail is unavailable: {0}")]
    Unavailable(String),
    /// What is configured is not enough to send anything.
    #[error("{0}")]
    Configuration(String),
    /// What is kept does not decode.
    #[error("a kept mail is unreadable: {0}")]
    Corrupt(String),
}

impl From<tertulia_documents::Error> for Error {
    fn from(error: tertulia_documents::Error) -> Self {
        match error {
            tertulia_documents::Error::Corrupt { .. } => Self::Corrupt(error.to_string()),
            tertulia_documents::Error::Invalid(_) => Self::Invalid(error.to_string()),
            _ => Self::Unavailable(error.to_string()),
        }
    }
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Invalid(_) | Self::Refused(_) => Kind::Invalid,
            Self::Unavailable(_) => Kind::Unavailable,
            Self::Configuration(_) | Self::Corrupt(_) => Kind::Internal,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "mail_invalid",
            Self::Refused(_) => "mail_refused",
            Self::Unavailable(_) => "mail_unavailable",
            Self::Configuration(_) | Self::Corrupt(_) => "internal",
        }
    }

    fn detail(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Invalid(_) => "This cannot be sent by mail.",
            Self::Refused(_) => "The mail was refused by the server of its address.",
            Self::Unavailable(_) => "Mail cannot be sent just now. Try again in a moment.",
            Self::Configuration(_) | Self::Corrupt(_) => {
                "Something went wrong on our side; it has been noted."
            }
        })
    }
}
