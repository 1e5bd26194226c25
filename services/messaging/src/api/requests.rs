//! `/v1/conversations/{id}/requests`.

use axum::{Json, extract::State};
use http::StatusCode;
use tertulia_contracts::{
    ConversationId, UserId,
    identity::Caller,
    messaging::{AskToJoin, JoinRequest, JoinRequests, Member},
};
use tertulia_runtime::{
    extract::{PathParam, QueryParams, ValidJson},
    problem::Problem,
};

use super::{Refused, paging::ListQuery};
use crate::service::{Messaging, requests::Asked};

/// Asks to be let in
///
/// Into a conversation that the caller finds and cannot just join: a paid channel. There is one wish of a person; asked
/// again, the one that waits is answered with 200. One that was declined can be repeated after seven days.
#[utoipa::path(
    post, path = "/v1/conversations/{id}/requests", tag = "messaging", operation_id = "ask_to_join",
    security(("access_token" = [])),
    params(("id" = ConversationId, Path, description = "The conversation.")),
    request_body = AskToJoin,
    responses(
        (status = 201, description = "It waits for a decision.", body = JoinRequest),
        (status = 200, description = "It waited already.", body = JoinRequest),
        (status = 409, description = "The caller is a member (`already_member`), or can just join (`join_instead`), or 200 \
            wait already (`too_many_requests`).", body = Problem, content_type = "application/problem+json"),
        Refused,
    ),
)]
pub(super) async fn ask(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    PathParam(id): PathParam<ConversationId>,
    ValidJson(wish): ValidJson<AskToJoin>,
) -> Result<(StatusCode, Json<JoinRequest>), Problem> {
    Ok(match messaging.ask(id, caller.into(), wish.note).await? {
        Asked::New(request) => (StatusCode::CREATED, Json(request)),
        Asked::Waiting(request) => (StatusCode::OK, Json(request)),
    })
}

/// Lists who asks to be let in
///
/// For moderators and above, the oldest first.
#[utoipa::path(
    get, path = "/v1/conversations/{id}/requests", tag = "messaging", operation_id = "list_join_requests",
    security(("access_token" = [])),
    params(("id" = ConversationId, Path, description = "The conversation."), ListQuery),
    responses((status = 200, description = "A page of them.", body = JoinRequests), Refused),
)]
pub(super) async fn list(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    PathParam(id): PathParam<ConversationId>,
    QueryParams(query): QueryParams<ListQuery>,
) -> Result<Json<JoinRequests>, Problem> {
    let (after, limit) = query.read()?;
    let page = messaging.requests(id, caller.into(), after, limit).await?;
    let next_cursor = page.next.map(|cursor| cursor.encode());
    Ok(Json(JoinRequests { items: page.items, next_cursor }))
}

/// Ends somebody's wish to be let in
///
/// One's own: it is taken back. Another's, as a moderator: it is declined, which they read in their own log. Again is the
/// same.
#[utoipa::path(
    delete, path = "/v1/conversations/{id}/requests/{user_id}", tag = "messaging", operation_id = "end_join_request",
    security(("access_token" = [])),
    params(
        ("id" = ConversationId, Path, description = "The conversation."),
        ("user_id" = UserId, Path, description = "Who asked."),
    ),
    responses((status = 204, description = "It waits no longer."), Refused),
)]
pub(super) async fn end(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    PathParam((id, user)): PathParam<(ConversationId, UserId)>,
) -> Result<StatusCode, Problem> {
    messaging.end_request(id, caller.into(), user).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lets somebody in who asked
///
/// For moderators and above. Who asked by an invitation comes in by it, as what it says. Again is the same.
#[utoipa::path(
    post, path = "/v1/conversations/{id}/requests/{user_id}/approve", tag = "messaging",
    operation_id = "approve_join_request",
    security(("access_token" = [])),
    params(
        ("id" = ConversationId, Path, description = "The conversation."),
        ("user_id" = UserId, Path, description = "Who asked."),
    ),
    responses(
        (status = 200, description = "They are a member.", body = Member),
        (status = 409, description = "The group has no room for another (`group_full`), they belong to 2,000 conversations \
            (`too_many_conversations`), they are banned (`user_banned`), or the invitation by which they asked was \
            withdrawn or used up (`invitation_spent`).",
            body = Problem, content_type = "application/problem+json"),
        Refused,
    ),
)]
pub(super) async fn approve(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    PathParam((id, user)): PathParam<(ConversationId, UserId)>,
) -> Result<Json<Member>, Problem> {
    Ok(Json(messaging.approve(id, caller.into(), user).await?))
}
