//! The second factor and step-up: how somebody who is signed in proves again that it is them.

use std::{collections::BTreeMap, time::Duration};

use tertulia_cache::Quota;
use tertulia_contracts::{
    UserId,
    auth::{ConfirmTotp, Credentials, RecoveryCodes, StepUp, TotpSecret},
    identity::Identity,
};
use tertulia_documents as documents;
use tertulia_runtime::Event;

use crate::{
    Auth, Error,
    error::Proof,
    model::{
        account::Account,
        audit::{Deed, Origin},
        second_factor::{SecondFactor, fresh_recovery_codes, fresh_secret},
        session::Session,
    },
};

/// How often a code of one account is looked at, from wherever. Only who knows the password or holds a session comes so
/// far, so nobody else keeps its owner waiting; and a recovery code is looked at always.
const CODES: Quota = Quota { burst: 10, period: Duration::from_mins(5) };
const ATTEMPTS: usize = 4;

impl Auth {
    /// What the caller comes in by.
    pub(crate) async fn credentials(&self, caller: UserId) -> Result<Credentials, Error> {
        let account = self.account(caller).await?;
        Ok(Credentials {
            ways_in: account.ways_in(),
            totp: account.second_factor.is_on(),
            recovery_codes_left: account.second_factor.recovery_codes_left(),
        })
    }

    /// Makes a secret for codes. It counts once a code of it is shown.
    pub(crate) async fn enrol_totp(&self, caller: UserId) -> Result<TotpSecret, Error> {
        let fresh = fresh_secret(&*self.ambient.entropy);
        let enrol = |account: &mut Account| {
            if account.second_factor.is_on() {
                return Err(Proof::TotpOn.into());
            }
            Ok((account.second_factor.enrol(fresh, self.ambient.now()), Vec::new()))
        };
        let (account, secret) = self.change(caller, || Error::SessionEnded, enrol).await?;
        // A handle has no character that a URI would have to escape.
        let uri = format!(
            "otpauth://totp/Tertulia:{}?secret={secret}&issuer=Tertulia&algorithm=SHA1&digits=6&period=30",
            account.handle
        );
        Ok(TotpSecret { secret, uri })
    }

    /// Codes are asked for from now on. Answers the recovery codes.
    pub(crate) async fn confirm_totp(
        &self,
        caller: UserId,
        request: ConfirmTotp,
        origin: &Origin,
    ) -> Result<RecoveryCodes, Error> {
        self.within(&format!("code:{caller}"), CODES).await?;
        let recovery_codes = fresh_recovery_codes(&self.ambient);
        let confirm = |account: &mut Account| {
            if account.second_factor.is_on() {
                return Err(Proof::TotpOn.into());
            }
            if !account.second_factor.confirm(&request.code, self.ambient.now()) {
                return Err(Proof::Wrong.into());
            }
            account.second_factor.set_recovery_codes(&recovery_codes);
            Ok(((), vec![self.note_own(Deed::CodesTurnedOn, origin, caller)]))
        };
        self.change(caller, || Error::SessionEnded, confirm).await?;
        Ok(RecoveryCodes { recovery_codes })
    }

    /// Codes are asked for no longer.
    pub(crate) async fn disable_totp(&self, caller: UserId, origin: &Origin) -> Result<(), Error> {
        let disable = |account: &mut Account| {
            account.second_factor = SecondFactor::default();
            Ok(((), vec![self.note_own(Deed::CodesTurnedOff, origin, caller)]))
        };
        self.change(caller, || Error::SessionEnded, disable).await.map(drop)
    }

    /// Other recovery codes take the place of those there are.
    pub(crate) async fn renew_recovery_codes(
        &self,
        caller: UserId,
        origin: &Origin,
    ) -> Result<RecoveryCodes, Error> {
        let recovery_codes = fresh_recovery_codes(&self.ambient);
        let renew = |account: &mut Account| {
            if !account.second_factor.is_on() {
                return Err(Proof::TotpOff.into());
            }
            account.second_factor.set_recovery_codes(&recovery_codes);
            Ok(((), vec![self.note_own(Deed::RecoveryCodesMade, origin, caller)]))
        };
        self.change(caller, || Error::SessionEnded, renew).await?;
        Ok(RecoveryCodes { recovery_codes })
    }

    /// Takes a code or a recovery code: it is used up then, in one commit with having been good.
    pub(super) async fn take_code(
        &self,
        id: UserId,
        totp: Option<&str>,
        recovery_code: Option<&str>,
    ) -> Result<(), Error> {
        if totp.is_some() {
            self.within(&format!("code:{id}"), CODES).await?;
        }
        let take = |account: &mut Account| {
            let second = &mut account.second_factor;
            let good = match (totp, recovery_code) {
                (Some(code), None) => second.take_code(code, self.ambient.now()),
                (None, Some(code)) => second.take_recovery_code(code),
                _ => false,
            };
            if good { Ok(((), Vec::new())) } else { Err(Proof::TotpWrong.into()) }
        };
        self.change(id, || Proof::TotpWrong.into(), take).await.map(drop)
    }

    /// The session's owner proves again that it is them: by a code if codes are asked for, or else by the password.
    pub(crate) async fn step_up(&self, caller: &Identity, proof: StepUp) -> Result<Session, Error> {
        let account = self.account(caller.user_id).await?;
        let proven = match proof {
            StepUp { password: Some(password), totp: None, recovery_code: None }
                if !account.second_factor.is_on() =>
            {
                self.must_know_password(caller.user_id, password).await
            }
            StepUp { password: None, totp, recovery_code } => {
                self.take_code(caller.user_id, totp.as_deref(), recovery_code.as_deref()).await
            }
            _ => Err(Proof::Wrong.into()),
        };
        proven.map_err(|error| match error {
            Error::WrongPassword | Error::Proof(Proof::TotpWrong) => Proof::Wrong.into(),
            error => error,
        })?;
        for _ in 0..ATTEMPTS {
            let found = self.store.session(caller.session_id).await?.ok_or(Error::SessionEnded)?;
            let session = found.value.proved_again(self.ambient.now());
            match self.store.sessions.replace(&session, found.revision, Vec::new()).await {
                Ok(_) => return Ok(session),
                // It was refreshed meanwhile, or has ended.
                Err(documents::Error::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::ChangedMeanwhile)
    }

    fn note_own(&self, deed: Deed, origin: &Origin, owner: UserId) -> Event {
        self.note(deed, &origin.by(owner), Some(owner), BTreeMap::new())
    }

    /// Fails unless whoever holds the session proved lately who they are.
    pub(crate) async fn must_be_fresh(&self, caller: &Identity) -> Result<(), Error> {
        let session = self.store.session(caller.session_id).await?.ok_or(Error::SessionEnded)?;
        if session.value.is_fresh(self.ambient.now()) { Ok(()) } else { Err(Proof::StepUpRequired.into()) }
    }
}
