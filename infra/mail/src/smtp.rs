//! Mails over SMTP (RFC 5321), to a server that brings them on their way.

use std::{
    net::IpAddr,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use lettre::{
    Address, AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor,
    message::{
        Mailbox, MultiPart, SinglePart,
        header::{HeaderName, HeaderValue},
    },
    transport::smtp,
};
use tertulia_runtime::config::Secret;
use tokio::{sync::Semaphore, time::timeout};
use url::{Host, Url};

use crate::{Error, Mail, Mailer, Sender, mail::check};

/// How much of a server's words is kept.
const MAX_REASON_CHARS: usize = 300;
/// What a server says of our name and password, and not of the mail (RFC 4954 §6): mending the configuration is worth
/// another attempt.
const ABOUT_SIGNING_IN: [u16; 4] = [530, 534, 535, 538];

/// Where the server is, and how long it is waited for.
#[derive(Debug, Clone)]
pub struct SmtpConfig {
    /// `smtps://user:password@host:port` (RFC 8314), or `smtp://user:password@host:port?tls=required` for STARTTLS.
    /// Without either only without a password, or to this very machine.
    pub url: Secret,
    /// Whom the mails are from.
    pub from: Sender,
    /// How long one mail may take.
    pub timeout: Duration,
}

impl SmtpConfig {
    /// A server that is given the usual time.
    pub const fn new(url: Secret, from: Sender) -> Self {
        Self { url, from, timeout: Duration::from_secs(30) }
    }
}

/// Gives mails to an SMTP server, each over a connection of its own: they are few, and a server that went away in between
/// is found out by nobody.
pub struct SmtpMailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Sender,
    timeout: Duration,
    connections: Semaphore,
}

/// So many connections at once; who comes after waits.
const CONNECTIONS: usize = 8;

impl SmtpMailer {
    /// A mailer for this server, which is not asked yet.
    ///
    /// # Errors
    /// [`Error::Configuration`] when the address is none, or a password would go over the network for all to read.
    pub fn new(config: SmtpConfig) -> Result<Self, Error> {
        let form = "it is not of the form smtps://user:password@host:port";
        let wrong = |what: &str| Error::Configuration(what.to_owned());
        let url = Url::parse(config.url.expose()).map_err(|_| wrong(form))?;
        let encrypted = url.scheme() == "smtps" || url.query() == Some("tls=required");
        if url.password().is_some() && !encrypted && !is_this_machine(&url) {
            let what =
                "it would send a password unencrypted; use smtps://, or add ?tls=required for STARTTLS";
            return Err(wrong(what));
        }
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(config.url.expose());
        // Not in the library's words: they may quote the address.
        let transport = transport.map_err(|_| wrong(form))?.timeout(Some(config.timeout)).build();
        let connections = Semaphore::new(CONNECTIONS);
        Ok(Self { transport, from: config.from, timeout: config.timeout, connections })
    }

    async fn within<T>(&self, attempt: impl Future<Output = Result<T, smtp::Error>>) -> Result<T, Error> {
        let _connection = self.connections.acquire().await.expect("nobody closes the semaphore");
        match timeout(self.timeout, attempt).await {
            Ok(answer) => answer.map_err(|error| failure(&error)),
            Err(_) => Err(Error::Unavailable(format!("the server did not answer within {:?}", self.timeout))),
        }
    }
}

fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => {
            name == "localhost" || name.parse().is_ok_and(|it: IpAddr| it.is_loopback())
        }
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn failure(error: &smtp::Error) -> Error {
    let reason: String = error.to_string().chars().take(MAX_REASON_CHARS).collect();
    let about_us = error.status().is_some_and(|code| ABOUT_SIGNING_IN.contains(&u16::from(code)));
    if error.is_permanent() && !about_us { Error::Refused(reason) } else { Error::Unavailable(reason) }
}

#[async_trait]
impl Mailer for SmtpMailer {
    async fn deliver(&self, mail: &Mail) -> Result<(), Error> {
        let message = compose(mail, &self.from, check(mail)?)?;
        self.within(self.transport.send(message)).await.map(drop)
    }

    async fn check(&self) -> Result<(), Error> {
        if self.within(self.transport.test_connection()).await? {
            return Ok(());
        }
        Err(Error::Unavailable("the server does not answer as it should".to_owned()))
    }
}

/// The message as it goes out (RFC 5322), text and HTML as alternatives (RFC 2046 §5.1.4). Nothing of it is made up here: the
/// same mail is the same bytes at every attempt.
fn compose(mail: &Mail, from: &Sender, to: Address) -> Result<Message, Error> {
    let at = Duration::from_millis(u64::try_from(mail.at.as_millis()).unwrap_or(0));
    let alternatives = MultiPart::alternative()
        .boundary(mail.id.to_string())
        .singlepart(SinglePart::plain(mail.text.clone()))
        .singlepart(SinglePart::html(mail.html.clone()));
    Message::builder()
        .message_id(Some(format!("<{}@{}>", mail.id, from.host())))
        .date(SystemTime::UNIX_EPOCH + at)
        .from(from.0.clone())
        .to(Mailbox::new(None, to))
        .subject(&mail.subject)
        // No holiday notice answers what a program wrote (RFC 3834 §5).
        .raw_header(HeaderValue::new(
            HeaderName::new_from_ascii_str("Auto-Submitted"),
            "auto-generated".to_owned(),
        ))
        .multipart(alternatives)
        .map_err(|error| Error::Invalid(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mailer(url: &str) -> Result<SmtpMailer, Error> {
        let from = Sender::parse("Tertulia <t@example.org>").unwrap();
        SmtpMailer::new(SmtpConfig::new(Secret::new(url), from))
    }

    #[tokio::test]
    async fn a_password_goes_over_no_network_unencrypted() {
        for fine in [
            "smtps://ana:hush@mail.example.org",
            "smtp://ana:hush@mail.example.org:587?tls=required",
            "smtp://mail.example.org:25",
            "smtp://ana:hush@127.0.0.1:1025",
            "smtp://ana:hush@[::1]:1025",
            "smtp://ana:hush@localhost",
        ] {
            assert!(mailer(fine).is_ok(), "{fine}");
        }
        for wrong in [
            "smtp://ana:hush@mail.example.org",
            "smtp://ana:hush@mail.example.org?tls=opportunistic",
            "smtp://ana:hush@127.0.0.1.example.org",
            "http://ana:hush@127.0.0.1",
            "mail.example.org:25",
            "",
        ] {
            let error = mailer(wrong).map(drop).unwrap_err();
            assert!(matches!(error, Error::Configuration(_)), "{wrong}: {error:?}");
            assert!(!error.to_string().contains("hush"), "{error}");
        }
    }
}
