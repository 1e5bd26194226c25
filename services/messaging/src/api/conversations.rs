//! `/v1/conversations` and `/v1/conversations/{id}`.

use axum::{Json, extract::State};
use http::StatusCode;
use tertulia_contracts::{
    ConversationId,
    identity::Caller,
    messaging::{Conversation, Conversations, CreateConversation, HandOver, UpdateConversation},
};
use tertulia_runtime::{
    extract::{PathParam, QueryParams, ValidJson},
    problem::Problem,
};

use super::{Refused, paging::ListQuery};
use crate::{
    model::change::Change,
    service::{Messaging, conversations::Made},
};

/// Makes a conversation
///
/// A direct conversation exists once per pair: asked for again, the one there is is answered with 200.
#[utoipa::path(
    post, path = "/v1/conversations", tag = "messaging", operation_id = "create_conversation",
    security(("access_token" = [])),
    request_body = CreateConversation,
    responses(
        (status = 201, description = "It is made.", body = Conversation),
        (status = 200, description = "The pair has one already.", body = Conversation),
        (status = 409, description = "Another channel has this handle (`handle_taken`).",
            body = Problem, content_type = "application/problem+json"),
        Refused,
    ),
)]
pub(super) async fn create(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    ValidJson(request): ValidJson<CreateConversation>,
) -> Result<(StatusCode, Json<Conversation>), Problem> {
    Ok(match messaging.create(caller.into(), request).await? {
        Made::New(conversation) => (StatusCode::CREATED, Json(conversation)),
        Made::Found(conversation) => (StatusCode::OK, Json(conversation)),
    })
}

/// Lists the caller's conversations
///
/// Those they are a member of, the newest first, each with how much of it is unread.
#[utoipa::path(
    get, path = "/v1/conversations", tag = "messaging", operation_id = "list_conversations",
    security(("access_token" = [])),
    params(ListQuery),
    responses((status = 200, description = "A page of them.", body = Conversations), Refused),
)]
pub(super) async fn list(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    QueryParams(query): QueryParams<ListQuery>,
) -> Result<Json<Conversations>, Problem> {
    let (after, limit) = query.read()?;
    let page = messaging.list(caller.into(), after, limit).await?;
    let next_cursor = page.next.map(|cursor| cursor.encode());
    Ok(Json(Conversations { items: page.items, next_cursor }))
}

/// Shows a conversation
#[utoipa::path(
    get, path = "/v1/conversations/{id}", tag = "messaging", operation_id = "get_conversation",
    security(("access_token" = [])),
    params(("id" = ConversationId, Path, description = "The conversation.")),
    responses((status = 200, description = "As the caller sees it.", body = Conversation), Refused),
)]
pub(super) async fn get(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    PathParam(id): PathParam<ConversationId>,
) -> Result<Json<Conversation>, Problem> {
    Ok(Json(messaging.shown(id, caller.into()).await?))
}

/// Changes a conversation
///
/// Its owner and its admins set its title, its description, its tags, and of a channel who may find and read it. A channel
/// that becomes public is read by everybody, its history included; one that becomes private is gone for all who are no
/// members. Where its `comments` are `off`, only who may post writes in its threads; what stands there stays. In slow mode
/// (`slow_mode_s`) whoever lacks `skip_slow_mode` waits between two messages. Messages posted after
/// `disappear_after_s` is set disappear that long after they were posted; in a direct conversation either of the two sets
/// this, and nothing else.
#[utoipa::path(
    patch, path = "/v1/conversations/{id}", tag = "messaging", operation_id = "update_conversation",
    security(("access_token" = [])),
    params(("id" = ConversationId, Path, description = "The conversation.")),
    request_body = UpdateConversation,
    responses((status = 200, description = "As it is now.", body = Conversation), Refused),
)]
pub(super) async fn update(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    PathParam(id): PathParam<ConversationId>,
    ValidJson(change): ValidJson<UpdateConversation>,
) -> Result<Json<Conversation>, Problem> {
    Ok(Json(messaging.change(id, caller.into(), Change::Update(change)).await?))
}

/// Hands a conversation over
///
/// Its owner makes another member the owner, and is an admin from then on. They cannot take it back.
#[utoipa::path(
    post, path = "/v1/conversations/{id}/owner", tag = "messaging", operation_id = "hand_over_conversation",
    security(("access_token" = [])),
    params(("id" = ConversationId, Path, description = "The conversation.")),
    request_body = HandOver,
    responses((status = 200, description = "As the caller sees it now.", body = Conversation), Refused),
)]
pub(super) async fn hand_over(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    PathParam(id): PathParam<ConversationId>,
    ValidJson(to): ValidJson<HandOver>,
) -> Result<Json<Conversation>, Problem> {
    Ok(Json(messaging.change(id, caller.into(), Change::HandOver(to.user_id)).await?))
}

/// Closes a conversation for writing
///
/// Its owner may. It can still be read, left and kept in order, and opened again. Again is the same.
#[utoipa::path(
    put, path = "/v1/conversations/{id}/archive", tag = "messaging", operation_id = "archive_conversation",
    security(("access_token" = [])),
    params(("id" = ConversationId, Path, description = "The conversation.")),
    responses((status = 200, description = "As it is now.", body = Conversation), Refused),
)]
pub(super) async fn archive(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    PathParam(id): PathParam<ConversationId>,
) -> Result<Json<Conversation>, Problem> {
    Ok(Json(messaging.change(id, caller.into(), Change::Archive(true)).await?))
}

/// Opens an archived conversation again
///
/// Its owner may. Again is the same.
#[utoipa::path(
    delete, path = "/v1/conversations/{id}/archive", tag = "messaging", operation_id = "unarchive_conversation",
    security(("access_token" = [])),
    params(("id" = ConversationId, Path, description = "The conversation.")),
    responses((status = 200, description = "As it is now.", body = Conversation), Refused),
)]
pub(super) async fn unarchive(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    PathParam(id): PathParam<ConversationId>,
) -> Result<Json<Conversation>, Problem> {
    Ok(Json(messaging.change(id, caller.into(), Change::Archive(false)).await?))
}
