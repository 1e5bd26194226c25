//! `/v1/instance`, and `/v1/operator/invitations`: who may make an account.

use axum::{Json, extract::State};
use http::StatusCode;
use tertulia_contracts::{
    InvitationId,
    auth::{
        CreateInstanceInvitation, Instance, InstanceInvitations, ListInstanceInvitations,
        MadeInstanceInvitation,
    },
    permissions::InstanceAction,
};
use tertulia_runtime::{
    Problem,
    extract::{PathParam, QueryParams, ValidJson},
};

use super::LiveCaller;
use crate::{App, model::audit::Origin, service::operator::must};

/// What this instance is to somebody without an account
#[utoipa::path(
    get, path = "/v1/instance", tag = "instance",
    responses((status = 200, description = "Who may make an account.", body = Instance)),
)]
pub(super) async fn get_instance(State(App(auth)): State<App>) -> Json<Instance> {
    Json(Instance { registration: auth.config.registration })
}

/// Invite people to make an account
///
/// What `POST /v1/accounts` takes as `invitation` while registration is by invitation. The secret is shown here and never
/// again.
#[utoipa::path(
    post, path = "/v1/operator/invitations", tag = "operator", request_body = CreateInstanceInvitation,
    security(("access_token" = [])),
    responses(
        (status = 201, description = "The invitation.", body = MadeInstanceInvitation),
        (status = 403, description = "`operator_only`; `insufficient_scope`: no API token invites"),
        (status = 422, description = "`invalid_fields`"),
    ),
)]
pub(super) async fn create_instance_invitation(
    State(App(auth)): State<App>,
    LiveCaller(caller): LiveCaller,
    origin: Origin,
    ValidJson(request): ValidJson<CreateInstanceInvitation>,
) -> Result<(StatusCode, Json<MadeInstanceInvitation>), Problem> {
    must(&caller, InstanceAction::ManageInvitations)?;
    Ok((StatusCode::CREATED, Json(auth.invite(caller.user_id, &origin, request).await?)))
}

/// The invitations to make an account
///
/// A page may hold fewer than were asked for while there are more: those whose time is over are left out.
#[utoipa::path(
    get, path = "/v1/operator/invitations", tag = "operator", params(ListInstanceInvitations),
    security(("access_token" = [])),
    responses(
        (status = 200, description = "Newest first, without their secrets.", body = InstanceInvitations),
        (status = 403, description = "`operator_only`; `insufficient_scope`: no API token sees them"),
        (status = 422, description = "`invalid_fields`"),
    ),
)]
pub(super) async fn list_instance_invitations(
    State(App(auth)): State<App>,
    LiveCaller(caller): LiveCaller,
    QueryParams(query): QueryParams<ListInstanceInvitations>,
) -> Result<Json<InstanceInvitations>, Problem> {
    must(&caller, InstanceAction::ManageInvitations)?;
    Ok(Json(auth.invitations(&query).await?))
}

/// Withdraw an invitation
///
/// No account is made by it any more, but for one that is just being made. Those that were stay.
#[utoipa::path(
    delete, path = "/v1/operator/invitations/{id}", tag = "operator", params(("id" = InvitationId, Path)),
    security(("access_token" = [])),
    responses(
        (status = 204, description = "It is withdrawn."),
        (status = 403, description = "`operator_only`; `insufficient_scope`: no API token withdraws any"),
        (status = 404, description = "`invitation_not_found`"),
    ),
)]
pub(super) async fn delete_instance_invitation(
    State(App(auth)): State<App>,
    LiveCaller(caller): LiveCaller,
    origin: Origin,
    PathParam(id): PathParam<InvitationId>,
) -> Result<StatusCode, Problem> {
    must(&caller, InstanceAction::ManageInvitations)?;
    auth.withdraw_invitation(id, &origin.by(caller.user_id)).await?;
    Ok(StatusCode::NO_CONTENT)
}
