//! Erasing accounts, and what became of it.

use axum::{Json, extract::State};
use http::StatusCode;
use tertulia_contracts::{
    UserId,
    auth::{Erasure, ErasureStarted, Erasures, FindErasure, ListErasures},
    permissions::InstanceAction,
};
use tertulia_runtime::{
    Problem,
    extract::{PathParam, QueryParams, ValidJson},
};

use super::{FreshCaller, LiveCaller};
use crate::{App, model::audit::Origin, service::operator::must};

/// Erase the caller's account
///
/// For good, and that of each of their bots. Nobody can use it from this moment on, on no node; every service forgets who they
/// were and deletes what they wrote for everybody, in the background. They leave their groups and channels; what they owned goes
/// to the highest in rank, of these to whoever has belonged longest. What others wrote stays, and so do reactions and votes, by an
/// id that says nothing. Nobody else is given the handle. The receipt shows the report at `POST /v1/erasures/report`.
#[utoipa::path(
    delete, path = "/v1/me", tag = "accounts", security(("access_token" = [])),
    responses(
        (status = 202, description = "The account is erased; the rest follows.", body = ErasureStarted),
        (status = 403, description = "`step_up_required`, `operator_stays`; `insufficient_scope`: no API token erases it"),
    ),
)]
pub(super) async fn erase_me(
    State(App(auth)): State<App>,
    FreshCaller(caller): FreshCaller,
    origin: Origin,
) -> Result<(StatusCode, Json<ErasureStarted>), Problem> {
    let started = auth.erase(caller.user_id, caller.user_id, &origin).await?;
    Ok((StatusCode::ACCEPTED, Json(started)))
}

/// What became of an account that was erased
///
/// For whoever has the receipt: nobody can sign in to that account any more.
#[utoipa::path(
    post, path = "/v1/erasures/report", tag = "accounts", request_body = FindErasure,
    responses(
        (status = 200, description = "What was done so far.", body = Erasure),
        (status = 404, description = "`erasure_not_found`"),
        (status = 422, description = "`invalid_fields`"),
    ),
)]
pub(super) async fn report_erasure(
    State(App(auth)): State<App>,
    ValidJson(request): ValidJson<FindErasure>,
) -> Result<Json<Erasure>, Problem> {
    Ok(Json(auth.erasure(&request.receipt).await?))
}

/// Erase somebody's account
///
/// As if they had done so themselves.
#[utoipa::path(
    delete, path = "/v1/operator/accounts/{id}", tag = "operator", params(("id" = UserId, Path)),
    security(("access_token" = [])),
    responses(
        (status = 202, description = "The account is erased; the rest follows.", body = Erasure),
        (status = 403, description = "`step_up_required`, `operator_only`, `operator_stays`; `insufficient_scope`: no API token erases any"),
        (status = 404, description = "`user_not_found`"),
    ),
)]
pub(super) async fn erase_account(
    State(App(auth)): State<App>,
    FreshCaller(caller): FreshCaller,
    origin: Origin,
    PathParam(id): PathParam<UserId>,
) -> Result<(StatusCode, Json<Erasure>), Problem> {
    must(&caller, InstanceAction::EraseAccounts)?;
    let started = auth.erase(id, caller.user_id, &origin).await?;
    Ok((StatusCode::ACCEPTED, Json(started.erasure)))
}

/// The accounts that were erased
#[utoipa::path(
    get, path = "/v1/operator/erasures", tag = "operator", params(ListErasures), security(("access_token" = [])),
    responses(
        (status = 200, description = "The newest first.", body = Erasures),
        (status = 403, description = "`operator_only`; `insufficient_scope`: no API token sees them"),
        (status = 422, description = "`invalid_fields`"),
    ),
)]
pub(super) async fn list_erasures(
    State(App(auth)): State<App>,
    LiveCaller(caller): LiveCaller,
    QueryParams(query): QueryParams<ListErasures>,
) -> Result<Json<Erasures>, Problem> {
    must(&caller, InstanceAction::EraseAccounts)?;
    Ok(Json(auth.erasures(&query).await?))
}
