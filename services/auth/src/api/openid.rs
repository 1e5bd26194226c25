//! `/v1/openid` and `/v1/me/openid`: coming in by an account elsewhere.

use axum::{Json, extract::State};
use http::{HeaderMap, StatusCode};
use tertulia_contracts::{
    IdentityId,
    auth::{
        CreateOpenidAccount, FinishOpenid, LinkedIdentities, LinkedIdentity, OpenidProviders, OpenidStarted,
        SignedIn,
    },
};
use tertulia_runtime::{
    Problem,
    extract::{PathParam, ValidJson},
};

use super::{FreshCaller, LiveCaller, sessions::guest};
use crate::{
    App,
    model::{audit::Origin, openid::Aim},
};

/// The providers that people may sign in with
#[utoipa::path(
    get, path = "/v1/openid", tag = "openid",
    responses((status = 200, description = "As the operator configured them.", body = OpenidProviders)),
)]
pub(super) async fn list_providers(State(App(auth)): State<App>) -> Json<OpenidProviders> {
    Json(auth.openid_providers())
}

/// Begin to sign in with a provider
///
/// The person's browser goes to `authorization_url` and comes back to `/openid/callback`, within 10 minutes. The `secret` stays with
/// whoever began: without it nobody finishes.
#[utoipa::path(
    post, path = "/v1/openid/{provider}/start", tag = "openid", params(("provider" = String, Path)),
    responses(
        (status = 201, description = "Where to go.", body = OpenidStarted),
        (status = 404, description = "`provider_not_found`"),
        (status = 503, description = "`provider_unavailable`, `provider_wrong`"),
    ),
)]
pub(super) async fn start_openid(
    State(App(auth)): State<App>,
    PathParam(provider): PathParam<String>,
) -> Result<(StatusCode, Json<OpenidStarted>), Problem> {
    Ok((StatusCode::CREATED, Json(auth.begin_openid(&provider, Aim::SignIn).await?)))
}

/// Finish signing in with a provider
///
/// With what came back to `/openid/callback`. Each answer is looked at once.
#[utoipa::path(
    post, path = "/v1/openid/finish", tag = "openid", request_body = FinishOpenid,
    responses(
        (status = 201, description = "A session.", body = SignedIn),
        (status = 403, description = "`openid_flow_invalid`: finished already, too old, or begun by another client; `openid_refused`; `registration_closed`"),
        (status = 409, description = "`account_needed`: nobody here is linked to it. Choose a name (`POST /v1/openid/accounts`; `proposal` is one), or sign in another way and link it"),
        (status = 422, description = "`invalid_fields`"),
        (status = 503, description = "`provider_unavailable`, `provider_wrong`"),
    ),
)]
pub(super) async fn finish_openid(
    State(App(auth)): State<App>,
    headers: HeaderMap,
    ValidJson(request): ValidJson<FinishOpenid>,
) -> Result<(StatusCode, Json<SignedIn>), Problem> {
    Ok((StatusCode::CREATED, Json(auth.finish_openid(request, guest(&headers)).await?)))
}

/// Make an account for somebody whom a provider vouches for
///
/// After `account_needed`, within 10 minutes, with the same `state` and `secret`.
#[utoipa::path(
    post, path = "/v1/openid/accounts", tag = "openid", request_body = CreateOpenidAccount,
    responses(
        (status = 201, description = "The account, and a first session of it.", body = SignedIn),
        (status = 403, description = "`openid_flow_invalid`, `registration_closed`, `invitation_required`, `invitation_invalid`"),
        (status = 409, description = "`handle_taken`; `identity_taken`: it was linked to another account meanwhile"),
        (status = 422, description = "`invalid_fields`, `handle_reserved`"),
    ),
)]
pub(super) async fn create_openid_account(
    State(App(auth)): State<App>,
    headers: HeaderMap,
    origin: Origin,
    ValidJson(request): ValidJson<CreateOpenidAccount>,
) -> Result<(StatusCode, Json<SignedIn>), Problem> {
    Ok((StatusCode::CREATED, Json(auth.create_openid_account(request, guest(&headers), &origin).await?)))
}

/// The identities that sign in to the caller's account
#[utoipa::path(
    get, path = "/v1/me/openid", tag = "openid", security(("access_token" = [])),
    responses(
        (status = 200, description = "Oldest first.", body = LinkedIdentities),
        (status = 403, description = "`insufficient_scope`: no API token sees them"),
    ),
)]
pub(super) async fn list_identities(
    State(App(auth)): State<App>,
    LiveCaller(caller): LiveCaller,
) -> Result<Json<LinkedIdentities>, Problem> {
    Ok(Json(auth.identities(caller.user_id).await?))
}

/// Begin to link an identity at a provider to the caller's account
#[utoipa::path(
    post, path = "/v1/me/openid/{provider}/start", tag = "openid", params(("provider" = String, Path)),
    security(("access_token" = [])),
    responses(
        (status = 201, description = "Where to go.", body = OpenidStarted),
        (status = 403, description = "`step_up_required`; `insufficient_scope`: no API token links any"),
        (status = 404, description = "`provider_not_found`"),
        (status = 503, description = "`provider_unavailable`, `provider_wrong`"),
    ),
)]
pub(super) async fn start_linking(
    State(App(auth)): State<App>,
    FreshCaller(caller): FreshCaller,
    PathParam(provider): PathParam<String>,
) -> Result<(StatusCode, Json<OpenidStarted>), Problem> {
    let aim = Aim::Link { user_id: caller.user_id };
    Ok((StatusCode::CREATED, Json(auth.begin_openid(&provider, aim).await?)))
}

/// Link an identity to the caller's account
///
/// What the caller began with `POST /v1/me/openid/{provider}/start`, nobody else. At most 10 an account; linking one again changes
/// nothing.
#[utoipa::path(
    post, path = "/v1/me/openid/finish", tag = "openid", request_body = FinishOpenid, security(("access_token" = [])),
    responses(
        (status = 201, description = "It signs in from now on.", body = LinkedIdentity),
        (status = 403, description = "`openid_flow_invalid`, `openid_refused`; `insufficient_scope`: no API token links any"),
        (status = 409, description = "`identity_taken`: another account's; `too_many_identities`"),
        (status = 422, description = "`invalid_fields`"),
        (status = 503, description = "`provider_unavailable`, `provider_wrong`"),
    ),
)]
pub(super) async fn finish_linking(
    State(App(auth)): State<App>,
    LiveCaller(caller): LiveCaller,
    origin: Origin,
    ValidJson(request): ValidJson<FinishOpenid>,
) -> Result<(StatusCode, Json<LinkedIdentity>), Problem> {
    Ok((StatusCode::CREATED, Json(auth.finish_linking(caller.user_id, request, &origin).await?)))
}

/// Take an identity from the caller's account
///
/// Sessions that began by it stay.
#[utoipa::path(
    delete, path = "/v1/me/openid/{id}", tag = "openid", params(("id" = IdentityId, Path)), security(("access_token" = [])),
    responses(
        (status = 204, description = "It signs in no more."),
        (status = 403, description = "`step_up_required`; `insufficient_scope`: no API token takes any"),
        (status = 404, description = "`identity_not_found`"),
        (status = 409, description = "`last_way_in`: nobody could come in any more"),
    ),
)]
pub(super) async fn unlink(
    State(App(auth)): State<App>,
    FreshCaller(caller): FreshCaller,
    origin: Origin,
    PathParam(id): PathParam<IdentityId>,
) -> Result<StatusCode, Problem> {
    auth.unlink(caller.user_id, id, &origin).await?;
    Ok(StatusCode::NO_CONTENT)
}
