//! `/v1/accounts` and `/v1/me`.

use axum::{Json, extract::State};
use http::{HeaderMap, StatusCode};
use tertulia_contracts::auth::{Account, CreateAccount, SignedIn};
use tertulia_runtime::{Problem, extract::ValidJson};

use super::{LiveCaller, sessions::device};
use crate::App;

/// Make an account and sign in
///
/// With the token of the setup link the account is the operator's.
#[utoipa::path(
    post, path = "/v1/accounts", tag = "accounts", request_body = CreateAccount,
    responses(
        (status = 201, description = "The account, and a first session of it.", body = SignedIn),
        (status = 403, description = "`registration_closed`, `setup_link_invalid`"),
        (status = 409, description = "`handle_taken`, `email_taken`"),
        (status = 422, description = "`invalid_fields`, `handle_reserved`"),
    ),
)]
pub(super) async fn create_account(
    State(App(auth)): State<App>,
    headers: HeaderMap,
    ValidJson(request): ValidJson<CreateAccount>,
) -> Result<(StatusCode, Json<SignedIn>), Problem> {
    let account = auth.register(request).await?;
    let signed_in = auth.begin_session(&account, device(&headers)).await?;
    Ok((StatusCode::CREATED, Json(signed_in)))
}

/// The caller's account
#[utoipa::path(
    get, path = "/v1/me", tag = "accounts", security(("bearer" = [])),
    responses((status = 200, description = "The account.", body = Account)),
)]
pub(super) async fn get_me(
    State(App(auth)): State<App>,
    LiveCaller(caller): LiveCaller,
) -> Result<Json<Account>, Problem> {
    Ok(Json(auth.account(caller.user_id).await?.own_view()))
}
