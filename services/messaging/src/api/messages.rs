//! `/v1/conversations/{id}/messages` and each message's own.

use axum::{Json, extract::State};
use http::StatusCode;
use tertulia_contracts::{
    ConversationId, MessageId,
    identity::Caller,
    messaging::{EditMessage, Message, Messages, PostMessage, Posted, Versions},
};
use tertulia_runtime::{
    extract::{PathParam, QueryParams, ValidJson},
    problem::Problem,
};

use super::{
    OneMessage, Refused, RefusedAlteration,
    paging::{MessagesQuery, cursor_of},
};
use crate::{
    Error,
    service::{Messaging, writer::Answer},
};

/// Posts a message
///
/// The client names the message with a ULID of its own. Sent again with the same content, the first result is
/// answered with 200; the same name with another content is a conflict. What is answered is committed.
///
/// It says something (`body`), carries something (`attachments`), or passes on a message that the caller can read
/// (`forward`). With `quote`, it picks out words that the message in `reply_to` says at this moment.
///
/// In slow mode, who posted a moment ago is refused with 429 (`slow_mode`), and `Retry-After` says when they may post.
#[utoipa::path(
    post, path = "/v1/conversations/{id}/messages", tag = "messaging", operation_id = "post_message",
    security(("access_token" = [])),
    params(("id" = ConversationId, Path, description = "The conversation.")),
    request_body = PostMessage,
    responses(
        (status = 201, description = "It stands in the log.", body = Posted),
        (status = 200, description = "It stood there already: this is the first result.", body = Posted),
        (status = 409, description = "The `client_id` names another message (`client_id_reused`).",
            body = Problem, content_type = "application/problem+json"),
        Refused,
    ),
)]
pub(super) async fn post(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    PathParam(id): PathParam<ConversationId>,
    ValidJson(post): ValidJson<PostMessage>,
) -> Result<(StatusCode, Json<Posted>), Problem> {
    match messaging.post(id, caller.into(), post).await? {
        Answer::Posted(message) => Ok((StatusCode::CREATED, Json(Posted { message }))),
        Answer::Repeated(message) => Ok((StatusCode::OK, Json(Posted { message }))),
        Answer::Changed => Err(Error::Stopped.into()),
    }
}

/// Lists messages
///
/// The newest, or those nearest to a position, in the order of their log.
#[utoipa::path(
    get, path = "/v1/conversations/{id}/messages", tag = "messaging", operation_id = "list_messages",
    security(("access_token" = [])),
    params(("id" = ConversationId, Path, description = "The conversation."), MessagesQuery),
    responses((status = 200, description = "A page of them, ascending.", body = Messages), Refused),
)]
pub(super) async fn list(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    PathParam(id): PathParam<ConversationId>,
    QueryParams(query): QueryParams<MessagesQuery>,
) -> Result<Json<Messages>, Problem> {
    let (span, limit) = query.read()?;
    let page = messaging.messages(id, caller.into(), span, limit).await?;
    Ok(Json(Messages { items: page.messages, next_cursor: page.next.and_then(cursor_of) }))
}

/// Edits a message
///
/// Its author may. Every edit is kept, at most 100. A body that it has already changes nothing.
#[utoipa::path(
    patch, path = "/v1/conversations/{id}/messages/{message_id}", tag = "messaging", operation_id = "edit_message",
    security(("access_token" = [])),
    params(OneMessage),
    request_body = EditMessage,
    responses((status = 200, description = "As it is now.", body = Message), RefusedAlteration, Refused),
)]
pub(super) async fn edit(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    PathParam((id, message)): PathParam<(ConversationId, MessageId)>,
    ValidJson(edit): ValidJson<EditMessage>,
) -> Result<Json<Message>, Problem> {
    Ok(Json(messaging.edit(id, caller.into(), message, edit.body).await?))
}

/// Deletes a message for everybody
///
/// Its author may, and the moderators of a group or a channel. What it said is gone from the message, its history and the
/// log.
/// A deleted message is deleted already.
#[utoipa::path(
    delete, path = "/v1/conversations/{id}/messages/{message_id}", tag = "messaging",
    operation_id = "delete_message",
    security(("access_token" = [])),
    params(OneMessage),
    responses((status = 204, description = "It is deleted."), Refused),
)]
pub(super) async fn delete(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    PathParam((id, message)): PathParam<(ConversationId, MessageId)>,
) -> Result<StatusCode, Problem> {
    messaging.delete(id, caller.into(), message).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Shows what a message has said
///
/// As it was posted, then each edit. A deleted message has no history.
#[utoipa::path(
    get, path = "/v1/conversations/{id}/messages/{message_id}/edits", tag = "messaging",
    operation_id = "list_edits",
    security(("access_token" = [])),
    params(OneMessage),
    responses((status = 200, description = "All of it, the oldest first.", body = Versions), Refused),
)]
pub(super) async fn edits(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    PathParam((id, message)): PathParam<(ConversationId, MessageId)>,
) -> Result<Json<Versions>, Problem> {
    Ok(Json(Versions { items: messaging.versions(id, caller.into(), message).await? }))
}
