//! Whose an e-mail address is: whoever opens the link that was sent there.

use std::{collections::BTreeMap, time::Duration};

use tertulia_cache::Quota;
use tertulia_contracts::{
    UserId,
    auth::ChangeEmail,
    events::{Letter, MailRequested},
};
use tertulia_mail::is_address;
use tertulia_runtime::Event;

use crate::{
    Auth, Error, SOURCE,
    model::{
        account::{Account, is_same_email},
        audit::{Deed, Origin},
        link::{LinkToken, Links, Purpose},
    },
};

/// How often somebody may ask for a link to an address of theirs.
const ASKING: Quota = Quota { burst: 5, period: Duration::from_mins(10) };

/// Fails unless mail can be sent there.
pub(super) fn must_be_address(text: &str) -> Result<(), Error> {
    let message = "is no address that mail can be sent to";
    if is_address(text) { Ok(()) } else { Err(Error::BadField { field: "email", message }) }
}

impl Auth {
    /// What tells somebody something by mail.
    pub(super) fn mail(&self, letter: Letter) -> Event {
        Event::new(&self.ambient, SOURCE, &MailRequested { letter })
    }

    /// The caller says that another address is theirs. The one they have stays until the other is proven.
    pub(crate) async fn claim_email(&self, id: UserId, request: ChangeEmail) -> Result<Account, Error> {
        must_be_address(&request.email)?;
        self.must_know_password(id, request.password).await?;
        self.within(&format!("email:{id}"), ASKING).await?;
        let address = request.email;
        let claim = |account: &mut Account| {
            let proven = account.proven_email.as_deref().is_some_and(|it| is_same_email(it, &address));
            account.links.forget(|purpose| matches!(purpose, Purpose::VerifyEmail { .. }));
            account.claimed_email = (!proven).then(|| address.clone());
            let letter = Letter::VerifyEmail { user_id: id, address: address.clone() };
            Ok(((), if proven { Vec::new() } else { vec![self.mail(letter)] }))
        };
        Ok(self.change(id, || Error::SessionEnded, claim).await?.0)
    }

    /// Sends the link to the address that the caller claims once more.
    pub(crate) async fn send_link_again(&self, id: UserId) -> Result<(), Error> {
        let account = self.account(id).await?;
        let address = account.claimed_email.ok_or(Error::NothingToVerify)?;
        self.within(&format!("email:{id}"), ASKING).await?;
        self.bus.publish(&[self.mail(Letter::VerifyEmail { user_id: id, address })]).await?;
        Ok(())
    }

    /// Whoever opened the link reads that mailbox: the address is the account's, and the one before is told.
    pub(crate) async fn verify_email(&self, token: &str, origin: &Origin) -> Result<(), Error> {
        let token: LinkToken = token.parse().map_err(|_| Error::LinkInvalid)?;
        let verify = |account: &mut Account| {
            let purpose = account.links.opened_by(&token, self.ambient.now());
            let Some(Purpose::VerifyEmail { address }) = purpose else { return Err(Error::LinkInvalid) };
            let address = address.clone();
            if account.claimed_email.as_ref() != Some(&address) {
                return Err(Error::LinkInvalid);
            }
            // A link to set a password went to the address before.
            account.links = Links::default();
            account.claimed_email = None;
            let before = account.proven_email.replace(address);
            let told =
                before.map(|address| self.mail(Letter::EmailReplaced { user_id: account.id, address }));
            let noted = self.note(Deed::EmailChanged, origin, Some(account.id), BTreeMap::new());
            Ok(((), told.into_iter().chain([noted]).collect()))
        };
        self.change(token.user_id, || Error::LinkInvalid, verify).await.map(drop)
    }
}
