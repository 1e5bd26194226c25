//! Keeping order in a conversation: its bans and mutes, purging what a member wrote, and the moderation log.

use axum::{Json, extract::State};
use garde::Validate;
use http::StatusCode;
use serde::Deserialize;
use tertulia_contracts::{
    ConversationId, UserId,
    identity::{Caller, Identity},
    messaging::{Filters, MAX_REASON_CHARS, ModerationLog, PurgeMember, Purged, Restrict, Sanctions, body},
    permissions::Restriction,
};
use tertulia_runtime::{
    extract::{PathParam, QueryParams, ValidJson},
    problem::Problem,
};
use utoipa::IntoParams;

use super::{MaybeJson, Refused, paging::ListQuery};
use crate::{model::membership::Term, service::Messaging};

/// Whom something is done to.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "it only describes what parameters there are")]
struct OneUser {
    /// The conversation.
    id: ConversationId,
    /// Whom it is about; not necessarily a member.
    user_id: UserId,
}

/// Why something is done.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Why {
    /// For the moderators, and for whom it is about. At most 500 characters.
    #[garde(inner(length(chars, max = MAX_REASON_CHARS), custom(body)))]
    #[param(max_length = 500, min_length = 1)]
    pub(super) reason: Option<String>,
}

/// Bans somebody
///
/// Moderators and above ban those of a lower rank and those who are no members: they are none from then on, and can
/// neither join nor be let in. A ban to the same moment is there already; another replaces it. At its end it counts no more.
#[utoipa::path(
    put, path = "/v1/conversations/{id}/bans/{user_id}", tag = "messaging", operation_id = "ban_user",
    security(("access_token" = [])),
    params(OneUser),
    request_body = Option<Restrict>,
    responses((status = 204, description = "They are banned."), Refused),
)]
pub(super) async fn ban(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    PathParam((id, user)): PathParam<(ConversationId, UserId)>,
    MaybeJson(Restrict { until, reason }): MaybeJson<Restrict>,
) -> Result<StatusCode, Problem> {
    let term = Term { until };
    messaging.restrict(id, caller.into(), user, Restriction::Banned, term, reason).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lifts a ban
///
/// Who may ban may. They may come back; they are not a member by that. Who is not banned is not.
#[utoipa::path(
    delete, path = "/v1/conversations/{id}/bans/{user_id}", tag = "messaging", operation_id = "unban_user",
    security(("access_token" = [])),
    params(OneUser, Why),
    responses((status = 204, description = "They are not banned."), Refused),
)]
pub(super) async fn unban(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    PathParam((id, user)): PathParam<(ConversationId, UserId)>,
    QueryParams(why): QueryParams<Why>,
) -> Result<StatusCode, Problem> {
    messaging.lift(id, caller.into(), user, Restriction::Banned, why.reason).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lists who is banned
///
/// Moderators and above see it.
#[utoipa::path(
    get, path = "/v1/conversations/{id}/bans", tag = "messaging", operation_id = "list_bans",
    security(("access_token" = [])),
    params(("id" = ConversationId, Path, description = "The conversation."), ListQuery),
    responses((status = 200, description = "A page of them.", body = Sanctions), Refused),
)]
pub(super) async fn bans(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    PathParam(id): PathParam<ConversationId>,
    QueryParams(query): QueryParams<ListQuery>,
) -> Result<Json<Sanctions>, Problem> {
    list(&messaging, caller, id, &query, Restriction::Banned).await
}

/// Mutes somebody
///
/// Moderators and above mute those of a lower rank: they read on, and write, react and pin nothing. A mute to the same
/// moment is there already; another replaces it. At its end it counts no more. It outlasts leaving and coming back.
#[utoipa::path(
    put, path = "/v1/conversations/{id}/mutes/{user_id}", tag = "messaging", operation_id = "mute_user",
    security(("access_token" = [])),
    params(OneUser),
    request_body = Option<Restrict>,
    responses((status = 204, description = "They are muted."), Refused),
)]
pub(super) async fn mute(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    PathParam((id, user)): PathParam<(ConversationId, UserId)>,
    MaybeJson(Restrict { until, reason }): MaybeJson<Restrict>,
) -> Result<StatusCode, Problem> {
    let term = Term { until };
    messaging.restrict(id, caller.into(), user, Restriction::Muted, term, reason).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lifts a mute
///
/// Who may mute may. Who is not muted is not.
#[utoipa::path(
    delete, path = "/v1/conversations/{id}/mutes/{user_id}", tag = "messaging", operation_id = "unmute_user",
    security(("access_token" = [])),
    params(OneUser, Why),
    responses((status = 204, description = "They are not muted."), Refused),
)]
pub(super) async fn unmute(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    PathParam((id, user)): PathParam<(ConversationId, UserId)>,
    QueryParams(why): QueryParams<Why>,
) -> Result<StatusCode, Problem> {
    messaging.lift(id, caller.into(), user, Restriction::Muted, why.reason).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lists who is muted
///
/// Moderators and above see it.
#[utoipa::path(
    get, path = "/v1/conversations/{id}/mutes", tag = "messaging", operation_id = "list_mutes",
    security(("access_token" = [])),
    params(("id" = ConversationId, Path, description = "The conversation."), ListQuery),
    responses((status = 200, description = "A page of them.", body = Sanctions), Refused),
)]
pub(super) async fn mutes(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    PathParam(id): PathParam<ConversationId>,
    QueryParams(query): QueryParams<ListQuery>,
) -> Result<Json<Sanctions>, Problem> {
    list(&messaging, caller, id, &query, Restriction::Muted).await
}

