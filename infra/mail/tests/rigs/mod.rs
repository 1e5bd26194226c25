//! The adapters under test, each with what keeps its mails; and what concerns one of them alone.

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Result, ensure};
use async_trait::async_trait;
use tempfile::TempDir;
use tertulia_documents::{Collection, Documents, Record as _, SqliteDocuments};
use tertulia_mail::{
    Error, KEPT_FOR, MAX_KEPT, Mail, Mailer, OutboxMailer, Sender, SmtpConfig, SmtpMailer,
    conformance::{Arrived, Loss, Rig},
};
use tertulia_runtime::{Ambient, Timestamp, config::Secret, testkit::frozen};
use tertulia_testbed::{Server, Testbed, smtp};
use tokio::sync::Mutex;

const COLLECTIONS: &[Collection] = &[Mail::COLLECTION];

/// An outbox in a file.
pub(crate) struct OutboxRig {
    folder: TempDir,
    ambient: Ambient,
    documents: Mutex<Arc<dyn Documents>>,
}

impl OutboxRig {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (ambient, _) = frozen(1);
        let documents = open(folder.path().join("auth.db"), &ambient).await;
        Self { folder, ambient, documents: Mutex::new(documents) }
    }

    async fn outbox(&self) -> OutboxMailer {
        OutboxMailer::new(self.documents.lock().await.clone())
    }
}

async fn open(path: PathBuf, ambient: &Ambient) -> Arc<dyn Documents> {
    Arc::new(SqliteDocuments::open(&path, COLLECTIONS, ambient).await.expect("SQLite opens a file"))
}

#[async_trait]
impl Rig for OutboxRig {
    async fn mailer(&self) -> Arc<dyn Mailer> {
        Arc::new(self.outbox().await)
    }

    async fn arrived(&self) -> Vec<Arrived> {
        let page = self.outbox().await.kept(None, MAX_KEPT).await.expect("the outbox is readable");
        page.items.into_iter().rev().map(|kept| arrived(&kept)).collect()
    }

    async fn crash(&self) {
        let mut documents = self.documents.lock().await;
        *documents = open(self.folder.path().join("auth.db"), &self.ambient).await;
    }

    async fn lose_server(&self, _: Loss) {
        panic!("it has no server");
    }

    async fn return_server(&self) {}
}

fn arrived(kept: &Mail) -> Arrived {
    Arrived {
        id: kept.id.to_string(),
        at_s: kept.at.as_seconds(),
        to: vec![kept.to.clone()],
        subject: kept.subject.clone(),
        text: kept.text.clone(),
        html: kept.html.clone(),
    }
}

/// An SMTP server of its own, so that losing it disturbs no other case.
pub(crate) struct SmtpRig {
    server: Mutex<(Server, Option<Loss>)>,
    url: String,
}

impl SmtpRig {
    pub(crate) async fn start() -> Self {
        let bed = Testbed::new().expect("a temporary folder");
        let server = smtp::start(&bed).await.expect("the sink starts");
        Self { url: server.url().to_owned(), server: Mutex::new((server, None)) }
    }

    async fn received(&self) -> Vec<smtp::Received> {
        smtp::received(&self.server.lock().await.0).expect("the sink's files are readable")
    }

    /// The sink's URL with something before its address and something behind it.
    fn mailer_at(&self, before: &str, behind: &str) -> SmtpMailer {
        let url = self.url.replace("smtp://", &format!("smtp://{before}")) + behind;
        let from = Sender::parse("Tertulia <tertulia@example.org>").expect("it is a sender");
        let config =
            SmtpConfig { timeout: Duration::from_secs(2), ..SmtpConfig::new(Secret::new(url), from) };
        SmtpMailer::new(config).expect("the sink's URL is one")
    }
}

#[async_trait]
impl Rig for SmtpRig {
    async fn mailer(&self) -> Arc<dyn Mailer> {
        Arc::new(self.mailer_at("tertulia:hush@", ""))
    }

    async fn arrived(&self) -> Vec<Arrived> {
        let id = |message_id: &str| message_id.trim_matches(['<', '>']).replace("@example.org", "");
        let received = self.received().await.into_iter();
        received
            .map(|mail| Arrived {
                id: id(&mail.message_id),
                at_s: mail.date_s,
                to: mail.envelope_to,
                subject: mail.subject,
                text: mail.text.unwrap_or_default(),
                html: mail.html.unwrap_or_default(),
            })
            .collect()
    }

