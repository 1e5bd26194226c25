//! `/v1/sessions`.

use axum::{Json, extract::State};
use http::{HeaderMap, StatusCode, header};
use tertulia_contracts::{
    SessionId,
    address::client_address,
    auth::{CreateSession, ListSessions, RefreshSession, Sessions, SignedIn},
};
use tertulia_runtime::{
    Problem,
    extract::{PathParam, QueryParams, ValidJson},
};

use super::{FreshCaller, LiveCaller};
use crate::{App, model::audit::Origin, service::sessions::Guest};

/// What the client calls itself, and where it is.
pub(super) fn guest(headers: &HeaderMap) -> Guest<'_> {
    let device = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
    Guest { device, address: client_address(headers) }
}

/// Sign in
///
/// Who misses often waits longer and longer; from where one signed in before, what others miss elsewhere does not count.
#[utoipa::path(
    post, path = "/v1/sessions", tag = "sessions", request_body = CreateSession,
    responses(
        (status = 201, description = "A session.", body = SignedIn),
        (status = 401, description = "`wrong_credentials`; with the right password `totp_required` or `totp_wrong`"),
        (status = 403, description = "`account_suspended`, with the reason: told to who knows the password"),
        (status = 429, description = "`too_often`: too many wrong passwords came before; `Retry-After` says when the next is looked at"),
        (status = 503, description = "`busy`: too many are signing in"),
    ),
)]
pub(super) async fn create_session(
    State(App(auth)): State<App>,
    headers: HeaderMap,
    origin: Origin,
    ValidJson(request): ValidJson<CreateSession>,
) -> Result<(StatusCode, Json<SignedIn>), Problem> {
    Ok((StatusCode::CREATED, Json(auth.sign_in(request, guest(&headers), &origin).await?)))
}

/// Trade a refresh token for the next one
///
/// Each is used once; showing one again ends its session.
#[utoipa::path(
    post, path = "/v1/sessions/refresh", tag = "sessions", request_body = RefreshSession,
    responses(
        (status = 200, description = "The session with new tokens.", body = SignedIn),
        (status = 401, description = "`refresh_token_invalid`, `refresh_token_reused`"),
    ),
)]
pub(super) async fn refresh_session(
    State(App(auth)): State<App>,
    origin: Origin,
    ValidJson(request): ValidJson<RefreshSession>,
) -> Result<Json<SignedIn>, Problem> {
    Ok(Json(auth.refresh(&request.refresh_token, &origin).await?))
}

/// The caller's sessions
#[utoipa::path(
    get, path = "/v1/sessions", tag = "sessions", params(ListSessions), security(("access_token" = [])),
    responses((status = 200, description = "Newest first.", body = Sessions)),
)]
pub(super) async fn list_sessions(
    State(App(auth)): State<App>,
    LiveCaller(caller): LiveCaller,
    QueryParams(query): QueryParams<ListSessions>,
) -> Result<Json<Sessions>, Problem> {
    Ok(Json(auth.sessions(&caller, &query).await?))
}

/// End one of the caller's sessions
///
/// Its refresh token is worth nothing from now on, its sockets close, and its access tokens are refused everywhere within a
/// second.
#[utoipa::path(
    delete, path = "/v1/sessions/{id}", tag = "sessions", params(("id" = SessionId, Path)),
    security(("access_token" = [])),
    responses(
        (status = 204, description = "It has ended."),
        (status = 403, description = "`step_up_required` for another session than the one that asks"),
        (status = 404, description = "`session_not_found`: the caller has no such session"),
    ),
)]
pub(super) async fn delete_session(
    State(App(auth)): State<App>,
    LiveCaller(caller): LiveCaller,
    PathParam(id): PathParam<SessionId>,
) -> Result<StatusCode, Problem> {
    auth.sign_out(&caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// End all of the caller's sessions but the one that asks
#[utoipa::path(
    delete, path = "/v1/sessions", tag = "sessions", security(("access_token" = [])),
    responses(
        (status = 204, description = "They have ended."),
        (status = 403, description = "`step_up_required`; `insufficient_scope`"),
    ),
)]
pub(super) async fn delete_other_sessions(
    State(App(auth)): State<App>,
    FreshCaller(caller): FreshCaller,
) -> Result<StatusCode, Problem> {
    auth.end_sessions(caller.user_id, Some(caller.session_id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Whether a login still runs, for other services.
pub(super) async fn session_runs(
    State(App(auth)): State<App>,
    PathParam(id): PathParam<SessionId>,
) -> Result<Json<bool>, Problem> {
    Ok(Json(auth.session_runs(id).await?))
}
