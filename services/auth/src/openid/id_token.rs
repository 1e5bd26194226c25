//! Identity tokens: OpenID Connect Core §3.1.3.7, RFC 8725.

use std::time::Duration;

use jsonwebtoken::{
    Algorithm, DecodingKey, Validation, decode, decode_header,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse},
};
use serde::Deserialize;
use serde_json::Value;
use tertulia_runtime::Timestamp;

use crate::model::openid::{Proof, Subject};

/// What a token may be signed with. Nothing symmetric: a key that is published would sign as well as verify.
const ALGORITHMS: [Algorithm; 5] =
    [Algorithm::RS256, Algorithm::PS256, Algorithm::ES256, Algorithm::ES384, Algorithm::EdDSA];
/// How far a provider's clock may be off.
const LEEWAY: Duration = Duration::from_mins(1);
/// A token was made for a sign-in that lasts no longer than this.
const MAX_AGE: Duration = Duration::from_mins(15);
/// The longest token that is looked at.
const MAX_TOKEN_BYTES: usize = 16 << 10;
/// The most keys of a provider that are looked at.
const MAX_KEYS: usize = 32;
/// A subject's longest name (OpenID Connect Core §2).
const MAX_SUBJECT_BYTES: usize = 255;
/// So much of what somebody is called is kept.
const MAX_NAME_CHARS: usize = 128;

/// Why a token is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    /// Newer keys may have it.
    #[error("it names a key that the provider did not publish")]
    UnknownKey,
    #[error("the identity token {0}")]
    Because(String),
}

fn because(what: impl Into<String>) -> Refused {
    Refused::Because(what.into())
}

/// The keys that a provider publishes, those that can be used.
#[derive(Clone, Default)]
pub(crate) struct Keys(Vec<(Jwk, DecodingKey)>);

#[derive(Deserialize)]
pub(super) struct Published {
    keys: Vec<Value>,
}

impl Keys {
    /// Leaves out what is of another kind or for another use.
    pub(super) fn read(published: Published) -> Self {
        let keys = published.keys.into_iter().take(MAX_KEYS);
        let keys = keys.filter_map(|key| serde_json::from_value::<Jwk>(key).ok());
        let keys = keys.filter(|key| key.common.public_key_use != Some(PublicKeyUse::Encryption));
        Self(keys.filter_map(|key| DecodingKey::from_jwk(&key).ok().map(|usable| (key, usable))).collect())
    }

    /// The key that a token names; where it names none, the only one that could be meant.
    fn named(&self, kid: Option<&str>, algorithm: Algorithm) -> Result<&DecodingKey, Refused> {
        let mut fitting = self.0.iter().filter(|(key, _)| {
            let named = kid.is_none_or(|kid| key.common.key_id.as_deref() == Some(kid));
            named && signs_with(key, algorithm)
        });
        let (_, key) = fitting.next().ok_or(Refused::UnknownKey)?;
        if fitting.next().is_some() { Err(because("names no key")) } else { Ok(key) }
    }
}

/// Whether a key is of the kind that an algorithm takes: what the token says of itself does not choose how a key is read.
fn signs_with(key: &Jwk, algorithm: Algorithm) -> bool {
    let of_this_kind = match &key.algorithm {
        AlgorithmParameters::RSA(_) => matches!(algorithm, Algorithm::RS256 | Algorithm::PS256),
        AlgorithmParameters::EllipticCurve(curve) => match curve.curve {
            EllipticCurve::P256 => algorithm == Algorithm::ES256,
            EllipticCurve::P384 => algorithm == Algorithm::ES384,
            _ => false,
        },
        AlgorithmParameters::OctetKeyPair(_) => algorithm == Algorithm::EdDSA,
        _ => false,
    };
    let declared = key.common.key_algorithm.map(|algorithm| algorithm.to_string());
    of_this_kind && declared.is_none_or(|declared| declared == format!("{algorithm:?}"))
}

