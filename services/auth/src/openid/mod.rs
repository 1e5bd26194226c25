//! OpenID providers as this service speaks to them: the authorization code flow with PKCE, and nothing else.
//!
//! Promises:
//! * **Bounded.** A provider is waited for [`TIMEOUT`], read up to [`MAX_ANSWER_BYTES`], and followed nowhere: no redirects.
//! * **Encrypted.** Only `https`, but for a provider on this very machine.
//! * **Asked seldom.** What a provider says of itself is kept for [`MAX_AGE`]; a key that it has not named is asked for at most
//!   every [`MIN_FETCH_INTERVAL`].
//! * **Believed little.** An identity token is checked whole (see [`id_token`]) though it came straight from the provider.
//!
//! Failures are [`WayIn::ProviderAway`], [`WayIn::ProviderWrong`] and [`WayIn::OpenidRefused`]: what a provider said is logged and never
//! shown.

mod config;
mod fetch;
pub(crate) mod id_token;

use std::time::Duration;

use serde::Deserialize;
use tertulia_runtime::{Ambient, Timestamp};
use tokio::sync::Mutex;
use url::Url;

pub use config::OpenidConfig;

use self::{
    fetch::Fetch,
    id_token::{Expected, Keys},
};
use crate::{
    Error,
    error::WayIn,
    model::openid::{FlowSecrets, Proof},
};

/// How long a provider is waited for, each time it is asked.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(5);
/// The most that is read of an answer.
pub(crate) const MAX_ANSWER_BYTES: usize = 256 << 10;
/// How long what a provider says of itself is good.
pub(crate) const MAX_AGE: Duration = Duration::from_hours(1);
/// How often a provider is asked for keys that it has not named.
pub(crate) const MIN_FETCH_INTERVAL: Duration = Duration::from_mins(1);

/// All providers of the configuration.
pub(crate) struct Providers {
    all: Vec<Provider>,
}

/// One provider.
pub(crate) struct Provider {
    pub(crate) config: OpenidConfig,
    fetch: Fetch,
    redirect_uri: String,
    /// Held by the one who asks; what was answered last.
    known: Mutex<Option<Known>>,
}

#[derive(Clone)]
struct Known {
    metadata: Metadata,
    keys: Keys,
    fetched_at: Timestamp,
}

/// What a provider says of itself (OpenID Connect Discovery §3), as far as it matters here.
#[derive(Debug, Clone, Deserialize)]
struct Metadata {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

/// What a code is traded for.
#[derive(Deserialize)]
struct Tokens {
    id_token: String,
}

impl Providers {
    /// Fails with what is wrong with the configuration.
    pub(crate) fn new(configs: &[OpenidConfig], public_url: &str) -> Result<Self, Error> {
        if configs.is_empty() {
            return Ok(Self { all: Vec::new() });
        }
        config::check(configs).map_err(Error::OpenidConfig)?;
        let fetch = Fetch::new()?;
        let redirect_uri = format!("{public_url}/openid/callback");
        let provider = |config: &OpenidConfig| Provider {
            config: config.clone(),
            fetch: fetch.clone(),
            redirect_uri: redirect_uri.clone(),
            known: Mutex::new(None),
        };
        Ok(Self { all: configs.iter().map(provider).collect() })
    }

    pub(crate) fn all(&self) -> &[Provider] {
        &self.all
    }

    pub(crate) fn get(&self, id: &str) -> Option<&Provider> {
        self.all.iter().find(|provider| provider.config.id == id)
    }
}

impl Provider {
    /// Where a browser goes to sign in.
    pub(crate) async fn authorization_url(
        &self,
        ambient: &Ambient,
        secrets: &FlowSecrets,
    ) -> Result<String, Error> {
        let known = self.known(ambient.now()).await?;
        let mut url = fetch::secured(&known.metadata.authorization_endpoint)?;
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.config.client_id)
            .append_pair("redirect_uri", &self.redirect_uri)
            .append_pair("scope", &self.config.scope())
            .append_pair("state", &secrets.state)
            .append_pair("nonce", &secrets.nonce())
            .append_pair("code_challenge", &secrets.challenge())
            .append_pair("code_challenge_method", "S256");
        Ok(url.into())
    }

