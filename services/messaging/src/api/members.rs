//! `/v1/conversations/{id}/members`.

use axum::{Json, extract::State};
use http::StatusCode;
use tertulia_contracts::{
    ConversationId, UserId,
    identity::Caller,
    messaging::{Member, Members, SetMember},
};
use tertulia_runtime::{
    extract::{PathParam, QueryParams},
    problem::Problem,
};

use super::{MaybeJson, Refused, moderation::Why, paging::ListQuery};
use crate::service::Messaging;

/// Lists the members of a conversation
#[utoipa::path(
    get, path = "/v1/conversations/{id}/members", tag = "messaging", operation_id = "list_members",
    security(("access_token" = [])),
    params(("id" = ConversationId, Path, description = "The conversation."), ListQuery),
    responses((status = 200, description = "A page of them, by id.", body = Members), Refused),
)]
pub(super) async fn list(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    PathParam(id): PathParam<ConversationId>,
    QueryParams(query): QueryParams<ListQuery>,
) -> Result<Json<Members>, Problem> {
    let (after, limit) = query.read()?;
    let page = messaging.members(id, caller.into(), after, limit).await?;
    let next_cursor = page.next.map(|cursor| cursor.encode());
    Ok(Json(Members { items: page.items, next_cursor }))
}

/// Makes somebody a member, or changes their role
///
/// Moderators add anybody to a group or a channel; everybody joins a public channel themselves. A member already
/// is one. Admins and the owner also say what role somebody has, lower than their own. Without a body, or with `null` for one,
/// they are what they were, or else a plain member.
#[utoipa::path(
    put, path = "/v1/conversations/{id}/members/{user_id}", tag = "messaging", operation_id = "add_member",
    security(("access_token" = [])),
    params(
        ("id" = ConversationId, Path, description = "The conversation."),
        ("user_id" = UserId, Path, description = "Who is to be a member."),
    ),
    request_body = Option<SetMember>,
    responses(
        (status = 200, description = "They are a member.", body = Member),
        (status = 409, description = "They are banned (`user_banned`).",
            body = Problem, content_type = "application/problem+json"),
        Refused,
    ),
)]
pub(super) async fn add(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    PathParam((id, user)): PathParam<(ConversationId, UserId)>,
    MaybeJson(wish): MaybeJson<SetMember>,
) -> Result<Json<Member>, Problem> {
    Ok(Json(messaging.add_member(id, caller.into(), user, wish.role).await?))
}

/// Ends a membership
///
/// Moderators and above remove members of a lower rank from a group or a channel; every member may leave, the owner
/// only as the last or after handing over. Who is none already is none.
#[utoipa::path(
    delete, path = "/v1/conversations/{id}/members/{user_id}", tag = "messaging", operation_id = "remove_member",
    security(("access_token" = [])),
    params(
        ("id" = ConversationId, Path, description = "The conversation."),
        ("user_id" = UserId, Path, description = "Who is to be a member no longer."),
        Why,
    ),
    responses((status = 204, description = "They are no member."), Refused),
)]
pub(super) async fn remove(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    PathParam((id, user)): PathParam<(ConversationId, UserId)>,
    QueryParams(why): QueryParams<Why>,
) -> Result<StatusCode, Problem> {
    messaging.remove_member(id, caller.into(), user, why.reason).await?;
    Ok(StatusCode::NO_CONTENT)
}
