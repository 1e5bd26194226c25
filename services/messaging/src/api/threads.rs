//! `/v1/conversations/{id}/messages/{message_id}/thread` and `/v1/conversations/{id}/threads`.

use axum::{Json, extract::State};
use http::StatusCode;
use tertulia_contracts::{
    ConversationId, MessageId,
    identity::Caller,
    messaging::{FollowedThreads, Following, Messages, MoveCursor},
};
use tertulia_runtime::{
    extract::{PathParam, QueryParams, ValidJson},
    problem::Problem,
};

use super::{
    OneMessage, Refused,
    paging::{MessagesQuery, ThreadsQuery, cursor_of},
};
use crate::service::Messaging;

/// Lists the messages in a thread
///
/// What stands below a message: the newest, or those nearest to a position, in the order of their log. Nothing, while
/// nobody posted there; a message that is in a thread itself has none (422).
#[utoipa::path(
    get, path = "/v1/conversations/{id}/messages/{message_id}/thread", tag = "messaging",
    operation_id = "list_thread",
    security(("access_token" = [])),
    params(OneMessage, MessagesQuery),
    responses((status = 200, description = "A page of them, ascending.", body = Messages), Refused),
)]
pub(super) async fn read(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    PathParam((id, message)): PathParam<(ConversationId, MessageId)>,
    QueryParams(query): QueryParams<MessagesQuery>,
) -> Result<Json<Messages>, Problem> {
    let page = messaging.thread(id, caller.into(), message, query.read()?).await?;
    Ok(Json(Messages { items: page.messages, next_cursor: page.next.and_then(cursor_of) }))
}

/// Says how far the caller has read in a thread
///
/// Of one that they follow. The cursor only moves forward, to the newest message of the thread that is not past the
/// position.
#[utoipa::path(
    put, path = "/v1/conversations/{id}/messages/{message_id}/thread/cursor", tag = "messaging",
    operation_id = "move_thread_cursor",
    security(("access_token" = [])),
    params(OneMessage),
    request_body = MoveCursor,
    responses(
        (status = 200, description = "How they follow it now.", body = Following),
        (status = 409, description = "They do not follow it (`thread_not_followed`).",
            body = Problem, content_type = "application/problem+json"),
        Refused,
    ),
)]
pub(super) async fn move_cursor(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    PathParam((id, message)): PathParam<(ConversationId, MessageId)>,
    ValidJson(cursor): ValidJson<MoveCursor>,
) -> Result<Json<Following>, Problem> {
    Ok(Json(messaging.read_thread(id, caller.into(), message, cursor.seq).await?))
}

/// Follows a thread
///
/// What was posted in it before is not unread. Whoever posts in a thread, is named in it, or wrote the message that it
/// stands below follows it without asking. Again is the same.
#[utoipa::path(
    put, path = "/v1/conversations/{id}/messages/{message_id}/thread/follow", tag = "messaging",
    operation_id = "follow_thread",
    security(("access_token" = [])),
    params(OneMessage),
    responses(
        (status = 200, description = "How they follow it.", body = Following),
        (status = 409, description = "They follow as many of this conversation as one can (`too_many_threads`).",
            body = Problem, content_type = "application/problem+json"),
        Refused,
    ),
)]
pub(super) async fn follow(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    PathParam((id, message)): PathParam<(ConversationId, MessageId)>,
) -> Result<Json<Following>, Problem> {
    Ok(Json(messaging.follow(id, caller.into(), message).await?))
}

/// Follows a thread no longer
///
/// Until they post in it or are named in it anew. What is not followed is not.
#[utoipa::path(
    delete, path = "/v1/conversations/{id}/messages/{message_id}/thread/follow", tag = "messaging",
    operation_id = "unfollow_thread",
    security(("access_token" = [])),
    params(OneMessage),
    responses((status = 204, description = "They do not follow it."), Refused),
)]
pub(super) async fn unfollow(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    PathParam((id, message)): PathParam<(ConversationId, MessageId)>,
) -> Result<StatusCode, Problem> {
    messaging.unfollow(id, caller.into(), message).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lists the threads of a conversation that the caller follows
///
/// Each with the message that it stands below and how much of it is unread.
#[utoipa::path(
    get, path = "/v1/conversations/{id}/threads", tag = "messaging", operation_id = "list_threads",
    security(("access_token" = [])),
    params(("id" = ConversationId, Path, description = "The conversation."), ThreadsQuery),
    responses((status = 200, description = "A page of them, the one posted in last first.", body = FollowedThreads), Refused),
)]
pub(super) async fn list(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    PathParam(id): PathParam<ConversationId>,
    QueryParams(query): QueryParams<ThreadsQuery>,
) -> Result<Json<FollowedThreads>, Problem> {
    let (below, limit) = query.read()?;
    let page = messaging.threads(id, caller.into(), below, limit).await?;
    Ok(Json(FollowedThreads { items: page.items, next_cursor: page.next.and_then(cursor_of) }))
}
