//! API tokens, as auth knows them: asked of it over the mesh, and remembered for a while.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use http::Method;
use tertulia_mesh::{Mesh, MeshError};
use tertulia_runtime::{Kind, Timestamp};
use tokio::time::Instant;

use super::{ApiToken, Identity, IdentityError, TOKEN_MEMORY, verified::Verified};
use crate::{
    SessionId, UserId,
    auth::{LookUpToken, TokenOwner},
    routes::role,
};

/// Where auth looks tokens up. Not in the route table, so that no gateway leads there.
pub const LOOK_UP_PATH: &str = "/internal/tokens/look-up";
/// How long auth is waited for.
const LOOK_UP_TIMEOUT: Duration = Duration::from_secs(3);

/// Who knows of API tokens.
pub(super) enum Register {
    /// Auth does.
    Auth(Mesh),
    /// These are all there are.
    #[cfg(any(test, feature = "testkit"))]
    Fixed(super::testkit::FixedTokens),
}

/// What auth said of API tokens lately.
#[derive(Default)]
pub(super) struct LookedUp {
    remembered: Verified<(Identity, Instant)>,
    /// Counts what was forgotten on demand: an answer that was asked for before the latest is not remembered, or a
    /// token that was revoked in between would be.
    forgotten: AtomicU64,
}

impl LookedUp {
    /// Whose the token is, as far as auth said so within [`TOKEN_MEMORY`], or says so now.
    pub(super) async fn identity(&self, register: &Register, text: &str) -> Result<Identity, IdentityError> {
        if let Some((identity, until)) = self.remembered.get(text)
            && Instant::now() < until
        {
            return Ok(identity);
        }
        // Whatever is no token is seen here, and costs auth nothing.
        let token: ApiToken = text.parse().map_err(|error| super::verifier::refused(format!("{error}")))?;
        let (forgotten, asked_at) = (self.forgotten.load(Ordering::SeqCst), Instant::now());
        let owner = register.ask(&token).await?;
        let identity = identity_of(&owner);
        self.remembered.put(text, (identity, asked_at + TOKEN_MEMORY));
        if self.forgotten.load(Ordering::SeqCst) != forgotten {
            self.remembered.forget(|(known, _)| known.session_id == identity.session_id);
        }
        Ok(identity)
    }

    /// A token is no longer good.
    pub(super) fn forget(&self, session_id: SessionId) {
        self.forgotten.fetch_add(1, Ordering::SeqCst);
        self.remembered.forget(|(known, _)| known.session_id == session_id);
    }

    /// Whatever is known of an account's tokens may be no longer so.
    pub(super) fn forget_all_of(&self, user_id: UserId) {
        self.forgotten.fetch_add(1, Ordering::SeqCst);
        self.remembered.forget(|(known, _)| known.user_id == user_id);
    }

    /// Some tokens may be no longer good.
    pub(super) fn forget_all(&self) {
        self.forgotten.fetch_add(1, Ordering::SeqCst);
        self.remembered.clear();
    }
}

impl Register {
    async fn ask(&self, token: &ApiToken) -> Result<TokenOwner, IdentityError> {
        let unknown = || super::verifier::refused("auth knows no such API token");
        match self {
            #[cfg(any(test, feature = "testkit"))]
            Self::Fixed(tokens) => tokens.owner(token.reveal()).ok_or_else(unknown),
            Self::Auth(mesh) => {
                let question = LookUpToken { token: token.reveal().to_owned() };
                let answer = mesh.call_json(role::AUTH, Method::POST, LOOK_UP_PATH, None, Some(&question));
                let away = IdentityError::LookUpUnavailable;
                let answer = tokio::time::timeout(LOOK_UP_TIMEOUT, answer).await;
                answer.map_err(|_| away("auth is too slow".to_owned()))?.map_err(|error| match error {
                    MeshError::Refused { kind: Kind::NotFound, .. } => unknown(),
                    error => away(error.to_string()),
                })
            }
        }
    }
}

fn identity_of(owner: &TokenOwner) -> Identity {
    Identity {
        user_id: owner.user_id,
        session_id: owner.session_id,
        // A token without an end lasts longer than anybody.
        expires_at: owner.expires_at.unwrap_or_else(|| Timestamp::from_millis(i64::MAX)),
        operator: owner.operator,
        moderator: owner.moderator,
        bot: owner.bot,
        scopes: owner.scopes.iter().copied().collect(),
    }
}
