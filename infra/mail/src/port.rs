//! The port itself: what a mailer promises.
//!
//! * **Accepted means somebody else's.** When [`Mailer::deliver`] returns `Ok`, the mail is durable: with the server
//!   that brings it on its way, or in the outbox. It survives a crash of this process from then on.
//! * **Not accepted means tried again by the caller.** An adapter holds no queue of its own: mails are the consequences of
//!   events, and the bus keeps those, tries again with a growing delay and ends in a dead letter that holds the reason.
//!   [`Error::Unavailable`] is worth another attempt; [`Error::Refused`] and [`Error::Invalid`] never are.
//! * **At least once.** An attempt whose answer was lost is made again. It carries the same `Message-ID`
//!   (RFC 5322 §3.6.4), made of the mail's id, by which it is known again; the outbox keeps it once.
//! * **Nothing slips in.** An address that is none, a control character in a subject or an address (and so every line
//!   break that would begin a header of its own), a body beyond its bound: [`Error::Invalid`], and nobody is written to.
//! * **In time.** A server that is silent makes an attempt fail; it holds up nobody for ever.
//! * **Discreet.** No error holds a body or a password.
//!
//! Bounds: [`MAX_ADDRESS_BYTES`](crate::MAX_ADDRESS_BYTES), [`MAX_SUBJECT_CHARS`](crate::MAX_SUBJECT_CHARS),
//! [`MAX_BODY_BYTES`](crate::MAX_BODY_BYTES) for the text and for the HTML.

use async_trait::async_trait;

use crate::{Error, Mail};

/// What brings mails on their way.
#[async_trait]
pub trait Mailer: Send + Sync {
    /// Hands one mail over.
    async fn deliver(&self, mail: &Mail) -> Result<(), Error>;

    /// Whether mails are taken now, for readiness.
    async fn check(&self) -> Result<(), Error>;
}
