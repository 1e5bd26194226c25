//! `/v1/operator/accounts`: what accounts are to the instance.

use axum::{Json, extract::State};
use http::StatusCode;
use tertulia_contracts::{
    UserId,
    auth::{KnownAccount, KnownAccounts, ListAccounts, SuspendAccount},
    identity::Denials,
    permissions::InstanceAction,
};
use tertulia_runtime::{
    Problem,
    extract::{PathParam, QueryParams, ValidJson},
};

use super::LiveCaller;
use crate::{App, model::audit::Origin, service::operator::must};

/// The accounts of the instance
///
/// By handle, those that fit all of the query. A page may hold fewer than were asked for while there are more.
#[utoipa::path(
    get, path = "/v1/operator/accounts", tag = "operator", params(ListAccounts), security(("access_token" = [])),
    responses(
        (status = 200, description = "People and bots.", body = KnownAccounts),
        (status = 403, description = "`operator_only`; `insufficient_scope`: no API token sees them"),
        (status = 422, description = "`invalid_fields`"),
    ),
)]
pub(super) async fn list_accounts(
    State(App(auth)): State<App>,
    LiveCaller(caller): LiveCaller,
    QueryParams(query): QueryParams<ListAccounts>,
) -> Result<Json<KnownAccounts>, Problem> {
    must(&caller, InstanceAction::ListAccounts)?;
    Ok(Json(auth.known_accounts(&query).await?))
}

/// Make somebody a moderator of the instance
///
/// They keep its public and paid conversations in order from now on. Their access tokens of before are over: clients refresh
/// them.
#[utoipa::path(
    put, path = "/v1/operator/accounts/{id}/moderator", tag = "operator", params(("id" = UserId, Path)),
    security(("access_token" = [])),
    responses(
        (status = 200, description = "The account.", body = KnownAccount),
        (status = 403, description = "`operator_only`, `operator_stays`; `insufficient_scope`: no API token appoints"),
        (status = 404, description = "`user_not_found`"),
        (status = 409, description = "`bots_hold_no_office`"),
    ),
)]
pub(super) async fn appoint_moderator(
    State(App(auth)): State<App>,
    LiveCaller(caller): LiveCaller,
    origin: Origin,
    PathParam(id): PathParam<UserId>,
) -> Result<Json<KnownAccount>, Problem> {
    must(&caller, InstanceAction::AppointModerators)?;
    Ok(Json(auth.appoint(&origin.by(caller.user_id), id, true).await?))
}

/// Dismiss a moderator of the instance
///
/// On every node within a second. Who is none stays none.
#[utoipa::path(
    delete, path = "/v1/operator/accounts/{id}/moderator", tag = "operator", params(("id" = UserId, Path)),
    security(("access_token" = [])),
    responses(
        (status = 204, description = "They are none."),
        (status = 403, description = "`operator_only`, `operator_stays`; `insufficient_scope`: no API token dismisses"),
        (status = 404, description = "`user_not_found`"),
    ),
)]
pub(super) async fn dismiss_moderator(
    State(App(auth)): State<App>,
    LiveCaller(caller): LiveCaller,
    origin: Origin,
    PathParam(id): PathParam<UserId>,
) -> Result<StatusCode, Problem> {
    must(&caller, InstanceAction::AppointModerators)?;
    auth.appoint(&origin.by(caller.user_id), id, false).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Suspend an account
///
/// Nobody can use it: its sessions end, its sockets close, and its access tokens, API tokens and bots are good for nothing, on
/// every node within a second. What it wrote stays. Again sets another reason and end.
#[utoipa::path(
    put, path = "/v1/operator/accounts/{id}/suspension", tag = "operator", params(("id" = UserId, Path)),
    request_body = SuspendAccount, security(("access_token" = [])),
    responses(
        (status = 200, description = "The account.", body = KnownAccount),
        (status = 403, description = "`operator_only`, `operator_stays`; `insufficient_scope`: no API token suspends"),
        (status = 404, description = "`user_not_found`"),
        (status = 422, description = "`invalid_fields`"),
    ),
)]
pub(super) async fn suspend_account(
    State(App(auth)): State<App>,
    LiveCaller(caller): LiveCaller,
    origin: Origin,
    PathParam(id): PathParam<UserId>,
    ValidJson(request): ValidJson<SuspendAccount>,
) -> Result<Json<KnownAccount>, Problem> {
    must(&caller, InstanceAction::SuspendAccounts)?;
    Ok(Json(auth.suspend(caller.user_id, &origin, id, request).await?))
}

/// Give a suspended account back
///
/// They sign in anew; their API tokens and bots go on. Who is not suspended stays so.
#[utoipa::path(
    delete, path = "/v1/operator/accounts/{id}/suspension", tag = "operator", params(("id" = UserId, Path)),
    security(("access_token" = [])),
    responses(
        (status = 204, description = "It can be used."),
        (status = 403, description = "`operator_only`; `insufficient_scope`: no API token gives any back"),
        (status = 404, description = "`user_not_found`"),
    ),
)]
pub(super) async fn restore_account(
    State(App(auth)): State<App>,
    LiveCaller(caller): LiveCaller,
    origin: Origin,
    PathParam(id): PathParam<UserId>,
) -> Result<StatusCode, Problem> {
    must(&caller, InstanceAction::SuspendAccounts)?;
    auth.restore(&origin.by(caller.user_id), id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Whose access tokens are no longer good though they have not expired, for other services.
pub(super) async fn denials(State(App(auth)): State<App>) -> Result<Json<Denials>, Problem> {
    Ok(Json(auth.denials().await?))
}