    async fn crash(&self) {
        let (server, _) = &mut *self.server.lock().await;
        server.kill().await.expect("the sink is killed");
        server.start_again().await.expect("the sink starts again");
    }

    async fn lose_server(&self, loss: Loss) {
        let (server, state) = &mut *self.server.lock().await;
        *state = Some(loss);
        match loss {
            Loss::Killed => server.kill().await.expect("the sink is killed"),
            Loss::Silent => server.pause().expect("the sink is paused"),
        }
    }

    async fn return_server(&self) {
        let (server, state) = &mut *self.server.lock().await;
        match state.take().expect("it was lost before") {
            Loss::Killed => server.start_again().await.expect("the sink starts again"),
            Loss::Silent => server.resume().expect("the sink goes on"),
        }
    }
}

fn mail(ambient: &Ambient, at: Timestamp) -> Mail {
    Mail {
        id: ambient.ids.next(),
        at,
        to: "ana@example.org".to_owned(),
        subject: "Hello".to_owned(),
        text: "Hello".to_owned(),
        html: "<p>Hello</p>".to_owned(),
    }
}

pub(crate) async fn it_is_kept_once_and_not_for_ever() -> Result<()> {
    let rig = OutboxRig::start().await;
    let (outbox, ambient) = (rig.outbox().await, frozen(2).0);
    let now = ambient.now();
    let at = |age: Duration| mail(&ambient, now.minus(age));
    let (old, young) = (at(KEPT_FOR + Duration::from_millis(1)), at(KEPT_FOR));
    for mail in [&old, &young, &young] {
        outbox.deliver(mail).await?;
    }
    ensure!(rig.arrived().await.len() == 2, "the same mail is kept once");
    outbox.sweep(now).await?;
    let left = rig.arrived().await;
    ensure!(left.len() == 1 && left[0].id == young.id.to_string(), "{left:?}");

    for number in 0..MAX_KEPT {
        outbox.deliver(&at(Duration::from_millis(number as u64))).await?;
    }
    ensure!(outbox.kept(None, MAX_KEPT).await?.next.is_some(), "one more than may be kept");
    outbox.sweep(now).await?;
    let page = outbox.kept(None, MAX_KEPT).await?;
    ensure!(page.items.len() == MAX_KEPT && page.next.is_none(), "{} are left", page.items.len());
    ensure!(page.items.iter().all(|kept| kept.id != young.id), "the oldest one went");
    ensure!(page.items.is_sorted_by(|one, other| one.at >= other.at), "the newest come first");
    Ok(())
}

pub(crate) async fn a_wrong_password() -> Result<()> {
    let rig = SmtpRig::start().await;
    let ambient = frozen(3).0;
    let answer = rig.mailer_at("tertulia:wrong-hush@", "").deliver(&mail(&ambient, ambient.now())).await;
    ensure!(matches!(&answer, Err(Error::Unavailable(_))), "{answer:?}");
    ensure!(!format!("{answer:?}").contains("wrong-hush"), "{answer:?}");
    ensure!(rig.received().await.is_empty());
    Ok(())
}

/// The sink offers no encryption: who asks for it speaks to it no further.
pub(crate) async fn without_starttls_nothing_is_said() -> Result<()> {
    let rig = SmtpRig::start().await;
    let ambient = frozen(4).0;
    let mailer = rig.mailer_at("tertulia:hush@", "?tls=required");
    let answer = mailer.deliver(&mail(&ambient, ambient.now())).await;
    ensure!(matches!(&answer, Err(Error::Unavailable(_))), "{answer:?}");
    ensure!(mailer.check().await.is_err());
    ensure!(rig.received().await.is_empty());
    Ok(())
}

pub(crate) async fn what_the_headers_say() -> Result<()> {
    let rig = SmtpRig::start().await;
    let ambient = frozen(5).0;
    let sent = mail(&ambient, ambient.now());
    rig.mailer_at("", "").deliver(&sent).await?;
    let received = rig.received().await.remove(0);
    ensure!(received.from == "Tertulia <tertulia@example.org>", "{received:?}");
    ensure!(received.envelope_from == "tertulia@example.org", "{received:?}");
    ensure!(received.to == "ana@example.org", "{received:?}");
    ensure!(received.message_id == format!("<{}@example.org>", sent.id), "{received:?}");
    let headers =
        ["auto-submitted", "content-type", "date", "from", "message-id", "mime-version", "subject", "to"];
    ensure!(received.headers == headers, "{received:?}");
    Ok(())
}
