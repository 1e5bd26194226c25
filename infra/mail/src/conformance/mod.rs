//! The suite that every adapter of the mail port passes, one list of named cases.
//!
//! Each case names a [`Fault`], and must fail on an adapter that has it.

mod accepting;
mod losing;
mod refusing;
mod sabotage;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tertulia_runtime::{Id, Timestamp};

pub use sabotage::{Fault, SabotagedRig};

use crate::{Mail, Mailer};

/// 2026-01-02T03:04:05Z: long before any test runs.
const THEN_MS: i64 = 1_767_323_045_000;
/// What no error may hold.
const SECRET: &str = "https://chat.example/verify#c2VjcmV0";

/// How a server is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// It is killed: connections break and new ones are refused.
    Killed,
    /// It is silent: connections stay and nothing is answered.
    Silent,
}

/// A mail as whoever it is for reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrived {
    /// What it is known again by: the id of the mail.
    pub id: String,
    /// Its date, in seconds since the epoch.
    pub at_s: i64,
    /// Whom it was brought to; everybody.
    pub to: Vec<String>,
    /// What it is about.
    pub subject: String,
    /// Its text.
    pub text: String,
    /// Its HTML.
    pub html: String,
}

/// An adapter, its server, and the ways to hurt it. Every case gets its own, empty.
#[async_trait]
pub trait Rig: Send + Sync {
    /// The mailer as another process has it.
    async fn mailer(&self) -> Arc<dyn Mailer>;

    /// Everything that has arrived, oldest first.
    async fn arrived(&self) -> Vec<Arrived>;

    /// Ends whatever keeps mails without a warning, and starts it again.
    async fn crash(&self);

    /// Takes the server away.
    async fn lose_server(&self, loss: Loss);

    /// Brings it back.
    async fn return_server(&self);

    /// How long a case waits for what must happen; generous, since a test machine may be busy.
    fn patience(&self) -> Duration {
        Duration::from_secs(20)
    }
}

tertulia_conformance::cases! {
    on dyn Rig, broken by Fault:
    accepting::what_is_accepted_arrives_whole by SendsTextAlone,
    accepting::letters_of_all_scripts_arrive by ManglesLetters,
    accepting::a_mail_given_again_is_known_again by NewIdEachTime,
    accepting::it_is_dated_by_what_it_tells by DatesItself,
    accepting::many_at_once_all_arrive by LosesSome,
    accepting::what_was_accepted_survives_a_crash by KeepsInMemory,
    refusing::a_line_break_begins_no_header by LetsLinesThrough,
    refusing::what_is_no_address_is_not_written_to by TakesAnyAddress,
    refusing::what_is_too_large_is_refused by TakesAnySize,
    refusing::an_error_says_nothing_of_what_a_mail_says by QuotesMails,
    losing::a_refusal_is_not_a_busy_server by ConfusesRefusals,
    losing::without_its_server_nothing_is_accepted by AcceptsWhileAway,
    losing::it_finds_its_server_again by StaysAway,
}

/// A mail to Ana, the same for the same number.
fn mail(number: u128) -> Mail {
    Mail {
        id: Id::from_ulid((u128::from(THEN_MS.unsigned_abs()) * (1 << 80) + number).into()),
        at: Timestamp::from_millis(THEN_MS),
        to: "ana@example.org".to_owned(),
        subject: format!("Mail {number}"),
        text: format!("Hello,\n\n{SECRET}\n"),
        html: format!("<p>Hello,</p>\n<p><a href=\"{SECRET}\">{SECRET}</a></p>\n"),
    }
}
