//! A reference client: what docs/protocol.md and the HTTP API ask of one, and no more.
//!
//! [`Api`] speaks HTTP as one user. [`Socket`] is a bare connection that says and hears single frames, and
//! [`EventStream`] listens where one cannot be had. [`Session`] is what people hold on to: it connects, resumes,
//! fills holes, applies every event once and in order, sends until it is acknowledged, and does what a close code
//! asks.

mod api;
mod events;
mod network;
mod session;
mod socket;
mod timeline;
mod tls;
pub mod transcript;

pub use api::{Api, ApiError};
pub use events::{EventReader, EventStream, ServerEvent};
pub use network::Network;
pub use session::{Journal, Sent, Session, SessionEnd};
pub use socket::{Closed, Socket, SocketError};
pub use timeline::{Step, Timeline};
pub use tls::{Trust, Wire};
