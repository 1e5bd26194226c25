//! Verifies access tokens with the keys that auth publishes, and API tokens by asking it.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use http::Method;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use tertulia_bus::{Heard, Listener};
use tertulia_mesh::{Mesh, MeshError};
use tertulia_runtime::{Clock, Kind, Timestamp};
use tokio::{sync::Mutex, time::Instant};

use super::{
    API_TOKEN_PREFIX, AUDIENCE, Claims, ISSUER, Identity, IdentityError, LEEWAY, MAX_KEY_AGE,
    MAX_TOKEN_BYTES, MIN_FETCH_INTERVAL, Scopes, TOKEN_TYPE,
    denied::{DENIALS_PATH, Denial, Denials, Denied},
    ended::{self, Ended, Known},
    looked_up::{LookedUp, Register},
    verified::Verified,
};
use crate::{
    SessionId,
    auth::{Jwk, Jwks},
    live::{Control, REVOCATIONS},
    routes::role,
};

/// Where auth publishes its keys.
const JWKS_PATH: &str = "/.well-known/jwks.json";
/// How long auth is waited for.
const FETCH_TIMEOUT: Duration = Duration::from_secs(3);
/// More keys than this auth never has; a longer list is not kept.
const MAX_KEYS: usize = 16;

/// Tells from a token who asks. See the module for its promises.
pub struct Verifier {
    source: Source,
    clock: Arc<dyn Clock>,
    validation: Validation,
    keys: ArcSwap<Keys>,
    /// Held by the one who asks auth; tells when auth was last asked.
    asked_at: Mutex<Option<Instant>>,
    /// With the epoch of the account that each tells.
    verified: Verified<(Identity, u64)>,
    denied: Denied,
    ended: Ended,
    /// Whether denials may have been missed since they were asked for.
    missed: AtomicBool,
    register: Register,
    looked_up: LookedUp,
}

enum Source {
    Auth(Mesh),
    #[cfg(any(test, feature = "testkit"))]
    Fixed(Jwks),
}

#[derive(Default)]
struct Keys {
    by_kid: HashMap<String, DecodingKey>,
    fetched_at: Option<Instant>,
}

impl Verifier {
    /// A verifier that asks auth for its keys.
    pub fn new(mesh: Mesh, clock: Arc<dyn Clock>) -> Self {
        Self::from(Source::Auth(mesh.clone()), Register::Auth(mesh), clock)
    }

    /// A verifier that knows these keys and these API tokens, and never asks for others.
    #[cfg(any(test, feature = "testkit"))]
    pub(super) fn fixed(keys: Jwks, tokens: super::testkit::FixedTokens, clock: Arc<dyn Clock>) -> Self {
        Self::from(Source::Fixed(keys), Register::Fixed(tokens), clock)
    }

