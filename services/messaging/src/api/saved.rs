//! `/v1/conversations/{id}/messages/{message_id}/saved` and `/v1/me/saved`.

use axum::{Json, extract::State};
use http::StatusCode;
use tertulia_contracts::{
    ConversationId, MessageId,
    identity::Caller,
    messaging::{SaveMessage, Saved, SavedMessages},
};
use tertulia_runtime::{
    extract::{PathParam, QueryParams},
    problem::Problem,
};

use super::{MaybeJson, OneMessage, Refused, paging::ListQuery};
use crate::service::Messaging;

/// Keeps a message for later
///
/// For the caller alone, with a note if they like. Again with another note changes that.
#[utoipa::path(
    put, path = "/v1/conversations/{id}/messages/{message_id}/saved", tag = "messaging",
    operation_id = "save_message",
    security(("access_token" = [])),
    params(OneMessage),
    request_body = Option<SaveMessage>,
    responses(
        (status = 200, description = "It is kept.", body = Saved),
        (status = 409, description = "As many are kept as can be (`too_many_saved`).",
            body = Problem, content_type = "application/problem+json"),
        Refused,
    ),
)]
pub(super) async fn save(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    PathParam((id, message)): PathParam<(ConversationId, MessageId)>,
    MaybeJson(SaveMessage { note }): MaybeJson<SaveMessage>,
) -> Result<Json<Saved>, Problem> {
    Ok(Json(messaging.save(id, caller.into(), message, note).await?))
}

/// Keeps a message no longer
///
/// What is not kept is not, whether there is such a message or not.
#[utoipa::path(
    delete, path = "/v1/conversations/{id}/messages/{message_id}/saved", tag = "messaging",
    operation_id = "unsave_message",
    security(("access_token" = [])),
    params(OneMessage),
    responses((status = 204, description = "It is not kept."), Refused),
)]
pub(super) async fn unsave(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    PathParam((id, message)): PathParam<(ConversationId, MessageId)>,
) -> Result<StatusCode, Problem> {
    messaging.unsave(id, caller.into(), message).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lists the messages that the caller keeps
///
/// Each with the message as it is now; without it when that is deleted, or not theirs to read any more.
#[utoipa::path(
    get, path = "/v1/me/saved", tag = "messaging", operation_id = "list_saved_messages",
    security(("access_token" = [])),
    params(ListQuery),
    responses((status = 200, description = "A page of them, the one saved last first.", body = SavedMessages), Refused),
)]
pub(super) async fn list(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    QueryParams(query): QueryParams<ListQuery>,
) -> Result<Json<SavedMessages>, Problem> {
    let (after, limit) = query.read()?;
    let page = messaging.saved(caller.into(), after, limit).await?;
    let next_cursor = page.next.map(|cursor| cursor.encode());
    Ok(Json(SavedMessages { items: page.items, next_cursor }))
}