    /// Trades a code for who somebody is.
    pub(crate) async fn redeem(
        &self,
        ambient: &Ambient,
        secrets: &FlowSecrets,
        code: &str,
        iss: Option<&str>,
    ) -> Result<Proof, Error> {
        let known = self.known(ambient.now()).await?;
        // RFC 9207 §2.4: an answer of another provider is not taken to this one.
        let right = match iss {
            Some(iss) => iss == known.metadata.issuer,
            None => !known.metadata.authorization_response_iss_parameter_supported,
        };
        if !right {
            return Err(WayIn::OpenidRefused("the answer is another issuer's".to_owned()).into());
        }
        let tokens: Tokens = self.trade(&known.metadata, secrets, code).await?;
        let nonce = secrets.nonce();
        let expected = Expected {
            issuer: &known.metadata.issuer,
            client_id: &self.config.client_id,
            nonce: &nonce,
            now: ambient.now(),
        };
        match id_token::verify(&tokens.id_token, &known.keys, &expected) {
            Err(id_token::Refused::UnknownKey) => {
                let keys = self.newer_keys(&known, ambient.now()).await?;
                id_token::verify(&tokens.id_token, &keys, &expected)
            }
            verdict => verdict,
        }
        .map_err(|refused| WayIn::OpenidRefused(refused.to_string()).into())
    }

    async fn trade(&self, metadata: &Metadata, secrets: &FlowSecrets, code: &str) -> Result<Tokens, Error> {
        let verifier = secrets.verifier();
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &self.redirect_uri),
            ("code_verifier", &verifier),
        ];
        let (id, secret) = (self.config.client_id.as_str(), self.config.client_secret.expose());
        // OpenID Connect Discovery §3: basic, where a provider says nothing.
        let methods = metadata.token_endpoint_auth_methods_supported.as_deref();
        let by_post = methods.is_some_and(|methods| {
            let has = |wanted: &str| methods.iter().any(|method| method == wanted);
            has("client_secret_post") && !has("client_secret_basic")
        });
        let basic = (!secret.is_empty() && !by_post).then_some((id, secret));
        if basic.is_none() {
            fields.push(("client_id", id));
        }
        if by_post && !secret.is_empty() {
            fields.push(("client_secret", secret));
        }
        self.fetch.post(&metadata.token_endpoint, basic, &fields).await
    }

    /// What the provider says of itself, asked again when it is old. Old as it is, it serves on while the provider is away.
    async fn known(&self, now: Timestamp) -> Result<Known, Error> {
        let mut known = self.known.lock().await;
        if let Some(known) = known.as_ref().filter(|known| now.since(known.fetched_at) < MAX_AGE) {
            return Ok(known.clone());
        }
        match self.ask(now).await {
            Ok(answered) => Ok(known.insert(answered).clone()),
            Err(error) => {
                let Some(old) = known.as_mut() else { return Err(error) };
                tracing::warn!(%error, provider = self.config.id, "a provider could not be asked about itself again");
                // Not at every sign-in, or each would wait for it.
                old.fetched_at = now.minus(MAX_AGE).plus(MIN_FETCH_INTERVAL);
                Ok(old.clone())
            }
        }
    }

    async fn ask(&self, now: Timestamp) -> Result<Known, Error> {
        let issuer = &self.config.issuer;
        let place = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let metadata: Metadata = self.fetch.get(&place).await?;
        // OpenID Connect Discovery §4.3: exactly, or one provider could speak for another.
        if metadata.issuer != *issuer {
            return Err(WayIn::ProviderWrong(format!("it calls itself {:?}", metadata.issuer)).into());
        }
        for endpoint in [&metadata.authorization_endpoint, &metadata.token_endpoint, &metadata.jwks_uri] {
            fetch::secured(endpoint)?;
        }
        let keys = Keys::read(self.fetch.get(&metadata.jwks_uri).await?);
        Ok(Known { metadata, keys, fetched_at: now })
    }

    /// Asks for the keys once more, unless that was just done.
    async fn newer_keys(&self, seen: &Known, now: Timestamp) -> Result<Keys, Error> {
        let mut known = self.known.lock().await;
        let current = known.as_mut().filter(|it| it.fetched_at > seen.fetched_at);
        if let Some(newer) = current {
            return Ok(newer.keys.clone());
        }
        if now.since(seen.fetched_at) < MIN_FETCH_INTERVAL {
            return Ok(seen.keys.clone());
        }
        let keys = Keys::read(self.fetch.get(&seen.metadata.jwks_uri).await?);
        *known = Some(Known { keys: keys.clone(), fetched_at: now, ..seen.clone() });
        Ok(keys)
    }
}

/// An absolute URL with a host.
fn parse(url: &str) -> Option<Url> {
    Url::parse(url).ok().filter(|url| url.host_str().is_some())
}