/// What a token must say.
#[derive(Clone, Copy)]
pub(crate) struct Expected<'a> {
    pub(crate) issuer: &'a str,
    pub(crate) client_id: &'a str,
    pub(crate) nonce: &'a str,
    pub(crate) now: Timestamp,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    /// One name or a list; that this instance is among them, the library saw.
    aud: Value,
    #[serde(default)]
    azp: Option<String>,
    exp: i64,
    iat: i64,
    #[serde(default)]
    nbf: Option<i64>,
    #[serde(default)]
    nonce: Option<String>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    preferred_username: Option<String>,
    #[serde(default)]
    email: Option<String>,
}

/// Who a token is about, if all of it is as it must be.
pub(crate) fn verify(token: &str, keys: &Keys, expected: &Expected<'_>) -> Result<Proof, Refused> {
    if token.len() > MAX_TOKEN_BYTES {
        return Err(because("is too long"));
    }
    let header = decode_header(token).map_err(|error| because(error.to_string()))?;
    if !ALGORITHMS.contains(&header.alg) {
        return Err(because("is signed with another algorithm"));
    }
    if header.crit.is_some() {
        return Err(because("demands an extension that is not known (RFC 7515 §4.1.11)"));
    }
    let key = keys.named(header.kid.as_deref(), header.alg)?;
    let mut validation = Validation::new(header.alg);
    validation.set_issuer(&[expected.issuer]);
    validation.set_audience(&[expected.client_id]);
    validation.set_required_spec_claims(&["iss", "aud", "sub", "exp"]);
    // The library would ask the machine's clock; the times are checked below against the injected one.
    validation.validate_exp = false;
    validation.validate_nbf = false;
    let claims =
        decode::<Claims>(token, key, &validation).map_err(|error| because(error.to_string()))?.claims;
    check_times(&claims, expected.now)?;
    check_party(&claims, expected)?;
    if claims.nonce.as_deref() != Some(expected.nonce) {
        return Err(because("is of another sign-in"));
    }
    // Some providers use more than ASCII.
    if claims.sub.is_empty() || claims.sub.len() > MAX_SUBJECT_BYTES || claims.sub.contains(char::is_control)
    {
        return Err(because("names nobody"));
    }
    let Claims { sub: subject, name, preferred_username, email, .. } = claims;
    Ok(Proof {
        subject: Subject { issuer: expected.issuer.to_owned(), subject },
        name: shown(name),
        preferred_username: shown(preferred_username),
        email: shown(email),
    })
}

fn check_times(claims: &Claims, now: Timestamp) -> Result<(), Refused> {
    let moment = |seconds: i64| Timestamp::from_millis(seconds.saturating_mul(1000));
    if now >= moment(claims.exp).plus(LEEWAY) {
        return Err(because("has expired"));
    }
    if moment(claims.iat) > now.plus(LEEWAY) || claims.nbf.is_some_and(|nbf| moment(nbf) > now.plus(LEEWAY)) {
        return Err(because("is of the future"));
    }
    if now.since(moment(claims.iat)) > MAX_AGE {
        return Err(because("was made long ago"));
    }
    Ok(())
}

/// That one of several it is meant for is this instance is not enough: it must have been issued to it.
fn check_party(claims: &Claims, expected: &Expected<'_>) -> Result<(), Refused> {
    let alone = claims.aud.as_array().is_none_or(|all| all.len() == 1);
    match claims.azp.as_deref() {
        Some(party) if party == expected.client_id => Ok(()),
        None if alone => Ok(()),
        _ => Err(because("was issued to another client")),
    }
}

/// What somebody is called, fit to be shown.
fn shown(name: Option<String>) -> Option<String> {
    let name = name?;
    let name: String =
        name.trim().chars().filter(|letter| !letter.is_control()).take(MAX_NAME_CHARS).collect();
    (!name.is_empty()).then_some(name)
}
