//! What is a person's own: `/v1/conversations/{id}/membership`, `…/draft`, `…/receipts`, and `/v1/me/…`.

use axum::{Json, extract::State};
use garde::Validate;
use http::StatusCode;
use serde::Deserialize;
use tertulia_contracts::{
    ConversationId, UserId,
    identity::Caller,
    messaging::{Block, Blocks, Draft, Drafts, Membership, Privacy, PutDraft, Receipts, UpdateMembership},
};
use tertulia_runtime::{
    extract::{PathParam, QueryParams, ValidJson},
    problem::Problem,
};
use utoipa::IntoParams;

use super::{Refused, paging::ListQuery};
use crate::service::Messaging;

/// Puts a conversation in order for oneself
///
/// Mutes its notifications until some time, puts it away, marks it unread. Nobody else sees any of it; one's other devices
/// do, at once.
#[utoipa::path(
    patch, path = "/v1/conversations/{id}/membership", tag = "messaging", operation_id = "update_membership",
    security(("access_token" = [])),
    params(("id" = ConversationId, Path, description = "The conversation.")),
    request_body = UpdateMembership,
    responses((status = 200, description = "The caller's place now.", body = Membership), Refused),
)]
pub(super) async fn update_membership(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    PathParam(id): PathParam<ConversationId>,
    ValidJson(update): ValidJson<UpdateMembership>,
) -> Result<Json<Membership>, Problem> {
    Ok(Json(messaging.update_membership(id, caller.into(), update).await?))
}

/// Shows how far the members have read
///
/// Those who show it, to those who show theirs.
#[utoipa::path(
    get, path = "/v1/conversations/{id}/receipts", tag = "messaging", operation_id = "list_receipts",
    security(("access_token" = [])),
    params(("id" = ConversationId, Path, description = "The conversation.")),
    responses((status = 200, description = "All of them, at most 200.", body = Receipts), Refused),
)]
pub(super) async fn receipts(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    PathParam(id): PathParam<ConversationId>,
) -> Result<Json<Receipts>, Problem> {
    Ok(Json(Receipts { items: messaging.receipts(id, caller.into()).await? }))
}

/// What is the matter with a draft.
#[derive(utoipa::IntoResponses)]
#[expect(dead_code, reason = "it only describes what problems there are")]
enum RefusedDraft {
    /// The draft was changed on another device (`draft_changed`), or there are as many as there can be
    /// (`too_many_drafts`).
    #[response(status = 409, content_type = "application/problem+json")]
    Conflict(Problem),
}

/// Shows the caller's draft in a conversation
#[utoipa::path(
    get, path = "/v1/conversations/{id}/draft", tag = "messaging", operation_id = "get_draft",
    security(("access_token" = [])),
    params(("id" = ConversationId, Path, description = "The conversation.")),
    responses((status = 200, description = "It. There may be none (`draft_not_found`).", body = Draft), Refused),
)]
pub(super) async fn get_draft(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    PathParam(id): PathParam<ConversationId>,
) -> Result<Json<Draft>, Problem> {
    Ok(Json(messaging.draft(id, caller.into()).await?))
}

/// Keeps what the caller is about to say
///
/// In the place of the draft whose revision it names, so that two devices do not overwrite each other. Nothing but white space
/// in answer to nothing is no draft: the one there is goes. Posting leaves it; the client that posts deletes it.
#[utoipa::path(
    put, path = "/v1/conversations/{id}/draft", tag = "messaging", operation_id = "put_draft",
    security(("access_token" = [])),
    params(("id" = ConversationId, Path, description = "The conversation.")),
    request_body = PutDraft,
    responses(
        (status = 200, description = "As it is now; `null` if there is none.", body = Option<Draft>),
        RefusedDraft,
        Refused,
    ),
)]
pub(super) async fn put_draft(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    PathParam(id): PathParam<ConversationId>,
    ValidJson(put): ValidJson<PutDraft>,
) -> Result<Json<Option<Draft>>, Problem> {
    Ok(Json(messaging.put_draft(id, caller.into(), put).await?))
}

/// Which draft is to go.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct DraftQuery {
    /// The one of this revision; whichever there is if absent.
    #[garde(skip)]
    #[param(format = "uint64")]
    revision: Option<u64>,
}

