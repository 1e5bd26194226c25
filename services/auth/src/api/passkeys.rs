//! `/v1/passkeys` and `/v1/me/passkeys`.

use axum::{Json, extract::State};
use http::{HeaderMap, StatusCode};
use tertulia_contracts::{
    PasskeyId,
    auth::{CreatePasskey, Passkey, PasskeyOptions, Passkeys, SignInWithPasskey, SignedIn},
};
use tertulia_runtime::{
    Problem,
    extract::{PathParam, ValidJson},
};

use super::{FreshCaller, LiveCaller, sessions::guest};
use crate::{App, model::audit::Origin};

/// Begin to sign in with a passkey
///
/// The browser's answer to `options` is taken once, within 5 minutes.
#[utoipa::path(
    post, path = "/v1/passkeys/start", tag = "passkeys",
    responses(
        (status = 201, description = "What to ask the browser.", body = PasskeyOptions),
        (status = 404, description = "`no_passkeys`: the instance is found at a bare address"),
    ),
)]
pub(super) async fn start_passkey_sign_in(
    State(App(auth)): State<App>,
) -> Result<(StatusCode, Json<PasskeyOptions>), Problem> {
    Ok((StatusCode::CREATED, Json(auth.begin_passkey_sign_in().await?)))
}

/// Sign in with a passkey
#[utoipa::path(
    post, path = "/v1/passkeys/finish", tag = "passkeys", request_body = SignInWithPasskey,
    responses(
        (status = 201, description = "A session.", body = SignedIn),
        (status = 403, description = "`passkey_refused`: nobody has it, or what it signed is not good"),
        (status = 404, description = "`no_passkeys`: the instance is found at a bare address"),
        (status = 422, description = "`invalid_fields`"),
    ),
)]
pub(super) async fn finish_passkey_sign_in(
    State(App(auth)): State<App>,
    headers: HeaderMap,
    ValidJson(request): ValidJson<SignInWithPasskey>,
) -> Result<(StatusCode, Json<SignedIn>), Problem> {
    Ok((StatusCode::CREATED, Json(auth.sign_in_with_passkey(request, guest(&headers)).await?)))
}

/// Begin to make a passkey for the caller's account
///
/// The browser's answer to `options` is taken once, within 5 minutes.
#[utoipa::path(
    post, path = "/v1/me/passkeys/start", tag = "passkeys", security(("access_token" = [])),
    responses(
        (status = 201, description = "What to ask the browser.", body = PasskeyOptions),
        (status = 403, description = "`step_up_required`; `insufficient_scope`: no API token makes any"),
        (status = 404, description = "`no_passkeys`: the instance is found at a bare address"),
        (status = 409, description = "`too_many_passkeys`"),
    ),
)]
pub(super) async fn start_passkey(
    State(App(auth)): State<App>,
    FreshCaller(caller): FreshCaller,
) -> Result<(StatusCode, Json<PasskeyOptions>), Problem> {
    Ok((StatusCode::CREATED, Json(auth.begin_passkey(caller.user_id).await?)))
}

/// Keep the passkey that the caller's browser made
///
/// At most 20 an account.
#[utoipa::path(
    post, path = "/v1/me/passkeys", tag = "passkeys", request_body = CreatePasskey, security(("access_token" = [])),
    responses(
        (status = 201, description = "It signs in from now on.", body = Passkey),
        (status = 403, description = "`passkey_refused`: what was made is not good; `step_up_required`; `insufficient_scope`: no API token makes any"),
        (status = 404, description = "`no_passkeys`: the instance is found at a bare address"),
        (status = 409, description = "`too_many_passkeys`"),
        (status = 422, description = "`invalid_fields`"),
    ),
)]
pub(super) async fn create_passkey(
    State(App(auth)): State<App>,
    FreshCaller(caller): FreshCaller,
    origin: Origin,
    ValidJson(request): ValidJson<CreatePasskey>,
) -> Result<(StatusCode, Json<Passkey>), Problem> {
    Ok((StatusCode::CREATED, Json(auth.add_passkey(caller.user_id, request, &origin).await?)))
}

/// The caller's passkeys
#[utoipa::path(
    get, path = "/v1/me/passkeys", tag = "passkeys", security(("access_token" = [])),
    responses(
        (status = 200, description = "Oldest first.", body = Passkeys),
        (status = 403, description = "`insufficient_scope`: no API token sees them"),
    ),
)]
pub(super) async fn list_passkeys(
    State(App(auth)): State<App>,
    LiveCaller(caller): LiveCaller,
) -> Result<Json<Passkeys>, Problem> {
    Ok(Json(auth.passkeys(caller.user_id).await?))
}

/// Take a passkey from the caller's account
///
/// Sessions that began by it stay.
#[utoipa::path(
    delete, path = "/v1/me/passkeys/{id}", tag = "passkeys", params(("id" = PasskeyId, Path)),
    security(("access_token" = [])),
    responses(
        (status = 204, description = "It signs in no more."),
        (status = 403, description = "`step_up_required`; `insufficient_scope`: no API token takes any"),
        (status = 404, description = "`passkey_not_found`"),
        (status = 409, description = "`last_way_in`: nobody could come in any more"),
    ),
)]
pub(super) async fn delete_passkey(
    State(App(auth)): State<App>,
    FreshCaller(caller): FreshCaller,
    origin: Origin,
    PathParam(id): PathParam<PasskeyId>,
) -> Result<StatusCode, Problem> {
    auth.remove_passkey(caller.user_id, id, &origin).await?;
    Ok(StatusCode::NO_CONTENT)
}
