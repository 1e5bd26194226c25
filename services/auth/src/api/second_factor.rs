//! `/v1/me/totp` and what belongs to it, and the step-up of a session.

use axum::{Json, extract::State};
use http::StatusCode;
use tertulia_contracts::auth::{ConfirmTotp, Credentials, RecoveryCodes, Session, StepUp, TotpSecret};
use tertulia_runtime::{Problem, extract::ValidJson};

use super::{FreshCaller, LiveCaller};
use crate::{App, model::audit::Origin};

/// What the caller comes in by
#[utoipa::path(
    get, path = "/v1/me/credentials", tag = "accounts", security(("access_token" = [])),
    responses(
        (status = 200, description = "The ways in, and the second factor.", body = Credentials),
        (status = 403, description = "`insufficient_scope`: no API token sees it"),
    ),
)]
pub(super) async fn get_credentials(
    State(App(auth)): State<App>,
    LiveCaller(caller): LiveCaller,
) -> Result<Json<Credentials>, Problem> {
    Ok(Json(auth.credentials(caller.user_id).await?))
}

/// Begin with one-time codes
///
/// The secret is shown once, and counts when a first code of it is confirmed, within 15 minutes.
#[utoipa::path(
    post, path = "/v1/me/totp", tag = "accounts", security(("access_token" = [])),
    responses(
        (status = 201, description = "The secret, for an authenticator.", body = TotpSecret),
        (status = 403, description = "`step_up_required`; `insufficient_scope`"),
        (status = 409, description = "`totp_on`: codes are asked for already"),
    ),
)]
pub(super) async fn enrol_totp(
    State(App(auth)): State<App>,
    FreshCaller(caller): FreshCaller,
) -> Result<(StatusCode, Json<TotpSecret>), Problem> {
    Ok((StatusCode::CREATED, Json(auth.enrol_totp(caller.user_id).await?)))
}

/// Ask for one-time codes from now on
#[utoipa::path(
    post, path = "/v1/me/totp/confirm", tag = "accounts", request_body = ConfirmTotp, security(("access_token" = [])),
    responses(
        (status = 200, description = "The recovery codes. They are shown once.", body = RecoveryCodes),
        (status = 403, description = "`proof_wrong`: not a code of the secret that waits; `step_up_required`; `insufficient_scope`"),
        (status = 409, description = "`totp_on`: codes are asked for already"),
        (status = 422, description = "`invalid_fields`"),
        (status = 429, description = "`too_often`: at most 10 codes at once, and one more every 5 minutes"),
    ),
)]
pub(super) async fn confirm_totp(
    State(App(auth)): State<App>,
    FreshCaller(caller): FreshCaller,
    origin: Origin,
    ValidJson(request): ValidJson<ConfirmTotp>,
) -> Result<Json<RecoveryCodes>, Problem> {
    Ok(Json(auth.confirm_totp(caller.user_id, request, &origin).await?))
}

/// Ask for one-time codes no longer
#[utoipa::path(
    delete, path = "/v1/me/totp", tag = "accounts", security(("access_token" = [])),
    responses(
        (status = 204, description = "The secret and the recovery codes are forgotten."),
        (status = 403, description = "`step_up_required`; `insufficient_scope`"),
    ),
)]
pub(super) async fn disable_totp(
    State(App(auth)): State<App>,
    FreshCaller(caller): FreshCaller,
    origin: Origin,
) -> Result<StatusCode, Problem> {
    auth.disable_totp(caller.user_id, &origin).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Make other recovery codes
#[utoipa::path(
    post, path = "/v1/me/recovery-codes", tag = "accounts", security(("access_token" = [])),
    responses(
        (status = 200, description = "They are shown once; those before are good no longer.", body = RecoveryCodes),
        (status = 403, description = "`step_up_required`; `insufficient_scope`"),
        (status = 409, description = "`totp_off`: no codes are asked for"),
    ),
)]
pub(super) async fn renew_recovery_codes(
    State(App(auth)): State<App>,
    FreshCaller(caller): FreshCaller,
    origin: Origin,
) -> Result<Json<RecoveryCodes>, Problem> {
    Ok(Json(auth.renew_recovery_codes(caller.user_id, &origin).await?))
}

/// Prove again who holds the session
///
/// Acts that are answered with `step_up_required` are open for the next 10 minutes. One of the fields is given: the
/// password, or where codes are asked for a code or a recovery code.
#[utoipa::path(
    post, path = "/v1/sessions/current/step-up", tag = "sessions", request_body = StepUp, security(("access_token" = [])),
    responses(
        (status = 200, description = "The session.", body = Session),
        (status = 403, description = "`proof_wrong`; `insufficient_scope`"),
        (status = 422, description = "`invalid_fields`"),
        (status = 429, description = "`too_often`: at most 10 proofs at once"),
        (status = 503, description = "`busy`: too many are signing in"),
    ),
)]
pub(super) async fn step_up(
    State(App(auth)): State<App>,
    LiveCaller(caller): LiveCaller,
    ValidJson(proof): ValidJson<StepUp>,
) -> Result<Json<Session>, Problem> {
    Ok(Json(auth.step_up(&caller, proof).await?.view(caller.session_id)))
}
