//! `/v1/accounts` and `/v1/me`.

use axum::{Json, extract::State};
use http::{HeaderMap, StatusCode};
use tertulia_contracts::auth::{Account, CreateAccount, SignedIn, UpdateMe};
use tertulia_runtime::{Problem, extract::ValidJson};

use super::{LiveCaller, sessions::guest};
use crate::{App, model::audit::Origin};

/// Make an account and sign in
///
/// With the token of the setup link the account is the operator's. An address is the account's once the link that is sent there
/// was opened.
#[utoipa::path(
    post, path = "/v1/accounts", tag = "accounts", request_body = CreateAccount,
    responses(
        (status = 201, description = "The account, and a first session of it.", body = SignedIn),
        (status = 403, description = "`registration_closed`, `invitation_required`, `invitation_invalid`, `setup_link_invalid`"),
        (status = 409, description = "`handle_taken`"),
        (status = 422, description = "`invalid_fields`, `handle_reserved`, `weak_password` with the reason"),
    ),
)]
pub(super) async fn create_account(
    State(App(auth)): State<App>,
    headers: HeaderMap,
    origin: Origin,
    ValidJson(request): ValidJson<CreateAccount>,
) -> Result<(StatusCode, Json<SignedIn>), Problem> {
    let account = auth.register(request, &origin).await?;
    let signed_in = auth.begin_session(&account, guest(&headers)).await?;
    Ok((StatusCode::CREATED, Json(signed_in)))
}

/// The caller's account
#[utoipa::path(
    get, path = "/v1/me", tag = "accounts", security(("access_token" = [])),
    responses((status = 200, description = "The account.", body = Account)),
)]
pub(super) async fn get_me(
    State(App(auth)): State<App>,
    LiveCaller(caller): LiveCaller,
) -> Result<Json<Account>, Problem> {
    Ok(Json(auth.account(caller.user_id).await?.own_view()))
}

/// Change what others see of the caller, and how they are written to
///
/// What is left out stays; `null` takes it away.
#[utoipa::path(
    patch, path = "/v1/me", tag = "accounts", request_body = UpdateMe, security(("access_token" = [])),
    responses(
        (status = 200, description = "The account.", body = Account),
        (status = 403, description = "`insufficient_scope`: no API token changes it"),
        (status = 422, description = "`invalid_fields`"),
    ),
)]
pub(super) async fn update_me(
    State(App(auth)): State<App>,
    LiveCaller(caller): LiveCaller,
    ValidJson(request): ValidJson<UpdateMe>,
) -> Result<Json<Account>, Problem> {
    Ok(Json(auth.update_me(caller.user_id, request).await?.own_view()))
}
