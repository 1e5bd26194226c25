//! Why a socket closes, as the client is told.

use tertulia_contracts::frames::CloseCode;
use tokio_tungstenite::tungstenite::{Error, error::ProtocolError, protocol::CloseFrame};

/// A close code (RFC 6455 §7.4) and one phrase for the person who reads the client's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Parting {
    pub code: u16,
    pub reason: &'static str,
}

impl Parting {
    /// The client comes back and resumes.
    pub(crate) const fn resume(reason: &'static str) -> Self {
        Self { code: CloseCode::Resume.code(), reason }
    }

    /// The client gets a fresh token and comes back.
    pub(crate) const fn log_in_again(reason: &'static str) -> Self {
        Self { code: CloseCode::LogInAgain.code(), reason }
    }

    /// The client breaks the protocol and stays away.
    pub(crate) const fn stop(reason: &'static str) -> Self {
        Self { code: CloseCode::Stop.code(), reason }
    }

    /// What the client did to the WebSocket protocol itself, or nothing if the connection just broke.
    pub(crate) fn of_broken_frame(error: &Error) -> Option<Self> {
        match error {
            Error::Capacity(_) => Some(Self { code: 1009, reason: "frame too large" }),
            Error::Utf8(_) => Some(Self { code: 1007, reason: "text that is not UTF-8" }),
            Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => None,
            Error::Protocol(_) => Some(Self { code: 1002, reason: "malformed WebSocket frame" }),
            _ => None,
        }
    }
}

impl From<Parting> for CloseFrame {
    fn from(parting: Parting) -> Self {
        Self { code: parting.code.into(), reason: parting.reason.into() }
    }
}
