//! A provider of ours that can be told to be crooked in every way that a real one must not be.

use std::sync::{Arc, Mutex, MutexGuard};

use axum::{
    Json, Router,
    extract::State,
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use http::{HeaderMap, StatusCode};
use jsonwebtoken::{Algorithm, EncodingKey, Header, jwk::Jwk};
use serde_json::{Map, Value, json};
use tertulia_auth::{Config, OpenidConfig};
use tertulia_runtime::config::Secret;
use tokio::net::TcpListener;
use url::form_urlencoded;

use crate::app::{House, config};

pub(super) const CLIENT_ID: &str = "tertulia";
pub(super) const CLIENT_SECRET: &str = "hush&hush";
/// What stands before the seed of an Ed25519 key in PKCS #8 (RFC 8410 §7).
const PKCS8: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];

/// What the provider does next, and what it saw.
pub(super) struct Script {
    /// Laid over its discovery document.
    pub(super) discovery: Value,
    /// Answered in the place of that.
    pub(super) page: Option<String>,
    /// Where its discovery sends whoever asks.
    pub(super) moved_to: Option<String>,
    /// Its keys, by their names, and with which of them it signs.
    pub(super) published: Vec<(String, u8)>,
    pub(super) signs_with: u8,
    /// Laid over the token's header and claims; `null` takes one away.
    pub(super) header: Value,
    pub(super) claims: Value,
    /// Makes another token of the whole one.
    pub(super) forge: Option<fn(&str, &Jwk) -> String>,
    /// What the token endpoint answers in the place of tokens.
    pub(super) refuses: Option<(u16, Value)>,
    /// The forms that came, with how their sender named itself.
    pub(super) forms: Vec<(Map<String, Value>, Option<String>)>,
    /// How often its keys were asked for.
    pub(super) keys_read: usize,
}

impl Script {
    /// Says of itself what it should.
    pub(super) fn behave(&mut self) {
        (self.discovery, self.page, self.moved_to) = (json!({}), None, None);
    }
}

/// The provider, listening.
#[derive(Clone)]
pub(super) struct Provider {
    pub(super) issuer: String,
    script: Arc<Mutex<Script>>,
}

pub(super) fn key(seed: u8) -> (EncodingKey, Jwk) {
    let private = EncodingKey::from_ed_der(&[PKCS8.as_slice(), &[seed; 32]].concat());
    let public = Jwk::from_encoding_key(&private, Algorithm::EdDSA).unwrap();
    (private, public)
}

impl Provider {
    pub(super) async fn start(house: &House) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let script = Script {
            discovery: json!({}),
            page: None,
            moved_to: None,
            published: vec![("first".to_owned(), 1)],
            signs_with: 1,
            header: json!({}),
            claims: json!({}),
            forge: None,
            refuses: None,
            forms: Vec::new(),
            keys_read: 0,
        };
        let provider = Self { issuer, script: Arc::new(Mutex::new(script)) };
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/keys", get(keys))
            .route("/token", post(token))
            .with_state(provider.clone());
        house.supervisor.spawn("provider", async move { axum::serve(listener, router).await.unwrap() });
        provider
    }

    pub(super) fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap()
    }

    /// How an operator would configure it.
    pub(super) fn config(&self, id: &str) -> OpenidConfig {
        OpenidConfig {
            id: id.to_owned(),
            name: format!("The {id}"),
            issuer: self.issuer.clone(),
            client_id: CLIENT_ID.to_owned(),
            client_secret: Secret::new(CLIENT_SECRET),
            scopes: vec!["openid".to_owned(), "email".to_owned()],
        }
    }
}

/// An instance's configuration with these providers.
pub(super) fn config_with(providers: &[(&str, &Provider)]) -> Config {
    let openid = providers.iter().map(|(id, provider)| provider.config(id)).collect();
    Config { openid, ..config() }
}

fn lay(over: &Value, under: &mut Value) {
    for (name, value) in over.as_object().unwrap() {
        let under = under.as_object_mut().unwrap();
        if value.is_null() {
            under.remove(name)
        } else {
            under.insert(name.clone(), value.clone())
        };
    }
}

async fn discovery(State(provider): State<Provider>) -> Response {
    let (issuer, script) = (&provider.issuer, provider.script());
    if let Some(place) = &script.moved_to {
        return Redirect::temporary(place).into_response();
    }
    if let Some(page) = &script.page {
        return page.clone().into_response();
    }
    let mut document = json!({
        "issuer": issuer, "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"), "jwks_uri": format!("{issuer}/keys"),
        "authorization_response_iss_parameter_supported": true,
    });
    lay(&script.discovery, &mut document);
    Json(document).into_response()
}

async fn keys(State(provider): State<Provider>) -> Json<Value> {
    let mut script = provider.script();
    script.keys_read += 1;
    let keys = script.published.iter().map(|(kid, seed)| {
        let mut key = key(*seed).1;
        key.common.key_id = Some(kid.clone());
        serde_json::to_value(key).unwrap()
    });
    // A provider may have keys for what is not known here.
    let others =
        [json!({"kty": "XYZ", "kid": "new"}), json!({"kty": "RSA", "use": "enc", "n": "AQAB", "e": "AQAB"})];
    Json(json!({ "keys": keys.chain(others).collect::<Vec<_>>() }))
}

async fn token(State(provider): State<Provider>, headers: HeaderMap, body: String) -> Response {
    let form = form_urlencoded::parse(body.as_bytes());
    let form = form.map(|(name, value)| (name.into_owned(), json!(value))).collect();
    let mut script = provider.script();
    let basic = headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
    script.forms.push((form, basic));
    if let Some((status, answer)) = &script.refuses {
        return (StatusCode::from_u16(*status).unwrap(), Json(answer.clone())).into_response();
    }
    let (private, public) = key(script.signs_with);
    let mut header = serde_json::to_value(Header::new(Algorithm::EdDSA)).unwrap();
    lay(&json!({"kid": script.published[0].0}), &mut header);
    lay(&script.header, &mut header);
    let mut claims = json!({ "iss": provider.issuer, "aud": CLIENT_ID, "sub": "sub-1" });
    lay(&script.claims, &mut claims);
    let whole = jsonwebtoken::encode(&serde_json::from_value(header).unwrap(), &claims, &private).unwrap();
    let id_token = script.forge.map_or(whole.clone(), |forge| forge(&whole, &public));
    Json(json!({ "access_token": "opaque", "token_type": "Bearer", "id_token": id_token })).into_response()
}
