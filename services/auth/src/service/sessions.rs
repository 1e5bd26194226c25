//! Signing in, staying in, and getting out.

use std::{net::IpAddr, time::Duration};

use bytes::Bytes;
use tertulia_bus::Broadcast;
use tertulia_contracts::{
    SessionId, UserId,
    auth::{CreateSession, ListSessions, Sessions, SignedIn},
    events::SessionRevoked,
    identity::{Claims, Identity},
    live::{Control, REVOCATIONS, control_channel},
};
use tertulia_documents::{self as documents, Cursor, Versioned};
use tertulia_runtime::Event;

use crate::{
    Auth, Error, SOURCE,
    error::Proof,
    model::{
        account::{Account, Identifier},
        audit::{Deed, Origin, details},
        session::{RefreshToken, Session, Verdict},
    },
};

const DEFAULT_PAGE: usize = 50;
/// A session that changes this often between reading and writing is not changed by its owner alone.
const ATTEMPTS: usize = 4;
/// How long the broadcast of a revocation may hold up its answer.
const BROADCAST_TIMEOUT: Duration = Duration::from_secs(1);

/// A client that wants in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Guest<'a> {
    /// What it calls itself.
    pub(crate) device: Option<&'a str>,
    /// Where it is.
    pub(crate) address: Option<IpAddr>,
}

impl Auth {
    /// Begins a session for whoever knows the password, and a code where codes are asked for.
    pub(crate) async fn sign_in(
        &self,
        request: CreateSession,
        guest: Guest<'_>,
        origin: &Origin,
    ) -> Result<SignedIn, Error> {
        let identifier = Identifier::read(&request.identifier);
        let account = self.store.account_of(&identifier).await?;
        let whose = account.as_ref().map(|account| account.id);
        let attempt = match self.attempt(&identifier, whose, guest.address).await {
            Ok(attempt) => attempt,
            Err(too_early) => {
                self.note_refused_sign_in(&identifier, whose, origin).await;
                return Err(too_early);
            }
        };
        let stored = account.as_ref().and_then(|account| account.password.clone());
        // An unknown name costs what a wrong password costs, and is answered alike.
        let fits = self.passwords.verify(request.password.clone(), stored).await?;
        let Some(account) = account.filter(|_| fits) else {
            self.missed(&attempt).await;
            self.note_refused_sign_in(&identifier, whose, origin).await;
            return Err(Error::WrongCredentials);
        };
        if account.second_factor.is_on() {
            let (totp, recovery_code) = (request.totp.as_deref(), request.recovery_code.as_deref());
            if totp.or(recovery_code).is_none() {
                return Err(Proof::TotpRequired.into());
            }
            if let Err(error) = self.take_code(account.id, totp, recovery_code).await {
                self.missed(&attempt).await;
                self.note_refused_sign_in(&identifier, whose, origin).await;
                return Err(error);
            }
        }
        self.keep_hash_current(&account, request.password).await;
        self.begin_session(&account, guest).await
    }

    /// Begins a session of this account, for whoever showed that it is theirs; nobody else is told that it is suspended.
    pub(crate) async fn begin_session(&self, account: &Account, guest: Guest<'_>) -> Result<SignedIn, Error> {
        if let Some(suspension) = account.suspended(self.ambient.now()) {
            return Err(Error::AccountSuspended { suspension: Box::new(suspension.clone()) });
        }
        let (session, token) = Session::begin(
            &self.ambient,
            account.id,
            account.generation,
            guest.device,
            self.config.session_life(),
        );
        self.store.sessions.insert(&session, Vec::new()).await?;
        self.counters.sign_ins.inc();
        self.is_at_home(account.id, guest.address).await;
        Ok(self.signed_in(account, &session, &token))
    }

