//! `/v1/conversations/{id}/messages/{message_id}/pin` and `/v1/conversations/{id}/pins`.

use axum::{Json, extract::State};
use http::StatusCode;
use tertulia_contracts::{ConversationId, MessageId, identity::Caller, messaging::Pins};
use tertulia_runtime::{extract::PathParam, problem::Problem};

use super::{OneMessage, Refused, RefusedAlteration};
use crate::{model::alteration::Alteration, service::Messaging};

/// Pins a message
///
/// The moderators of a group or a channel may, and either of a direct conversation. At most 50 are pinned. A pinned message
/// is pinned already.
#[utoipa::path(
    put, path = "/v1/conversations/{id}/messages/{message_id}/pin", tag = "messaging",
    operation_id = "pin_message",
    security(("access_token" = [])),
    params(OneMessage),
    responses((status = 204, description = "It is pinned."), RefusedAlteration, Refused),
)]
pub(super) async fn pin(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    PathParam((id, message)): PathParam<(ConversationId, MessageId)>,
) -> Result<StatusCode, Problem> {
    messaging.alter(id, caller.into(), message, Alteration::Pin).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Unpins a message
///
/// Who may pin may. What is not pinned is not.
#[utoipa::path(
    delete, path = "/v1/conversations/{id}/messages/{message_id}/pin", tag = "messaging",
    operation_id = "unpin_message",
    security(("access_token" = [])),
    params(OneMessage),
    responses((status = 204, description = "It is not pinned."), Refused),
)]
pub(super) async fn unpin(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    PathParam((id, message)): PathParam<(ConversationId, MessageId)>,
) -> Result<StatusCode, Problem> {
    messaging.alter(id, caller.into(), message, Alteration::Unpin).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lists what is pinned in a conversation
#[utoipa::path(
    get, path = "/v1/conversations/{id}/pins", tag = "messaging", operation_id = "list_pins",
    security(("access_token" = [])),
    params(("id" = ConversationId, Path, description = "The conversation.")),
    responses((status = 200, description = "All of it, in the order pinned.", body = Pins), Refused),
)]
pub(super) async fn list(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    PathParam(id): PathParam<ConversationId>,
) -> Result<Json<Pins>, Problem> {
    Ok(Json(Pins { items: messaging.pins(id, caller.into()).await? }))
}
