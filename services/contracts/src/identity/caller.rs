//! The extractor that every handler of a member's route begins with.

use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts, MatchedPath};
use http::{HeaderMap, header, request::Parts};
use tertulia_runtime::problem::Problem;

use super::{Identity, IdentityError, Scope, Verifier};
use crate::routes;

/// Who asks, by the `Authorization: Bearer` header (RFC 6750 §2.1). Without a valid token the request is
/// answered with 401, with 503 while that cannot be told, and with 403 if the token is not good for this route.
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
        let identity = Arc::<Verifier>::from_ref(state).verify(token).await?;
        if !identity.is_login() {
            // What is not in the table is for nobody's program.
            let pattern = parts.extensions.get::<MatchedPath>();
            let route = pattern.and_then(|pattern| routes::find(&parts.method, pattern.as_str()));
            identity.permit(route.map_or(Scope::Account, |route| route.scope))?;
        }
        Ok(Self(identity))
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
