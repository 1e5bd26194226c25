//! Verifies access tokens with the keys that auth publishes, and API tokens by asking it.

use std::{collections::HashMap, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use http::Method;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use tertulia_bus::{Heard, Listener};
use tertulia_mesh::Mesh;
use tertulia_runtime::{Clock, Timestamp};
use tokio::{sync::Mutex, time::Instant};

use super::{
    API_TOKEN_PREFIX, AUDIENCE, Claims, ISSUER, Identity, IdentityError, LEEWAY, MAX_KEY_AGE,
    MAX_TOKEN_BYTES, MIN_FETCH_INTERVAL, Scopes, TOKEN_TYPE,
    looked_up::{LookedUp, Register},
    verified::Verified,
};
use crate::{
    auth::{Jwk, Jwks},
    live::{Control, REVOCATIONS},
    routes::role,
};

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
    verified: Verified<Identity>,
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
            register,
            looked_up: LookedUp::default(),
        }
    }

    /// Forgets API tokens as they are revoked, for as long as it is polled. Every process that verifies runs this once;
    /// without it a revoked token is good for [`TOKEN_MEMORY`](super::TOKEN_MEMORY) more.
    ///
    /// # Errors
    /// The bus cannot be listened to.
    pub async fn hear_revocations(&self, ear: &dyn Listener) -> Result<(), tertulia_bus::Error> {
        ear.join(REVOCATIONS).await?;
        // What was broadcast before is lost.
        self.looked_up.forget_all();
        loop {
            match ear.hear().await {
                Heard::Message(message) => match serde_json::from_slice(&message.payload) {
                    Ok(Control::SessionRevoked { session_id }) => self.looked_up.forget(session_id),
                    Ok(Control::AccessLost { .. }) => {}
                    Err(error) => {
                        tracing::error!(%error, "what was broadcast of a revoked token does not decode");
                        self.looked_up.forget_all();
                    }
                },
                Heard::Gap => self.looked_up.forget_all(),
            }
        }
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
        if let Some(identity) = self.verified.get(token) {
            return self.unexpired(identity);
        }
        if token.len() > MAX_TOKEN_BYTES {
            return Err(refused("it is too long"));
        }
        let kid = self.named_key(token)?;
        let key = self.key(&kid).await?;
        let token_data = decode::<Claims>(token, &key, &self.validation);
        let token_data = token_data.map_err(|error| refused(error.to_string()))?;
        let identity = self.in_time(&token_data.claims)?;
        self.verified.put(token, identity);
        Ok(identity)
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
        let from_seconds = |seconds: i64| Timestamp::from_millis(seconds.saturating_mul(1000));
        if from_seconds(claims.iat) > self.clock.now().plus(LEEWAY) {
            return Err(refused("it was made in the future"));
        }
        self.unexpired(Identity {
            user_id: claims.sub,
            session_id: claims.sid,
            expires_at: from_seconds(claims.exp),
            operator: claims.op,
            bot: false,
            scopes: Scopes::LOGIN,
        })
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
        let is_old =
            |keys: &Keys| keys.fetched_at.is_some_and(|fetched_at| fetched_at.elapsed() >= MAX_KEY_AGE);
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
        let published = match &self.source {
            #[cfg(any(test, feature = "testkit"))]
            Source::Fixed(keys) => keys.clone(),
            Source::Auth(mesh) => {
                let answer =
                    mesh.call_json::<(), Jwks>(role::AUTH, Method::GET, "/.well-known/jwks.json", None, None);
                let answer = tokio::time::timeout(FETCH_TIMEOUT, answer).await;
                let answer =
                    answer.map_err(|_| IdentityError::KeysUnavailable("auth is too slow".to_owned()))?;
                answer.map_err(|error| IdentityError::KeysUnavailable(error.to_string()))?
            }
        };
        let by_kid = published.keys.iter().take(MAX_KEYS).filter_map(decoding_key).collect();
        self.keys.store(Arc::new(Keys { by_kid, fetched_at: Some(Instant::now()) }));
        // What a withdrawn key signed must not be good any longer.
        self.verified.clear();
        Ok(())
    }
}

/// A key of another kind than ours is passed over, so that auth can publish one before everybody knows it.
fn decoding_key(key: &Jwk) -> Option<(String, DecodingKey)> {
    let ours = key.kty == "OKP" && key.crv == "Ed25519" && key.alg == "EdDSA" && key.usage == "sig";
    let decoding_key = ours.then(|| DecodingKey::from_ed_components(&key.x).ok()).flatten()?;
    Some((key.kid.clone(), decoding_key))
}

pub(super) fn refused(why: impl Into<String>) -> IdentityError {
    IdentityError::Refused(why.into())
}
