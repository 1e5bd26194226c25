//! What can go wrong before a socket is one, and without one.

use std::{borrow::Cow, time::Duration};

use tertulia_runtime::{Fault, Kind};

/// Why a node does not take a socket, or cannot serve sockets at all.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The page that asks is of another site.
    #[error("the origin {0:?} is not allowed")]
    ForeignOrigin(String),
    /// The client does not offer `tertulia.v1`.
    #[error("the client does not offer the subprotocol")]
    NoSubprotocol,
    /// The node has as many sockets as it may.
    #[error("the node is full")]
    Full,
    /// There are as many sockets of the client's address as there may be.
    #[error("the address has its sockets")]
    AddressFull,
    /// The node is leaving.
    #[error("the node is draining")]
    Draining,
    /// Messaging does not say who may see whom, for this reason.
    #[error("who may see whom cannot be asked: {0}")]
    NobodySeen(String),
    /// The live lane cannot be listened to.
    #[error("the bus cannot be listened to: {0}")]
    Bus(#[from] tertulia_bus::Error),
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::ForeignOrigin(_) => Kind::Forbidden,
            Self::NoSubprotocol => Kind::Invalid,
            Self::AddressFull => Kind::RateLimited,
            Self::Full | Self::Draining | Self::NobodySeen(_) => Kind::Unavailable,
            Self::Bus(error) => error.kind(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::ForeignOrigin(_) => "origin_refused",
            Self::NoSubprotocol => "subprotocol_required",
            Self::Full => "node_full",
            Self::AddressFull => "too_many_sockets",
            Self::Draining => "node_draining",
            Self::NobodySeen(_) => "presence_unavailable",
            Self::Bus(error) => error.code(),
        }
    }

    fn detail(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::ForeignOrigin(_) => "Sockets are not opened from pages of that site.",
            Self::NoSubprotocol => "Offer the WebSocket subprotocol tertulia.v1.",
            Self::Full => "This node has as many sockets as it may. Try again in a moment.",
            Self::AddressFull => {
                "There are too many open sockets of your address. Try again when some have closed."
            }
            Self::Draining => "This node is leaving. Try again: another one answers.",
            Self::NobodySeen(_) => "It cannot be told just now who is there. Try again in a moment.",
            Self::Bus(error) => return error.detail(),
        })
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Full | Self::Draining | Self::NobodySeen(_) => Some(Duration::from_secs(1)),
            // What is open there does not close within moments.
            Self::AddressFull => Some(Duration::from_secs(30)),
            _ => None,
        }
    }
}
