//! `/v1/conversations/{id}/messages/{message_id}/poll`.

use axum::{Json, extract::State};
use garde::Validate;
use http::StatusCode;
use serde::Deserialize;
use tertulia_contracts::{
    ConversationId, MessageId,
    identity::Caller,
    messaging::{MAX_PAGE, PutVote, Votes},
};
use tertulia_runtime::{
    extract::{PathParam, QueryParams, ValidJson},
    problem::Problem,
};
use utoipa::IntoParams;

use super::{
    OneMessage, Refused, RefusedAlteration,
    paging::{DEFAULT_PAGE, cursor_at},
};
use crate::{model::alteration::Alteration, service::Messaging};

/// Those who chose an option.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct VotesQuery {
    /// Which, by its place from 0; the first if absent.
    #[garde(skip)]
    #[serde(default)]
    option: u8,
    /// Where the page before this one ended: its `next_cursor`.
    #[garde(inner(length(bytes, min = 1, max = 4096)))]
    #[param(min_length = 1, max_length = 4096, pattern = "^[A-Za-z0-9_-]+$")]
    cursor: Option<String>,
    /// At most so many items; 50 if absent.
    #[garde(inner(range(min = 1, max = MAX_PAGE)))]
    #[param(minimum = 1, maximum = 200)]
    limit: Option<usize>,
}

/// Votes in a poll
///
/// Whoever may react may vote, until the poll is closed: for these options, in place of what they chose before.
#[utoipa::path(
    put, path = "/v1/conversations/{id}/messages/{message_id}/poll/vote", tag = "messaging", operation_id = "vote",
    security(("access_token" = [])),
    params(OneMessage),
    request_body = PutVote,
    responses((status = 204, description = "It is counted."), RefusedAlteration, Refused),
)]
pub(super) async fn vote(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    PathParam((id, message)): PathParam<(ConversationId, MessageId)>,
    ValidJson(vote): ValidJson<PutVote>,
) -> Result<StatusCode, Problem> {
    messaging.vote(id, caller.into(), message, vote.options).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes a vote back
///
/// One's own, until the poll is closed. Who has not voted has not.
#[utoipa::path(
    delete, path = "/v1/conversations/{id}/messages/{message_id}/poll/vote", tag = "messaging",
    operation_id = "take_vote_back",
    security(("access_token" = [])),
    params(OneMessage),
    responses((status = 204, description = "It is not counted."), RefusedAlteration, Refused),
)]
pub(super) async fn unvote(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    PathParam((id, message)): PathParam<(ConversationId, MessageId)>,
) -> Result<StatusCode, Problem> {
    messaging.vote(id, caller.into(), message, Vec::new()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Closes a poll
///
/// Its author may, and whoever may delete it. A poll that is closed, or whose time is over, is closed already.
#[utoipa::path(
    post, path = "/v1/conversations/{id}/messages/{message_id}/poll/close", tag = "messaging",
    operation_id = "close_poll",
    security(("access_token" = [])),
    params(OneMessage),
    responses((status = 204, description = "It is closed."), RefusedAlteration, Refused),
)]
pub(super) async fn close(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    PathParam((id, message)): PathParam<(ConversationId, MessageId)>,
) -> Result<StatusCode, Problem> {
    messaging.alter(id, caller.into(), message, Alteration::ClosePoll).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lists who chose an option
///
/// Of a poll that is not anonymous; of one that is, nobody learns it (403 `poll_anonymous`).
#[utoipa::path(
    get, path = "/v1/conversations/{id}/messages/{message_id}/poll/votes", tag = "messaging",
    operation_id = "list_votes",
    security(("access_token" = [])),
    params(OneMessage, VotesQuery),
    responses(
        (status = 200, description = "A page of them, the oldest vote first.", body = Votes),
        RefusedAlteration,
        Refused,
    ),
)]
pub(super) async fn votes(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    PathParam((id, message)): PathParam<(ConversationId, MessageId)>,
    QueryParams(query): QueryParams<VotesQuery>,
) -> Result<Json<Votes>, Problem> {
    let (after, limit) = (cursor_at(query.cursor.as_deref())?, query.limit.unwrap_or(DEFAULT_PAGE));
    let page = messaging.votes(id, caller.into(), message, query.option, after, limit).await?;
    Ok(Json(Votes { items: page.items, next_cursor: page.next.map(|cursor| cursor.encode()) }))
}
