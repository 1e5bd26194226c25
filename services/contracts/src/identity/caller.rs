//! The extractor that every handler of a member's route begins with.

use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts};
use http::{HeaderMap, header, request::Parts};
use tertulia_runtime::problem::Problem;

use super::{Identity, IdentityError, Verifier};

/// Who asks, by the `Authorization: Bearer` header (RFC 6750 §2.1). Without a valid token the request is
/// answered with 401, and with 503 while that cannot be told.
#[derive(Debug, Clone, Copy)]
pub struct Caller(pub Identity);

impl<S> FromRequestParts<S> for Caller
where
    S: Send + Sync,
    Arc<Verifier>: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let token = bearer(&parts.headers)?;
        Ok(Self(Arc::<Verifier>::from_ref(state).verify(token).await?))
    }
}

/// The token of the `Authorization` header.
///
/// # Errors
/// [`IdentityError::Missing`] without such a header, [`IdentityError::Refused`] when there are two of it or it
/// is of another scheme.
pub fn bearer(headers: &HeaderMap) -> Result<&str, IdentityError> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next().ok_or(IdentityError::Missing)?;
    if values.next().is_some() {
        return Err(IdentityError::Refused("there are two Authorization headers".to_owned()));
    }
    let token = value.to_str().ok().and_then(|value| value.split_once(' '));
    match token {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() => Ok(token),
        _ => Err(IdentityError::Refused(
            "the Authorization header is not of the form: Bearer <token>".to_owned(),
        )),
    }
}