async fn list(
    messaging: &Messaging,
    caller: Identity,
    id: ConversationId,
    query: &ListQuery,
    restriction: Restriction,
) -> Result<Json<Sanctions>, Problem> {
    let (after, limit) = query.read()?;
    let page = messaging.sanctions(id, caller.into(), restriction, after, limit).await?;
    Ok(Json(Sanctions { items: page.items, next_cursor: page.next.map(|cursor| cursor.encode()) }))
}

/// Deletes what somebody wrote
///
/// Admins and the owner delete the newest messages of somebody of a lower rank or who is no member, at most 100 a request, deleted
/// ones counted; with `more` it is asked again with the `before_seq` of the answer. Nothing is left of what they said.
#[utoipa::path(
    post, path = "/v1/conversations/{id}/members/{user_id}/purge", tag = "messaging",
    operation_id = "purge_member",
    security(("access_token" = [])),
    params(OneUser),
    request_body = Option<PurgeMember>,
    responses((status = 200, description = "So many are deleted.", body = Purged), Refused),
)]
pub(super) async fn purge(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    PathParam((id, user)): PathParam<(ConversationId, UserId)>,
    MaybeJson(wish): MaybeJson<PurgeMember>,
) -> Result<Json<Purged>, Problem> {
    Ok(Json(messaging.purge(id, caller.into(), user, wish).await?))
}

/// Shows what was done to keep order
///
/// Moderators and above see who removed, banned and muted whom, deleted what others wrote, and changed roles; when, and why if
/// they said so.
#[utoipa::path(
    get, path = "/v1/conversations/{id}/moderation-log", tag = "messaging",
    operation_id = "list_moderation_log",
    security(("access_token" = [])),
    params(("id" = ConversationId, Path, description = "The conversation."), ListQuery),
    responses((status = 200, description = "A page of it, the newest first.", body = ModerationLog), Refused),
)]
pub(super) async fn log(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    PathParam(id): PathParam<ConversationId>,
    QueryParams(query): QueryParams<ListQuery>,
) -> Result<Json<ModerationLog>, Problem> {
    let (after, limit) = query.read()?;
    let page = messaging.moderation_log(id, caller.into(), after, limit).await?;
    Ok(Json(ModerationLog { items: page.items, next_cursor: page.next.map(|cursor| cursor.encode()) }))
}

/// Shows which words and links are kept out
///
/// Admins and the owner see and set them.
#[utoipa::path(
    get, path = "/v1/conversations/{id}/filters", tag = "messaging", operation_id = "get_filters",
    security(("access_token" = [])),
    params(("id" = ConversationId, Path, description = "The conversation.")),
    responses((status = 200, description = "All of them.", body = Filters), Refused),
)]
pub(super) async fn filters(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    PathParam(id): PathParam<ConversationId>,
) -> Result<Json<Filters>, Problem> {
    Ok(Json(messaging.filters(id, caller.into()).await?))
}

/// Says which words and links are kept out
///
/// In place of those that were. A message or an edit of anybody else that holds one is refused with 422, which says what sort of rule
/// it was. What stands there already stays.
#[utoipa::path(
    put, path = "/v1/conversations/{id}/filters", tag = "messaging", operation_id = "set_filters",
    security(("access_token" = [])),
    params(("id" = ConversationId, Path, description = "The conversation.")),
    request_body = Filters,
    responses((status = 200, description = "As they are now.", body = Filters), Refused),
)]
pub(super) async fn filter(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    PathParam(id): PathParam<ConversationId>,
    ValidJson(filters): ValidJson<Filters>,
) -> Result<Json<Filters>, Problem> {
    Ok(Json(messaging.filter(id, caller.into(), filters).await?))
}
