//! `/v1/conversations/{id}/log`, `/v1/conversations/{id}/cursor` and `/v1/me/log`.

use axum::{Json, extract::State};
use serde::Serialize;
use tertulia_contracts::{
    ConversationId,
    identity::Caller,
    live::RawEntry,
    messaging::{Log, Membership, MoveCursor, UserLog},
};
use tertulia_runtime::{
    extract::{PathParam, QueryParams, ValidJson},
    problem::Problem,
};

use super::{
    Refused,
    paging::{LogQuery, OwnLogQuery},
};
use crate::service::Messaging;

/// A [`Log`] whose facts go out as they were stored, without being decoded on the way.
#[derive(Serialize)]
pub(super) struct RawLog {
    items: Vec<RawEntry>,
    head_seq: u64,
}

/// A [`UserLog`], likewise.
#[derive(Serialize)]
pub(super) struct RawUserLog {
    items: Vec<RawUserEntry>,
    head_useq: u64,
}

#[derive(Serialize)]
struct RawUserEntry {
    useq: u64,
    e: Box<serde_json::value::RawValue>,
}

/// Reads a conversation's log
///
/// Everything that happened, in order and without a gap. The page is the last one when it ends at `head_seq`.
#[utoipa::path(
    get, path = "/v1/conversations/{id}/log", tag = "messaging",
    security(("access_token" = [])),
    params(("id" = ConversationId, Path, description = "The conversation."), LogQuery),
    responses((status = 200, description = "A page of it, ascending.", body = Log), Refused),
)]
pub(super) async fn conversation_log(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    PathParam(id): PathParam<ConversationId>,
    QueryParams(query): QueryParams<LogQuery>,
) -> Result<Json<RawLog>, Problem> {
    let (after, limit) = query.read();
    let page = messaging.log(id, caller.into(), after, limit).await?;
    Ok(Json(RawLog { items: page.entries, head_seq: page.head_seq }))
}

/// Says how far the caller has read
///
/// The cursor only moves forward; past the head it stops at the head. A mark as unread is gone.
#[utoipa::path(
    put, path = "/v1/conversations/{id}/cursor", tag = "messaging",
    security(("access_token" = [])),
    params(("id" = ConversationId, Path, description = "The conversation.")),
    request_body = MoveCursor,
    responses((status = 200, description = "The caller's place now.", body = Membership), Refused),
)]
pub(super) async fn move_cursor(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    PathParam(id): PathParam<ConversationId>,
    ValidJson(cursor): ValidJson<MoveCursor>,
) -> Result<Json<Membership>, Problem> {
    Ok(Json(messaging.move_cursor(id, caller.into(), cursor.seq).await?))
}

/// Reads the caller's own log
///
/// What happened to them, whichever conversation it happened in.
#[utoipa::path(
    get, path = "/v1/me/log", tag = "messaging",
    security(("access_token" = [])),
    params(OwnLogQuery),
    responses((status = 200, description = "A page of it, ascending.", body = UserLog), Refused),
)]
pub(super) async fn own_log(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    QueryParams(query): QueryParams<OwnLogQuery>,
) -> Result<Json<RawUserLog>, Problem> {
    let (after, limit) = query.read();
    let page = messaging.user_logs.page(caller.user_id, after, limit).await?;
    let items = page.entries.into_iter().map(|entry| RawUserEntry { useq: entry.seq, e: entry.e }).collect();
    Ok(Json(RawUserLog { items, head_useq: page.head_seq }))
}
