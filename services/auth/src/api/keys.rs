//! `/.well-known/jwks.json`, and `/v1/operator/keys`.

use axum::{Json, extract::State, response::IntoResponse};
use http::header;
use tertulia_contracts::{
    auth::{Jwks, SigningKeys},
    permissions::InstanceAction,
};
use tertulia_runtime::Problem;

use super::LiveCaller;
use crate::{App, model::audit::Origin, service::operator::must};

/// The public keys of access tokens (RFC 7517)
#[utoipa::path(
    get, path = "/.well-known/jwks.json", tag = "keys",
    responses((status = 200, description = "The keys.", body = Jwks)),
)]
pub(super) async fn get_jwks(State(App(auth)): State<App>) -> impl IntoResponse {
    ([(header::CACHE_CONTROL, "public, max-age=300")], Json(auth.keys.published()))
}

/// The keys that access tokens are signed with
#[utoipa::path(
    get, path = "/v1/operator/keys", tag = "operator", security(("access_token" = [])),
    responses(
        (status = 200, description = "The newest first, without their private halves.", body = SigningKeys),
        (status = 403, description = "`operator_only`; `insufficient_scope`: no API token sees them"),
    ),
)]
pub(super) async fn list_keys(
    State(App(auth)): State<App>,
    LiveCaller(caller): LiveCaller,
) -> Result<Json<SigningKeys>, Problem> {
    must(&caller, InstanceAction::RotateKeys)?;
    Ok(Json(auth.signing_keys()))
}

/// Rotate the signing keys at once
///
/// A new key is published now and signs in ten seconds, when every process has it. The one before is published until the last
/// token that it signed is over, so nobody is signed out.
#[utoipa::path(
    post, path = "/v1/operator/keys/rotation", tag = "operator", security(("access_token" = [])),
    responses(
        (status = 200, description = "The keys, the new one first.", body = SigningKeys),
        (status = 403, description = "`operator_only`; `insufficient_scope`: no API token rotates them"),
        (status = 429, description = "`too_often`: so many keys are published that others must go first"),
    ),
)]
pub(super) async fn rotate_keys(
    State(App(auth)): State<App>,
    LiveCaller(caller): LiveCaller,
    origin: Origin,
) -> Result<Json<SigningKeys>, Problem> {
    must(&caller, InstanceAction::RotateKeys)?;
    Ok(Json(auth.rotate_keys(&origin.by(caller.user_id)).await?))
}
