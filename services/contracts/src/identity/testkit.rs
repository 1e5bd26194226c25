//! For tests of services: tokens without auth.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tertulia_runtime::Ambient;

use super::{ApiToken, Claims, Identity, SEED_BYTES, Scope, Scopes, SigningKey, Verifier};
use crate::{
    SessionId, UserId,
    auth::{Jwks, TokenOwner},
};

/// How long the tokens last.
pub const TOKEN_LIFE: Duration = Duration::from_mins(10);

/// API tokens that are known without asking auth.
#[derive(Clone, Default)]
pub(super) struct FixedTokens(Arc<Mutex<HashMap<String, TokenOwner>>>);

impl FixedTokens {
    pub(super) fn owner(&self, token: &str) -> Option<TokenOwner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(token).cloned()
    }

    fn insert(&self, token: String, owner: TokenOwner) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(token, owner);
    }
}

/// Issues access tokens, and makes the verifier that accepts them.
pub struct Signer {
    ambient: Ambient,
    key: SigningKey,
    tokens: FixedTokens,
}

impl Signer {
    /// A signer with a key of its own from this entropy, on this clock.
    pub fn new(ambient: &Ambient) -> Self {
        let mut seed = [0; SEED_BYTES];
        ambient.entropy.fill(&mut seed);
        Self { ambient: ambient.clone(), key: SigningKey::from_seed(&seed), tokens: FixedTokens::default() }
    }

    /// A verifier that accepts this signer's tokens and no others.
    pub fn verifier(&self) -> Arc<Verifier> {
        let keys = Jwks { keys: vec![self.key.public().clone()] };
        Arc::new(Verifier::fixed(keys, self.tokens.clone(), self.ambient.clock.clone()))
    }

    /// The key itself, for tokens out of the ordinary.
    pub const fn key(&self) -> &SigningKey {
        &self.key
    }

    /// A token of a user's new login.
    pub fn token(&self, user_id: UserId) -> String {
        self.token_of(user_id, self.ambient.ids.next())
    }

    /// A token of a new login of somebody who runs the instance.
    pub fn operator_token(&self, user_id: UserId) -> String {
        let (session, now) = (self.ambient.ids.next(), self.ambient.now());
        self.key.sign(&Claims::new(user_id, session, true, now, TOKEN_LIFE))
    }

    /// A token of one login.
    pub fn token_of(&self, user_id: UserId, session_id: SessionId) -> String {
        self.key.sign(&Claims::new(user_id, session_id, false, self.ambient.now(), TOKEN_LIFE))
    }

    /// An API token of a user, and the login that it is. Every verifier of this signer accepts it.
    pub fn api_token(&self, user_id: UserId, scopes: &[Scope], bot: bool) -> (String, SessionId) {
        let token = ApiToken::generate(&*self.ambient.entropy).reveal().to_owned();
        let session_id = self.ambient.ids.next();
        let scopes = scopes.to_vec();
        let owner = TokenOwner {
            user_id,
            session_id,
            operator: false,
            moderator: false,
            bot,
            scopes,
            expires_at: None,
        };
        self.tokens.insert(token.clone(), owner);
        (token, session_id)
    }

    /// What the verifier makes of [`Signer::token_of`].
    pub fn identity(&self, user_id: UserId, session_id: SessionId) -> Identity {
        let expires_at = self.ambient.now().plus(TOKEN_LIFE);
        Identity {
            user_id,
            session_id,
            expires_at,
            operator: false,
            moderator: false,
            bot: false,
            scopes: Scopes::LOGIN,
        }
    }
}