/// Takes the caller's draft in a conversation away
///
/// Where there is none, there is none. Also in a conversation that the caller may not read any more.
#[utoipa::path(
    delete, path = "/v1/conversations/{id}/draft", tag = "messaging", operation_id = "delete_draft",
    security(("access_token" = [])),
    params(("id" = ConversationId, Path, description = "The conversation."), DraftQuery),
    responses((status = 204, description = "There is none."), RefusedDraft, Refused),
)]
pub(super) async fn delete_draft(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    PathParam(id): PathParam<ConversationId>,
    QueryParams(query): QueryParams<DraftQuery>,
) -> Result<StatusCode, Problem> {
    messaging.delete_draft(id, caller.into(), query.revision).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lists the caller's drafts
#[utoipa::path(
    get, path = "/v1/me/drafts", tag = "messaging", operation_id = "list_drafts",
    security(("access_token" = [])),
    params(ListQuery),
    responses((status = 200, description = "A page of them, the one begun last first.", body = Drafts), Refused),
)]
pub(super) async fn drafts(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    QueryParams(query): QueryParams<ListQuery>,
) -> Result<Json<Drafts>, Problem> {
    let (after, limit) = query.read()?;
    let page = messaging.drafts(caller.into(), after, limit).await?;
    let next_cursor = page.next.map(|cursor| cursor.encode());
    Ok(Json(Drafts { items: page.items, next_cursor }))
}

/// Lists whom the caller blocks
#[utoipa::path(
    get, path = "/v1/me/blocks", tag = "messaging", operation_id = "list_blocks",
    security(("access_token" = [])),
    params(ListQuery),
    responses((status = 200, description = "A page of them, the newest first.", body = Blocks), Refused),
)]
pub(super) async fn blocks(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    QueryParams(query): QueryParams<ListQuery>,
) -> Result<Json<Blocks>, Problem> {
    let (after, limit) = query.read()?;
    let page = messaging.blocks(caller.into(), after, limit).await?;
    let next_cursor = page.next.map(|cursor| cursor.encode());
    Ok(Json(Blocks { items: page.items, next_cursor }))
}

/// Blocks somebody
///
/// From then on neither starts a conversation with the other, adds them to one, or says anything in the direct one they have; in
/// groups both go on. Neither is told which of the two it was (`out_of_reach`).
#[utoipa::path(
    put, path = "/v1/me/blocks/{user_id}", tag = "messaging", operation_id = "block",
    security(("access_token" = [])),
    params(("user_id" = UserId, Path, description = "Whom.")),
    responses(
        (status = 200, description = "They are blocked.", body = Block),
        (status = 409, description = "As many are blocked as can be (`too_many_blocks`).",
            body = Problem, content_type = "application/problem+json"),
        Refused,
    ),
)]
pub(super) async fn block(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    PathParam(user): PathParam<UserId>,
) -> Result<Json<Block>, Problem> {
    Ok(Json(messaging.block(caller.into(), user).await?))
}

/// Blocks somebody no longer
#[utoipa::path(
    delete, path = "/v1/me/blocks/{user_id}", tag = "messaging", operation_id = "unblock",
    security(("access_token" = [])),
    params(("user_id" = UserId, Path, description = "Whom.")),
    responses((status = 204, description = "They are not blocked."), Refused),
)]
pub(super) async fn unblock(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    PathParam(user): PathParam<UserId>,
) -> Result<StatusCode, Problem> {
    messaging.unblock(caller.into(), user).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Shows what the caller lets others see
#[utoipa::path(
    get, path = "/v1/me/privacy", tag = "messaging", operation_id = "get_privacy",
    security(("access_token" = [])),
    responses((status = 200, description = "It.", body = Privacy), Refused),
)]
pub(super) async fn privacy(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
) -> Result<Json<Privacy>, Problem> {
    Ok(Json(messaging.privacy(caller.user_id).await?))
}

/// Says what others are to see
#[utoipa::path(
    put, path = "/v1/me/privacy", tag = "messaging", operation_id = "set_privacy",
    security(("access_token" = [])),
    request_body = Privacy,
    responses((status = 200, description = "As it is now.", body = Privacy), Refused),
)]
pub(super) async fn set_privacy(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    ValidJson(privacy): ValidJson<Privacy>,
) -> Result<Json<Privacy>, Problem> {
    Ok(Json(messaging.set_privacy(caller.into(), privacy).await?))
}
