//! `/.well-known/jwks.json`.

use axum::{Json, extract::State, response::IntoResponse};
use http::header;
use tertulia_contracts::auth::Jwks;

use crate::App;

/// The public keys of access tokens (RFC 7517)
#[utoipa::path(
    get, path = "/.well-known/jwks.json", tag = "keys",
    responses((status = 200, description = "The keys.", body = Jwks)),
)]
pub(super) async fn get_jwks(State(App(auth)): State<App>) -> impl IntoResponse {
    ([(header::CACHE_CONTROL, "public, max-age=300")], Json(auth.keys.published().clone()))
}
