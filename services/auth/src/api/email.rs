//! `/v1/me/email`, and `/v1/email/verify`: whose an address is.

use axum::{Json, extract::State};
use http::StatusCode;
use tertulia_contracts::auth::{Account, ChangeEmail, VerifyEmail};
use tertulia_runtime::{Problem, extract::ValidJson};

use super::LiveCaller;
use crate::{App, model::audit::Origin};

/// Change the e-mail address
///
/// A link is sent to it, and it is the account's once that was opened; until then the one before stays. The one before is
/// told when it is replaced. Whether the address is another account's, nobody is told here.
#[utoipa::path(
    put, path = "/v1/me/email", tag = "accounts", request_body = ChangeEmail, security(("access_token" = [])),
    responses(
        (status = 202, description = "The account. A link is on its way.", body = Account),
        (status = 403, description = "`wrong_password`; `insufficient_scope`: no API token changes it"),
        (status = 422, description = "`invalid_fields`"),
        (status = 429, description = "`too_often`: at most 5 at once, and one more every 10 minutes"),
    ),
)]
pub(super) async fn change_email(
    State(App(auth)): State<App>,
    LiveCaller(caller): LiveCaller,
    ValidJson(request): ValidJson<ChangeEmail>,
) -> Result<(StatusCode, Json<Account>), Problem> {
    let account = auth.claim_email(caller.user_id, request).await?;
    Ok((StatusCode::ACCEPTED, Json(account.own_view())))
}

/// Send the link to the unverified address once more
#[utoipa::path(
    post, path = "/v1/me/email/verification", tag = "accounts", security(("access_token" = [])),
    responses(
        (status = 202, description = "It is on its way."),
        (status = 403, description = "`insufficient_scope`: no API token asks for it"),
        (status = 409, description = "`nothing_to_verify`"),
        (status = 429, description = "`too_often`: at most 5 at once, and one more every 10 minutes"),
        (status = 503, description = "`bus_unavailable`"),
    ),
)]
pub(super) async fn send_verification(
    State(App(auth)): State<App>,
    LiveCaller(caller): LiveCaller,
) -> Result<StatusCode, Problem> {
    auth.send_link_again(caller.user_id).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Verify an address by the link that was sent there
///
/// The link works once, within 24 hours. Whoever opens it need not be signed in.
#[utoipa::path(
    post, path = "/v1/email/verify", tag = "accounts", request_body = VerifyEmail,
    responses(
        (status = 204, description = "The address is the account's."),
        (status = 403, description = "`link_invalid`: it was used, is too old, or there is a newer one"),
        (status = 409, description = "`email_taken`: another account verified it before"),
        (status = 422, description = "`invalid_fields`"),
    ),
)]
pub(super) async fn verify_email(
    State(App(auth)): State<App>,
    origin: Origin,
    ValidJson(request): ValidJson<VerifyEmail>,
) -> Result<StatusCode, Problem> {
    auth.verify_email(&request.token, &origin).await?;
    Ok(StatusCode::NO_CONTENT)
}
