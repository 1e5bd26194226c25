//! Another password: by the one before, or by a link in a mail.

use std::{collections::BTreeMap, time::Duration};

use tertulia_cache::Quota;
use tertulia_contracts::{
    UserId,
    auth::{ChangePassword, ForgotPassword, ResetPassword},
    events::Letter,
    identity::Identity,
};
use tertulia_documents as documents;
use tertulia_runtime::Event;

use crate::{
    Auth, Error,
    model::{
        account::Account,
        audit::{Deed, Origin},
        link::{LinkToken, Purpose},
    },
};

/// How often a password may be shown by whoever is signed in already: who found an open device does not guess on.
const SHOWING: Quota = Quota { burst: 10, period: Duration::from_mins(1) };
const ATTEMPTS: usize = 4;

impl Auth {
    /// Fails unless this is the account's password.
    pub(super) async fn must_know_password(&self, id: UserId, password: String) -> Result<(), Error> {
        self.within(&format!("password:{id}"), SHOWING).await?;
        let stored = self.account(id).await?.password;
        if self.passwords.verify(password, stored).await? { Ok(()) } else { Err(Error::WrongPassword) }
    }

    /// Fails with the reason if this password is too easily guessed.
    pub(super) async fn must_be_strong(&self, password: &str, account: &Account) -> Result<(), Error> {
        let emails = account.proven_email.iter().chain(&account.claimed_email).cloned();
        let known = [account.handle.clone(), account.display_name.clone()].into_iter().chain(emails);
        match self.passwords.weakness(password.to_owned(), known.collect()).await? {
            None => Ok(()),
            Some(reason) => Err(Error::WeakPassword { reason }),
        }
    }

    /// Sets another password for whoever knows the one before. Their other sessions end.
    pub(crate) async fn change_password(
        &self,
        caller: &Identity,
        origin: &Origin,
        request: ChangePassword,
    ) -> Result<(), Error> {
        let id = caller.user_id;
        self.must_know_password(id, request.current_password).await?;
        self.must_be_strong(&request.password, &self.account(id).await?).await?;
        let hash = self.passwords.hash(request.password).await?;
        let set = |account: &mut Account| {
            let noted = self.note(Deed::PasswordChanged, &origin.by(id), Some(id), BTreeMap::new());
            Ok((account.set_password(&hash), vec![self.notice_of_password(id), noted]))
        };
        let (_, generation) = self.change(id, || Error::SessionEnded, set).await?;
        self.keep_session(caller, generation).await?;
        self.end_sessions(id, Some(caller.session_id)).await.map(drop)
    }

    /// Sends whoever is called so a link to set another password, if anybody is. Whether there is such an account is not
    /// looked up here: the answer and the work for it are the same for everybody.
    pub(crate) async fn forgot_password(&self, request: ForgotPassword) -> Result<(), Error> {
        let letter = Letter::ResetPassword { identifier: request.identifier };
        self.bus.publish(&[self.mail(letter)]).await?;
        Ok(())
    }

    /// Sets another password for whoever opened the link. All their sessions end.
    pub(crate) async fn reset_password(&self, request: ResetPassword, origin: &Origin) -> Result<(), Error> {
        let token: LinkToken = request.token.parse().map_err(|_| Error::LinkInvalid)?;
        let opens = |account: &Account| {
            account.links.opened_by(&token, self.ambient.now()) == Some(&Purpose::ResetPassword)
        };
        // Asked before the costly hash; the commit asks again.
        let account = self.store.account(token.user_id).await?.filter(opens).ok_or(Error::LinkInvalid)?;
        self.must_be_strong(&request.password, &account).await?;
        let hash = self.passwords.hash(request.password).await?;
        let set = |account: &mut Account| {
            if !opens(account) {
                return Err(Error::LinkInvalid);
            }
            let noted = self.note(Deed::PasswordReset, origin, Some(account.id), BTreeMap::new());
            Ok((account.set_password(&hash), vec![self.notice_of_password(account.id), noted]))
        };
        self.change(token.user_id, || Error::LinkInvalid, set).await?;
        self.end_sessions(token.user_id, None).await.map(drop)
    }

    /// Hashes a password anew that was hashed at another cost than is configured now. Whoever signed in is not held up by
    /// a failure: the next sign-in tries again.
    pub(super) async fn keep_hash_current(&self, account: &Account, password: String) {
        let Some(stored) = account.password.as_ref().filter(|stored| self.passwords.is_outdated(stored))
        else {
            return;
        };
        let renewed = async {
            let hash = self.passwords.hash(password).await?;
            let set = |account: &mut Account| {
                // It may be another password by now.
                if account.password.as_ref() == Some(stored) {
                    account.password = Some(hash.clone());
                }
                Ok(((), Vec::new()))
            };
            self.change(account.id, || Error::UserNotFound, set).await
        };
        if let Err(error) = renewed.await {
            tracing::warn!(%error, user = %account.id, "a password could not be hashed anew");
        }
    }

    fn notice_of_password(&self, user_id: UserId) -> Event {
        self.mail(Letter::PasswordChanged { user_id })
    }

    /// The session that changed the password goes on with it.
    async fn keep_session(&self, caller: &Identity, generation: u64) -> Result<(), Error> {
        for _ in 0..ATTEMPTS {
            let Some(found) = self.store.session(caller.session_id).await? else { return Ok(()) };
            let mut session = found.value;
            session.generation = generation;
            match self.store.sessions.replace(&session, found.revision, Vec::new()).await {
                Ok(_) => return Ok(()),
                Err(documents::Error::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::ChangedMeanwhile)
    }
}
