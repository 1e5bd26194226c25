//! `/v1/me/password` and `/v1/password/...`: another password.

use axum::{Json, extract::State};
use http::StatusCode;
use serde_json::{Value, json};
use tertulia_contracts::auth::{ChangePassword, ForgotPassword, ResetPassword};
use tertulia_runtime::{Problem, extract::ValidJson};

use super::LiveCaller;
use crate::{App, model::audit::Origin};

/// Change the password
///
/// The caller's other sessions end; API tokens stay.
#[utoipa::path(
    put, path = "/v1/me/password", tag = "accounts", request_body = ChangePassword, security(("access_token" = [])),
    responses(
        (status = 204, description = "It is changed."),
        (status = 403, description = "`wrong_password`; `insufficient_scope`: no API token changes it"),
        (status = 422, description = "`invalid_fields`, `weak_password` with the reason"),
        (status = 429, description = "`too_often`: at most 10 attempts at once, and one more a minute"),
        (status = 503, description = "`busy`: too many are signing in"),
    ),
)]
pub(super) async fn change_password(
    State(App(auth)): State<App>,
    LiveCaller(caller): LiveCaller,
    origin: Origin,
    ValidJson(request): ValidJson<ChangePassword>,
) -> Result<StatusCode, Problem> {
    auth.change_password(&caller, &origin, request).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ask for a link to set another password
///
/// It is sent to the account's verified address. Whether there is such an account, and whether it has one, is not told: the
/// answer is the same for everybody.
#[utoipa::path(
    post, path = "/v1/password/forgot", tag = "accounts", request_body = ForgotPassword,
    responses(
        (status = 202, description = "If there is such an account, a link is on its way.", body = Value),
        (status = 422, description = "`invalid_fields`"),
        (status = 429, description = "`rate_limited`: too many from this address"),
        (status = 503, description = "`bus_unavailable`"),
    ),
)]
pub(super) async fn forgot_password(
    State(App(auth)): State<App>,
    ValidJson(request): ValidJson<ForgotPassword>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    auth.forgot_password(request).await?;
    Ok((StatusCode::ACCEPTED, Json(json!({}))))
}

/// Set another password by the link that was mailed
///
/// The link works once, within an hour. All sessions of the account end; API tokens stay.
#[utoipa::path(
    post, path = "/v1/password/reset", tag = "accounts", request_body = ResetPassword,
    responses(
        (status = 204, description = "It is set. Sign in with it."),
        (status = 403, description = "`link_invalid`: it was used or is too old"),
        (status = 422, description = "`invalid_fields`, `weak_password` with the reason"),
        (status = 503, description = "`busy`: too many are signing in"),
    ),
)]
pub(super) async fn reset_password(
    State(App(auth)): State<App>,
    origin: Origin,
    ValidJson(request): ValidJson<ResetPassword>,
) -> Result<StatusCode, Problem> {
    auth.reset_password(request, &origin).await?;
    Ok(StatusCode::NO_CONTENT)
}
