//! `/v1/conversations/{id}/roles`, and what members carry of them.

use axum::{Json, extract::State};
use http::StatusCode;
use tertulia_contracts::{
    ConversationId, RoleId, UserId,
    identity::Caller,
    messaging::{PutOverride, PutRole, Roles},
    permissions::Override,
};
use tertulia_runtime::{
    extract::{PathParam, ValidJson},
    problem::Problem,
};

use super::Refused;
use crate::{model::roles::RoleChange, service::Messaging};

/// What the address of a custom role names.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "it only describes what parameters there are")]
struct OneRole {
    /// The conversation.
    id: ConversationId,
    /// The role: an id that whoever makes it makes up.
    #[param(value_type = String)]
    role_id: RoleId,
}

/// What the address of a role that somebody carries names.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "it only describes what parameters there are")]
struct CarriedRole {
    /// The conversation.
    id: ConversationId,
    /// Who carries it.
    user_id: UserId,
    /// The role.
    #[param(value_type = String)]
    role_id: RoleId,
}

/// What the address of a note beside a name names.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "it only describes what parameters there are")]
struct OneNote {
    /// The conversation.
    id: ConversationId,
    /// Beside whose name.
    user_id: UserId,
}

/// How a change of roles can be refused besides.
#[derive(utoipa::IntoResponses)]
#[expect(dead_code, reason = "it only describes what problems there are")]
enum NoRoom {
    /// The conversation has 20 custom roles (`too_many_roles`), another is called by the same word (`role_word_taken`), or 200 people carry some or have something noted beside
    /// their name (`too_many_overrides`).
    #[response(status = 409, content_type = "application/problem+json")]
    Conflict(Problem),
}

/// Lists custom roles
///
/// Who carries them, and what is noted beside names.
#[utoipa::path(
    get, path = "/v1/conversations/{id}/roles", tag = "messaging", operation_id = "list_roles",
    security(("access_token" = [])),
    params(("id" = ConversationId, Path, description = "The conversation.")),
    responses((status = 200, description = "All of it.", body = Roles), Refused),
)]
pub(super) async fn list(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    PathParam(id): PathParam<ConversationId>,
) -> Result<Json<Roles>, Problem> {
    Ok(Json(messaging.roles(id, caller.into()).await?))
}

/// Makes a custom role, or changes it
///
/// Whoever may `manage_roles`. If it is `mentionable`, `@` and its word call all who carry it. When it changes, they rank above all who carry it, and hold whatever these gain.
#[utoipa::path(
    put, path = "/v1/conversations/{id}/roles/{role_id}", tag = "messaging", operation_id = "put_role",
    security(("access_token" = [])),
    params(OneRole),
    request_body = PutRole,
    responses((status = 204, description = "It is so."), NoRoom, Refused),
)]
pub(super) async fn put(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    PathParam((id, role)): PathParam<(ConversationId, RoleId)>,
    ValidJson(wish): ValidJson<PutRole>,
) -> Result<StatusCode, Problem> {
    let rights = wish.rights();
    let change = RoleChange::Put { role, name: wish.name, rights, mentionable: wish.mentionable };
    messaging.change_roles(id, caller.into(), change).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Deletes a custom role
///
/// Nobody carries it any more. As for a change of it, what they lose of denials whoever asks has to hold.
#[utoipa::path(
    delete, path = "/v1/conversations/{id}/roles/{role_id}", tag = "messaging", operation_id = "delete_role",
    security(("access_token" = [])),
    params(OneRole),
    responses((status = 204, description = "There is none."), Refused),
)]
pub(super) async fn delete(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    PathParam((id, role)): PathParam<(ConversationId, RoleId)>,
) -> Result<StatusCode, Problem> {
    messaging.change_roles(id, caller.into(), RoleChange::Delete(role)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Gives a custom role to a member
///
/// Whoever may `manage_roles`, ranks higher, and holds whatever the member gains.
#[utoipa::path(
    put, path = "/v1/conversations/{id}/members/{user_id}/roles/{role_id}", tag = "messaging",
    operation_id = "give_role",
    security(("access_token" = [])),
    params(CarriedRole),
    responses((status = 204, description = "They carry it."), NoRoom, Refused),
)]
pub(super) async fn give(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    PathParam((id, user, role)): PathParam<(ConversationId, UserId, RoleId)>,
) -> Result<StatusCode, Problem> {
    messaging.change_roles(id, caller.into(), RoleChange::Give(user, role)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes a custom role from a member
#[utoipa::path(
    delete, path = "/v1/conversations/{id}/members/{user_id}/roles/{role_id}", tag = "messaging",
    operation_id = "take_role",
    security(("access_token" = [])),
    params(CarriedRole),
    responses((status = 204, description = "They do not carry it."), Refused),
)]
pub(super) async fn take(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    PathParam((id, user, role)): PathParam<(ConversationId, UserId, RoleId)>,
) -> Result<StatusCode, Problem> {
    messaging.change_roles(id, caller.into(), RoleChange::Take(user, role)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Notes beside a member's name what they may and may not do
///
/// Whoever may `manage_roles`, ranks higher, and holds whatever the member gains. Of somebody who left, denials can be
/// changed.
#[utoipa::path(
    put, path = "/v1/conversations/{id}/members/{user_id}/override", tag = "messaging",
    operation_id = "override_member",
    security(("access_token" = [])),
    params(OneNote),
    request_body = PutOverride,
    responses((status = 204, description = "It is noted."), NoRoom, Refused),
)]
pub(super) async fn note(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    PathParam((id, user)): PathParam<(ConversationId, UserId)>,
    ValidJson(wish): ValidJson<PutOverride>,
) -> Result<StatusCode, Problem> {
    messaging.change_roles(id, caller.into(), RoleChange::Note(user, wish.rights())).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Clears what is noted beside a name
#[utoipa::path(
    delete, path = "/v1/conversations/{id}/members/{user_id}/override", tag = "messaging",
    operation_id = "clear_override",
    security(("access_token" = [])),
    params(OneNote),
    responses((status = 204, description = "Nothing is noted."), Refused),
)]
pub(super) async fn clear(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    PathParam((id, user)): PathParam<(ConversationId, UserId)>,
) -> Result<StatusCode, Problem> {
    messaging.change_roles(id, caller.into(), RoleChange::Note(user, Override::default())).await?;
    Ok(StatusCode::NO_CONTENT)
}
