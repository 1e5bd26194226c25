//! A mail, and what makes one that can be sent.

use std::fmt;

use lettre::{Address, message::Mailbox};
use serde::{Deserialize, Serialize};
use tertulia_runtime::{Id, IdKind, Timestamp};

use crate::Error;

/// The longest address (RFC 5321 §4.5.3.1.3, without its angle brackets).
pub const MAX_ADDRESS_BYTES: usize = 254;
/// The longest subject: with a header's name and its encoding still far from the 998 octets of a line (RFC 5322 §2.1.1).
pub const MAX_SUBJECT_CHARS: usize = 150;
/// The longest text, and the longest HTML.
pub const MAX_BODY_BYTES: usize = 64 << 10;

/// Names the ids of mails.
pub enum MailKind {}

impl IdKind for MailKind {
    const PREFIX: &'static str = "mai";
}

/// The id of a mail: its `Message-ID` is made of it.
pub type MailId = Id<MailKind>;

/// One mail to one person, as text and as HTML that says the same. It is kept and read back as it is.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mail {
    /// The same at every attempt.
    pub id: MailId,
    /// Its `Date`: when what it tells happened.
    pub at: Timestamp,
    /// Whom it is for: an address alone, without a name.
    pub to: String,
    /// What it is about.
    pub subject: String,
    /// For those who read text.
    pub text: String,
    /// For those who read HTML. Whoever wrote it escaped what is not theirs.
    pub html: String,
}

/// What a mail says may let in whoever reads it.
impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mail").field("id", &self.id).field("subject", &self.subject).finish_non_exhaustive()
    }
}

/// What every adapter asks before it accepts a mail; whom it goes to.
pub(crate) fn check(mail: &Mail) -> Result<Address, Error> {
    let wrong = |what: &str| Err(Error::Invalid(what.to_owned()));
    let Some(to) = address(&mail.to) else {
        return wrong("the address is none");
    };
    if mail.subject.trim().is_empty() || mail.subject.chars().any(char::is_control) {
        return wrong("the subject is empty, or holds a line break or another control character");
    }
    if mail.subject.chars().count() > MAX_SUBJECT_CHARS {
        return wrong("the subject is too long");
    }
    if [&mail.text, &mail.html].iter().any(|body| body.is_empty() || body.len() > MAX_BODY_BYTES) {
        return wrong("a body is empty or too large");
    }
    // Text that a document or a header could not hold either.
    if [&mail.text, &mail.html].iter().any(|body| body.contains('\0')) {
        return wrong("a body holds a null character");
    }
    Ok(to)
}

/// Whether mail can be sent there: `name@host` of RFC 5321 §4.1.2 in ASCII (an internationalised domain in its ASCII form),
/// without quotes and address literals, which nobody's mailbox needs. Whether somebody reads it there only a mail finds
/// out.
pub fn is_address(text: &str) -> bool {
    address(text).is_some()
}

fn address(text: &str) -> Option<Address> {
    let (name, host) = text.rsplit_once('@')?;
    let plain =
        text.bytes().all(|byte| byte.is_ascii_graphic()) && !name.contains('"') && !host.starts_with('[');
    if !plain || text.len() > MAX_ADDRESS_BYTES {
        return None;
    }
    Address::new(name, host).ok()
}

/// Who all mails are from: `Tertulia <tertulia@example.org>`, or the address alone.
#[derive(Debug, Clone)]
pub struct Sender(pub(crate) Mailbox);

impl Sender {
    /// Reads a sender as it is configured.
    ///
    /// # Errors
    /// [`Error::Configuration`] if it is none.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let wrong = || Error::Configuration("the sender is not of the form: Name <name@host>".to_owned());
        let mailbox: Mailbox = text.parse().map_err(|_| wrong())?;
        let named = mailbox.name.as_deref().unwrap_or_default();
        if named.chars().any(char::is_control) || !is_address(mailbox.email.as_ref()) {
            return Err(wrong());
        }
        Ok(Self(mailbox))
    }

    /// The host that its `Message-ID`s end in.
    pub(crate) fn host(&self) -> &str {
        self.0.email.domain()
    }
}

impl fmt::Display for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_what_mail_can_be_sent_to() {
        let long = format!("{}@{}.example", "a".repeat(64), "b".repeat(60));
        for good in ["ana@example.org", "ana+chat@mail.example.org", "a.b-c_d'e@x.example", &long] {
            assert!(is_address(good), "{good}");
        }
        let long_name = format!("{}@example.org", "a".repeat(65));
        let host = ["b".repeat(63), "c".repeat(63), "d".repeat(63), "e".repeat(60)].join(".");
        assert!(is_address(&format!("a@{host}")), "{MAX_ADDRESS_BYTES} bytes");
        let long_whole = format!("ab@{host}");
        for bad in [
            "",
            "@",
            "ana",
            "ana@",
            "@example.org",
            "ana@example.org\r\nBcc: eve@example.org",
            "ana @example.org",
            "ana@exa mple.org",
            "\"ana\"@example.org",
            "ana@[127.0.0.1]",
            "ana@example.org, eve@example.org",
            "Ana <ana@example.org>",
            "ana\u{0}@example.org",
            "aña@example.org",
            &long_name,
            &long_whole,
        ] {
            assert!(!is_address(bad), "{bad:?} was taken for an address");
        }
    }

    #[test]
    fn a_sender_is_a_name_and_an_address() {
        assert_eq!(Sender::parse("Tertulia <t@example.org>").unwrap().host(), "example.org");
        assert_eq!(Sender::parse("t@localhost").unwrap().host(), "localhost");
        for bad in ["", "Tertulia", "Tertulia <>", "T\r\nBcc: eve@example.org <t@example.org>"] {
            assert!(matches!(Sender::parse(bad), Err(Error::Configuration(_))), "{bad:?}");
        }
    }
}