    fn from(source: Source, register: Register, clock: Arc<dyn Clock>) -> Self {
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["iss", "aud", "sub", "exp"]);
        // The library would ask the machine's clock; the times are checked below against the injected one.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        Self {
            source,
            clock,
            validation,
            keys: ArcSwap::default(),
            asked_at: Mutex::default(),
            verified: Verified::default(),
            denied: Denied::default(),
            ended: Ended::default(),
            missed: AtomicBool::new(false),
            register,
            looked_up: LookedUp::default(),
        }
    }

    /// Forgets API tokens as they are revoked, and refuses the access tokens of logins that end, for as long as it is polled.
    /// Every process that verifies runs this once; without it a revoked API token is good for
    /// [`TOKEN_MEMORY`](super::TOKEN_MEMORY) more, and an access token until it expires.
    ///
    /// # Errors
    /// The bus cannot be listened to.
    pub async fn hear_revocations(&self, ear: &dyn Listener) -> Result<(), tertulia_bus::Error> {
        ear.join(REVOCATIONS).await?;
        // What was broadcast before is lost.
        self.may_have_missed();
        loop {
            match ear.hear().await {
                Heard::Message(message) => match serde_json::from_slice(&message.payload) {
                    Ok(Control::SessionRevoked { session_id }) => self.hear_end(session_id),
                    Ok(Control::AccountChanged { denial }) => {
                        self.denied.hear(&[denial], self.clock.now());
                        self.looked_up.forget_all_of(denial.user_id);
                    }
                    Ok(Control::AccessLost { .. }) => {}
                    Err(error) => {
                        tracing::error!(%error, "what was broadcast of a revoked token does not decode");
                        self.may_have_missed();
                    }
                },
                Heard::Gap => self.may_have_missed(),
            }
        }
    }

    fn hear_end(&self, session_id: SessionId) {
        self.looked_up.forget(session_id);
        if !self.ended.hear(session_id, self.clock.now()) {
            return self.may_have_missed();
        }
        self.verified.forget(|(known, _)| known.session_id == session_id);
    }

    fn may_have_missed(&self) {
        self.looked_up.forget_all();
        self.ended.miss(self.clock.now());
        self.verified.clear();
        self.missed.store(true, Ordering::SeqCst);
    }

    /// Who a token stands for.
    ///
    /// # Errors
    /// Every variant of [`IdentityError`] but `Missing` and `InsufficientScope`.
    pub async fn verify(&self, token: &str) -> Result<Identity, IdentityError> {
        if token.starts_with(API_TOKEN_PREFIX) {
            return self.unexpired(self.looked_up.identity(&self.register, token).await?);
        }
        self.refresh_old_keys().await;
        if let Some((identity, epoch)) = self.verified.get(token) {
            return self.admitted(identity, epoch);
        }
        if token.len() > MAX_TOKEN_BYTES {
            return Err(refused("it is too long"));
        }
        let kid = self.named_key(token)?;
        let key = self.key(&kid).await?;
        let token_data = decode::<Claims>(token, &key, &self.validation);
        let token_data = token_data.map_err(|error| refused(error.to_string()))?;
        let (identity, epoch) = (self.in_time(&token_data.claims)?, token_data.claims.epoch);
        let turn = self.ended.turn();
        // Whose account is another by now learns that first: they may come in again, and be told why not.
        self.admitted(identity, epoch)?;
        self.must_run(&token_data.claims).await?;
        self.verified.put(token, (identity, epoch));
        if self.ended.turn() != turn {
            // It may be this one's end that was heard or missed meanwhile.
            self.verified.forget(|(known, _)| known.session_id == identity.session_id);
        }
        self.admitted(identity, epoch)
    }

    /// Fails if the login has ended that a token belongs to.
    async fn must_run(&self, claims: &Claims) -> Result<(), IdentityError> {
        let runs = match (self.ended.known(claims.sid, from_seconds(claims.iat)), &self.source) {
            (Known::HasEnded, _) => false,
            (Known::Unknown, Source::Auth(mesh)) => {
                let told = ended::ask(mesh, claims.sid).await;
                if told.is_none() {
                    // What is asked for next are the keys; then all that is verified is looked at again.
                    self.missed.store(true, Ordering::SeqCst);
                }
                told.unwrap_or(true)
            }
            _ => true,
        };
        if runs { Ok(()) } else { Err(IdentityError::SessionEnded) }
    }

    /// What the header must say before its key is even looked up.
    fn named_key(&self, token: &str) -> Result<String, IdentityError> {
        let header = decode_header(token).map_err(|error| refused(error.to_string()))?;
        if !self.validation.algorithms.contains(&header.alg) {
            return Err(refused("it is signed with another algorithm"));
        }
        if !header.typ.is_some_and(|typ| typ.eq_ignore_ascii_case(TOKEN_TYPE)) {
            return Err(refused("it is not an access token"));
        }
        if header.crit.is_some() {
            return Err(refused("it demands an extension that is not known (RFC 7515 §4.1.11)"));
        }
        header.kid.ok_or_else(|| refused("it names no key"))
    }

    fn in_time(&self, claims: &Claims) -> Result<Identity, IdentityError> {
        if from_seconds(claims.iat) > self.clock.now().plus(LEEWAY) {
            return Err(refused("it was made in the future"));
        }
        self.unexpired(Identity {
            user_id: claims.sub,
            session_id: claims.sid,
            expires_at: from_seconds(claims.exp),
            operator: claims.op,
            moderator: claims.moderator,
            bot: false,
            scopes: Scopes::LOGIN,
        })
    }

    /// A token of an earlier state of its account is over, and its client gets another, or is told why not.
    fn admitted(&self, identity: Identity, epoch: u64) -> Result<Identity, IdentityError> {
        let identity = self.unexpired(identity)?;
        if self.denied.admits(identity.user_id, epoch) { Ok(identity) } else { Err(IdentityError::Expired) }
    }

    fn unexpired(&self, identity: Identity) -> Result<Identity, IdentityError> {
        if self.clock.now() < identity.expires_at.plus(LEEWAY) {
            Ok(identity)
        } else {
            Err(IdentityError::Expired)
        }
    }

    async fn key(&self, kid: &str) -> Result<DecodingKey, IdentityError> {
        if let Some(key) = self.keys.load().by_kid.get(kid) {
            return Ok(key.clone());
        }
        let mut asked_at = self.asked_at.lock().await;
        // Another caller may have asked while this one waited.
        if let Some(key) = self.keys.load().by_kid.get(kid) {
            return Ok(key.clone());
        }
        if asked_at.is_none_or(|asked_at| asked_at.elapsed() >= MIN_FETCH_INTERVAL) {
            let fetched = self.fetch().await;
            *asked_at = Some(Instant::now());
            fetched?;
        }
        let keys = self.keys.load();
        if keys.fetched_at.is_none() {
            return Err(IdentityError::KeysUnavailable("auth did not answer a moment ago".to_owned()));
        }
        keys.by_kid.get(kid).cloned().ok_or_else(|| refused("it names a key that auth does not publish"))
    }

    /// One caller asks again when the keys are old; the others, and this one when auth is away, go on with
    /// the keys there are.
    async fn refresh_old_keys(&self) {
        let is_old = |keys: &Keys| {
            let missed = self.missed.load(Ordering::SeqCst);
            keys.fetched_at.is_some_and(|fetched_at| missed || fetched_at.elapsed() >= MAX_KEY_AGE)
        };
        if !is_old(&self.keys.load()) {
            return;
        }
        let Ok(mut asked_at) = self.asked_at.try_lock() else { return };
        let asked_just_now = asked_at.is_some_and(|asked_at| asked_at.elapsed() < MIN_FETCH_INTERVAL);
        if asked_just_now || !is_old(&self.keys.load()) {
            return;
        }
        let fetched = self.fetch().await;
        *asked_at = Some(Instant::now());
        if let Err(error) = fetched {
            tracing::warn!(%error, "going on with the keys that are known");
        }
    }

    async fn fetch(&self) -> Result<(), IdentityError> {
        // What is missed from now on is asked for again.
        let missed = self.missed.swap(false, Ordering::SeqCst);
        let fetched = self.ask().await;
        if fetched.is_err() && missed {
            self.missed.store(true, Ordering::SeqCst);
        }
        let (published, denials) = fetched?;
        self.denied.hear(&denials, self.clock.now());
        let by_kid = published.keys.iter().take(MAX_KEYS).filter_map(decoding_key).collect();
        self.keys.store(Arc::new(Keys { by_kid, fetched_at: Some(Instant::now()) }));
        // What a withdrawn key signed must not be good any longer.
        self.verified.clear();
        Ok(())
    }

    async fn ask(&self) -> Result<(Jwks, Vec<Denial>), IdentityError> {
        #[cfg_attr(
            not(any(test, feature = "testkit")),
            expect(clippy::infallible_destructuring_match, reason = "tests have another source, too")
        )]
        let mesh = match &self.source {
            #[cfg(any(test, feature = "testkit"))]
            Source::Fixed(keys) => return Ok((keys.clone(), Vec::new())),
            Source::Auth(mesh) => mesh,
        };
        let unavailable = |error: MeshError| IdentityError::KeysUnavailable(error.to_string());
        let both = async {
            let keys = mesh.call_json::<(), Jwks>(role::AUTH, Method::GET, JWKS_PATH, None, None).await;
            let denials =
                mesh.call_json::<(), Denials>(role::AUTH, Method::GET, DENIALS_PATH, None, None).await;
            let denials = match denials {
                // An auth of an older version suspends nobody.
                Err(MeshError::Refused { kind: Kind::NotFound, .. }) => Vec::new(),
                denials => denials.map_err(unavailable)?.items,
            };
            Ok((keys.map_err(unavailable)?, denials))
        };
        let both = tokio::time::timeout(FETCH_TIMEOUT, both).await;
        both.map_err(|_| IdentityError::KeysUnavailable("auth is too slow".to_owned()))?
    }
}

/// A key of another kind than ours is passed over, so that auth can publish one before everybody knows it.
fn decoding_key(key: &Jwk) -> Option<(String, DecodingKey)> {
    let ours = key.kty == "OKP" && key.crv == "Ed25519" && key.alg == "EdDSA" && key.usage == "sig";
    let decoding_key = ours.then(|| DecodingKey::from_ed_components(&key.x).ok()).flatten()?;
    Some((key.kid.clone(), decoding_key))
}

fn from_seconds(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds.saturating_mul(1000))
}

pub(super) fn refused(why: impl Into<String>) -> IdentityError {
    IdentityError::Refused(why.into())
}
