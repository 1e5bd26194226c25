//! Adapters that break a promise on purpose.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use tertulia_runtime::{Id, Timestamp};

use super::{Arrived, Loss, Rig, THEN_MS};
use crate::{Error, MAX_BODY_BYTES, MAX_SUBJECT_CHARS, Mail, Mailer};

/// What is wrong with an adapter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Leaves the HTML away.
    SendsTextAlone,
    /// Knows no letter that is not ASCII.
    ManglesLetters,
    /// Names a mail anew at each attempt.
    NewIdEachTime,
    /// Dates a mail by when it is sent.
    DatesItself,
    /// Accepts a mail now and then that it does not send.
    LosesSome,
    /// Accepts what it only remembers.
    KeepsInMemory,
    /// Sends what stands before a line break.
    LetsLinesThrough,
    /// Writes to whatever it can make of an address.
    TakesAnyAddress,
    /// Cuts off what is too much.
    TakesAnySize,
    /// Says in its errors what the mail says.
    QuotesMails,
    /// Takes a refusal for a server that is busy.
    ConfusesRefusals,
    /// Accepts what it cannot send.
    AcceptsWhileAway,
    /// Never tries a server again that it has lost.
    StaysAway,
}

/// A rig whose mailers have a fault, over one whose mailers have none.
pub struct SabotagedRig {
    inner: Arc<dyn Rig>,
    fault: Fault,
    wrong: Arc<Wrong>,
}

#[derive(Default)]
struct Wrong {
    remembered: Mutex<Vec<Arrived>>,
    attempts: AtomicU64,
    is_away: AtomicBool,
    was_away: AtomicBool,
}

impl SabotagedRig {
    /// Breaks a rig.
    pub fn new(inner: Arc<dyn Rig>, fault: Fault) -> Self {
        Self { inner, fault, wrong: Arc::default() }
    }
}

#[async_trait]
impl Rig for SabotagedRig {
    async fn mailer(&self) -> Arc<dyn Mailer> {
        let inner = self.inner.mailer().await;
        Arc::new(Saboteur { inner, fault: self.fault, wrong: self.wrong.clone() })
    }

    async fn arrived(&self) -> Vec<Arrived> {
        let mut arrived = self.inner.arrived().await;
        arrived.extend(self.wrong.remembered.lock().expect("no holder panics").iter().cloned());
        arrived
    }

    async fn crash(&self) {
        self.wrong.remembered.lock().expect("no holder panics").clear();
        self.inner.crash().await;
    }

    async fn lose_server(&self, loss: Loss) {
        self.wrong.is_away.store(true, Ordering::SeqCst);
        self.wrong.was_away.store(true, Ordering::SeqCst);
        self.inner.lose_server(loss).await;
    }

    async fn return_server(&self) {
        self.wrong.is_away.store(false, Ordering::SeqCst);
        self.inner.return_server().await;
    }

    /// Long enough for a sound adapter on most days; a faulty one is not worth more.
    fn patience(&self) -> Duration {
        Duration::from_secs(5)
    }
}

struct Saboteur {
    inner: Arc<dyn Mailer>,
    fault: Fault,
    wrong: Arc<Wrong>,
}

impl Saboteur {
    /// The mail as the fault makes it.
    fn spoiled(&self, mail: &Mail, attempt: u64) -> Mail {
        let mut mail = mail.clone();
        let ascii =
            |text: &str| text.chars().map(|letter| if letter.is_ascii() { letter } else { '?' }).collect();
        let cut = |text: &str, chars: usize| text.chars().take(chars).collect::<String>();
        match self.fault {
            Fault::SendsTextAlone => mail.html.clone_from(&mail.text),
            Fault::ManglesLetters => {
                mail.subject = ascii(&mail.subject);
                mail.text = ascii(&mail.text);
            }
            Fault::NewIdEachTime => mail.id = Id::from_ulid(u128::from(attempt).into()),
            Fault::DatesItself => mail.at = Timestamp::from_millis(THEN_MS + 1_000_000_000),
            Fault::LetsLinesThrough => {
                mail.subject = mail.subject.split(['\r', '\n', '\0']).next().unwrap_or_default().to_owned();
            }
            Fault::TakesAnyAddress if !crate::is_address(&mail.to) => {
                "eve@example.org".clone_into(&mut mail.to);
            }
            Fault::TakesAnySize => {
                mail.subject = cut(&mail.subject, MAX_SUBJECT_CHARS);
                mail.text = cut(&mail.text, MAX_BODY_BYTES / 2);
                mail.html = cut(&mail.html, MAX_BODY_BYTES / 2);
            }
            _ => {}
        }
        mail
    }
}

#[async_trait]
impl Mailer for Saboteur {
    async fn deliver(&self, mail: &Mail) -> Result<(), Error> {
        let attempt = self.wrong.attempts.fetch_add(1, Ordering::SeqCst);
        match self.fault {
            Fault::LosesSome if attempt % 8 == 7 => return Ok(()),
            Fault::AcceptsWhileAway if self.wrong.is_away.load(Ordering::SeqCst) => return Ok(()),
            Fault::StaysAway if self.wrong.was_away.load(Ordering::SeqCst) => {
                return Err(Error::Unavailable("it was away".to_owned()));
            }
            Fault::KeepsInMemory => {
                let arrived = Arrived {
                    id: mail.id.to_string(),
                    at_s: mail.at.as_seconds(),
                    to: vec![mail.to.clone()],
                    subject: mail.subject.clone(),
                    text: mail.text.clone(),
                    html: mail.html.clone(),
                };
                self.wrong.remembered.lock().expect("no holder panics").push(arrived);
                return Ok(());
            }
            _ => {}
        }
        match self.inner.deliver(&self.spoiled(mail, attempt)).await {
            Err(Error::Refused(reason)) if self.fault == Fault::ConfusesRefusals => {
                Err(Error::Unavailable(reason))
            }
            Err(Error::Invalid(_)) if self.fault == Fault::QuotesMails => {
                Err(Error::Invalid(format!("this cannot be sent: {}", mail.text)))
            }
            answer => answer,
        }
    }

    async fn check(&self) -> Result<(), Error> {
        self.inner.check().await
    }
}
