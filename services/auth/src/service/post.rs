//! Writes and sends the mails that accounts' changes asked for. A mail is an event's consequence: the bus keeps what could
//! not be sent, gives it here again with a growing delay, and lays it aside with the reason in the end.
//!
//! A link's secret is made here, at each attempt, and given to nobody but the mailer.

use std::time::Duration;

use async_trait::async_trait;
use tertulia_bus::{Handler, Outcome, RetryPolicy, consume};
use tertulia_cache::Quota;
use tertulia_contracts::events::{Letter, MailRequested};
use tertulia_mail::{Error as MailError, Mail, MailId};
use tertulia_runtime::{Event, Fault as _, Kind, Timestamp, secret};

use super::letters::{Filling, Written};
use crate::{
    App, Auth, Error,
    model::{
        account::{Account, Identifier, comparable_email, is_same_email},
        link::Purpose,
    },
};

/// A server that is busy or away has about twenty minutes: less than the half hour after which RabbitMQ takes back what a
/// consumer has in hand, and the hour for which a link to set a password would be good.
pub(crate) const RETRY: RetryPolicy =
    RetryPolicy { attempts: 12, first_delay: Duration::from_secs(1), max_delay: Duration::from_mins(5) };
/// So many that cannot be sent hold up no other.
pub(crate) const PREFETCH: u16 = 64;
/// How often one mailbox is written to for somebody who only says that it is theirs: nobody is flooded in our name.
const MAILBOX: Quota = Quota { burst: 5, period: Duration::from_mins(10) };

#[async_trait]
impl Handler for App {
    async fn handle(&self, event: &Event) -> Outcome {
        let letter = match consume::<MailRequested>(event) {
            Ok(requested) => requested.letter,
            Err(outcome) => return outcome,
        };
        match self.0.send(event, letter).await {
            Ok(()) => Outcome::Done,
            Err(Error::Mail(error @ (MailError::Invalid(_) | MailError::Refused(_)))) => {
                self.0.counters.mails_given_up.inc();
                Outcome::Reject(error.to_string())
            }
            Err(error) if error.kind() == Kind::Internal => Outcome::Reject(error.to_string()),
            Err(error) => Outcome::Retry(error.to_string()),
        }
    }
}

/// A letter to somebody: whom it is for, which one, and what the link in it is good for.
struct Addressed {
    account: Account,
    to: String,
    kind: &'static str,
    purpose: Option<Purpose>,
}

impl Auth {
    async fn send(&self, event: &Event, letter: Letter) -> Result<(), Error> {
        let Some(addressed) = self.address(letter).await? else { return Ok(()) };
        // The same at every attempt.
        let id = MailId::from_ulid(event.id.ulid());
        let link = match &addressed.purpose {
            None => String::new(),
            Some(purpose) => match self.link(id, &addressed, purpose.clone()).await? {
                Some(link) => link,
                None => return Ok(()),
            },
        };
        let Addressed { account, to, kind, .. } = addressed;
        let filling = Filling { handle: &account.handle, link: &link };
        let Written { subject, text, html } = self.letters.write(kind, account.locale.as_deref(), filling)?;
        self.mailer.deliver(&Mail { id, at: event.time, to, subject, text, html }).await?;
        self.counters.mails_sent.inc();
        Ok(())
    }

    /// Whom a letter is for, unless what it tells is no longer so.
    async fn address(&self, letter: Letter) -> Result<Option<Addressed>, Error> {
        let addressed = |account: Option<Account>, to: Option<String>, kind, purpose| {
            Ok(account.zip(to).map(|(account, to)| Addressed { account, to, kind, purpose }))
        };
        match letter {
            Letter::VerifyEmail { user_id, address } => {
                let account = self.store.account(user_id).await?;
                let account = account.filter(|it| it.claimed_email.as_ref() == Some(&address));
                let purpose = Purpose::VerifyEmail { address: address.clone() };
                addressed(account, Some(address), "verify_email", Some(purpose))
            }
            Letter::EmailReplaced { user_id, address } => {
                let account = self.store.account(user_id).await?;
                let back =
                    |it: &Account| it.proven_email.as_deref().is_some_and(|is| is_same_email(is, &address));
                let account = account.filter(|it| !back(it));
                addressed(account, Some(address), "email_replaced", None)
            }
            Letter::ResetPassword { identifier } => {
                let account = self.store.account_of(&Identifier::read(&identifier)).await?;
                // Nobody signs in as a bot. A person without a password sets their first one so.
                let account = account.filter(|account| account.bot.is_none());
                let to = account.as_ref().and_then(|account| account.proven_email.clone());
                addressed(account, to, "reset_password", Some(Purpose::ResetPassword))
            }
            Letter::PasswordChanged { user_id } => {
                let account = self.store.account(user_id).await?;
                let to = account.as_ref().and_then(|account| account.proven_email.clone());
                addressed(account, to, "password_changed", None)
            }
            Letter::AccountErased { user_id, address, handle, locale } => {
                // Whom it tells stands in no store any more.
                let nobody = Account::new(user_id, handle, String::new(), Timestamp::EPOCH);
                let account = Account { locale, ..nobody };
                addressed(Some(account), Some(address), "account_erased", None)
            }
        }
    }

    /// A new link for a mail, unless its mailbox was written to too often.
    async fn link(&self, id: MailId, to: &Addressed, purpose: Purpose) -> Result<Option<String>, Error> {
        // Of one mail, only the first attempt counts.
        if !to.account.links.knows(id) {
            let mailbox = secret::fingerprint(&comparable_email(&to.to));
            match self.within(&format!("mailbox:{mailbox}"), MAILBOX).await {
                Ok(()) => {}
                Err(Error::TooOften { .. }) => {
                    tracing::info!(user = %to.account.id, "a mailbox is not written to: too often");
                    return Ok(None);
                }
                Err(error) => return Err(error),
            }
        }
        let page = match purpose {
            Purpose::VerifyEmail { .. } => "verify-email",
            Purpose::ResetPassword => "reset-password",
        };
        let user_id = to.account.id;
        let add = |account: &mut Account| {
            Ok((account.links.add(&self.ambient, user_id, id, purpose.clone()), Vec::new()))
        };
        let (_, token) = self.change(user_id, || Error::UserNotFound, add).await?;
        // Behind the `#`, where no log and no other site reads it.
        Ok(Some(format!("{}/{page}#{}", self.public_url, token.reveal())))
    }
}