    /// Trades a refresh token for the next one. Showing an older one ends the session, since then two hold
    /// it, and which of them is the owner cannot be told.
    pub(crate) async fn refresh(&self, token: &str, origin: &Origin) -> Result<SignedIn, Error> {
        let token: RefreshToken = token.parse().map_err(|_| Error::RefreshTokenInvalid)?;
        for _ in 0..ATTEMPTS {
            let found = self.store.session(token.session_id).await?.ok_or(Error::RefreshTokenInvalid)?;
            match found.value.judge(&token, self.ambient.now()) {
                Verdict::Invalid => return Err(Error::RefreshTokenInvalid),
                Verdict::Reused => {
                    let about = details([("session", found.value.id.to_string())]);
                    let whose = Some(found.value.user_id);
                    let noted = self.note(Deed::RefreshTokenReused, origin, whose, about);
                    if self.revoke(&found, Some(noted)).await? {
                        self.counters.refresh_tokens_reused.inc();
                        tracing::warn!(session = %token.session_id, user = %found.value.user_id, "a refresh token was used twice");
                    }
                    return Err(Error::RefreshTokenReused);
                }
                Verdict::Current => {}
            }
            let account = self.store.account(found.value.user_id).await?;
            let account = account.filter(|account| account.generation == found.value.generation);
            let account = account.ok_or(Error::RefreshTokenInvalid)?;
            let (session, next) = found.value.refreshed(&self.ambient, &token, self.config.session_life());
            match self.store.sessions.replace(&session, found.revision, Vec::new()).await {
                Ok(_) => return Ok(self.signed_in(&account, &session, &next)),
                // Somebody used it at the same moment: judge it again by what is there now.
                Err(documents::Error::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::ChangedMeanwhile)
    }

    fn signed_in(&self, account: &Account, session: &Session, token: &RefreshToken) -> SignedIn {
        let life = self.config.access_token_life();
        let claims = Claims {
            moderator: account.moderator,
            epoch: account.epoch,
            ..Claims::new(account.id, session.id, account.operator, self.ambient.now(), life)
        };
        SignedIn {
            account: account.own_view(),
            session: session.view(session.id),
            access_token: self.keys.sign(&claims, self.ambient.now()),
            refresh_token: token.reveal(),
            expires_in: life.as_secs(),
        }
    }

    /// Whether the session that a token was made for still runs, or the API token is still there.
    pub(crate) async fn check_live(&self, identity: &Identity) -> Result<(), Error> {
        if !identity.is_login() {
            return self.check_token(identity).await;
        }
        let session = self.store.session(identity.session_id).await?;
        let now = self.ambient.now();
        let live =
            session.is_some_and(|it| it.value.user_id == identity.user_id && now < it.value.expires_at);
        if live { Ok(()) } else { Err(Error::SessionEnded) }
    }

    /// Whether a login still runs, for other services.
    pub(crate) async fn session_runs(&self, id: SessionId) -> Result<bool, Error> {
        let session = self.store.session(id).await?;
        Ok(session.is_some_and(|found| self.ambient.now() < found.value.expires_at))
    }

    /// The caller's sessions, newest first.
    pub(crate) async fn sessions(&self, caller: &Identity, query: &ListSessions) -> Result<Sessions, Error> {
        let unknown = Error::BadField { field: "cursor", message: "is not one of ours" };
        let after = query.cursor.as_deref().map(Cursor::decode).transpose().map_err(|_| unknown)?;
        let limit = query.limit.unwrap_or(DEFAULT_PAGE);
        let page = self.store.sessions_of(caller.user_id, after, limit).await?;
        let now = self.ambient.now();
        let running = page.items.iter().map(|found| &found.value).filter(|session| now < session.expires_at);
        Ok(Sessions {
            items: running.map(|session| session.view(caller.session_id)).collect(),
            next_cursor: page.next.map(|cursor| cursor.encode()),
        })
    }

    /// Ends one of the caller's sessions; another than the one that asks, if its holder proved lately who they are.
    pub(crate) async fn sign_out(&self, caller: &Identity, id: SessionId) -> Result<(), Error> {
        if id != caller.session_id {
            self.must_be_fresh(caller).await?;
        }
        self.end_session(caller.user_id, id).await
    }

    async fn end_session(&self, user_id: UserId, id: SessionId) -> Result<(), Error> {
        for _ in 0..ATTEMPTS {
            let found = self.store.session(id).await?.filter(|found| found.value.user_id == user_id);
            if self.revoke(&found.ok_or(Error::SessionNotFound)?, None).await? {
                return Ok(());
            }
        }
        Err(Error::ChangedMeanwhile)
    }

    /// Ends all sessions of somebody but this one. Answers how many.
    pub(crate) async fn end_sessions(&self, user_id: UserId, but: Option<SessionId>) -> Result<usize, Error> {
        let (mut ended, mut after) = (0, None);
        loop {
            let page = self.store.sessions_of(user_id, after, DEFAULT_PAGE).await?;
            for session in page.items.iter().filter(|session| Some(session.value.id) != but) {
                // One that changes meanwhile was refreshed, or has ended.
                if !self.revoke(session, None).await? {
                    self.end_session(user_id, session.value.id).await.or_else(gone)?;
                }
                ended += 1;
            }
            after = page.next;
            if after.is_none() {
                return Ok(ended);
            }
        }
    }

    /// Ends a session and tells everybody; false if it changed meanwhile.
    async fn revoke(&self, session: &Versioned<Session>, noted: Option<Event>) -> Result<bool, Error> {
        let (user_id, session_id) = (session.value.user_id, session.value.id);
        let revoked = Event::new(&self.ambient, SOURCE, &SessionRevoked { user_id, session_id });
        let events = [Some(revoked), noted].into_iter().flatten().collect();
        let deleted = self.store.sessions.delete(&session_id.to_string(), session.revision, events).await;
        match deleted {
            Ok(()) => {}
            Err(documents::Error::Conflict { .. }) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        // First those who would let it in, then the sockets that it opened: none can be opened in between.
        let control = Control::SessionRevoked { session_id };
        self.tell(REVOCATIONS.to_owned(), &control).await;
        self.tell(control_channel(user_id), &control).await;
        Ok(true)
    }

    /// Tells whoever listens to a channel that a login has ended.
    pub(super) async fn tell(&self, channel: String, control: &Control) {
        let payload = serde_json::to_vec(control).expect("a control message is plain data and encodes");
        let broadcast = self.bus.broadcast(Broadcast { channel, payload: Bytes::from(payload) });
        // The event is committed; the broadcast only makes open sockets close sooner than their tokens end.
        match tokio::time::timeout(BROADCAST_TIMEOUT, broadcast).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "open sockets may not have heard of an ended session"),
            Err(_) => tracing::warn!("open sockets may not have heard of an ended session: the bus is slow"),
        }
    }
}

fn gone(error: Error) -> Result<(), Error> {
    if matches!(error, Error::SessionNotFound) { Ok(()) } else { Err(error) }
}
