//! The mail port: whoever wants something said by mail hands it over here. See [`port`] for the promises, which every
//! adapter keeps and the conformance suite checks.
//!
//! [`OutboxMailer`] keeps mails for the operator to read and to pass on, [`SmtpMailer`] gives them to a server that
//! delivers.

#[cfg(feature = "conformance")]
pub mod conformance;
mod error;
mod mail;
mod outbox;
pub mod port;
mod smtp;

pub use error::Error;
pub use mail::{MAX_ADDRESS_BYTES, MAX_BODY_BYTES, MAX_SUBJECT_CHARS, Mail, MailId, Sender, is_address};
pub use outbox::{KEPT_FOR, MAX_KEPT, OutboxMailer};
pub use port::Mailer;
pub use smtp::{SmtpConfig, SmtpMailer};
