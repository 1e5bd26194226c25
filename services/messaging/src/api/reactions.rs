//! `/v1/conversations/{id}/messages/{message_id}/reactions/{emoji}`.

use axum::extract::State;
use http::StatusCode;
use tertulia_contracts::{ConversationId, MessageId, identity::Caller};
use tertulia_runtime::{extract::PathParam, problem::Problem};

use super::{OneMessage, Refused, RefusedAlteration};
use crate::{
    Error,
    model::{alteration::Alteration, custom_emoji::name_of, emoji},
    service::Messaging,
};

/// Reacts to a message
///
/// Every member may, with at most 20 different emoji on one message. Who has reacted with this emoji already has.
#[utoipa::path(
    put, path = "/v1/conversations/{id}/messages/{message_id}/reactions/{emoji}", tag = "messaging",
    operation_id = "set_reaction",
    security(("access_token" = [])),
    params(OneMessage, ("emoji" = String, Path, description = "One Unicode emoji, percent-encoded; or one of the conversation's own, as `:name:`.")),
    responses((status = 204, description = "They have reacted."), RefusedAlteration, Refused),
)]
pub(super) async fn set(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    PathParam((id, message, emoji)): PathParam<(ConversationId, MessageId, String)>,
) -> Result<StatusCode, Problem> {
    let alteration = Alteration::React(one_emoji(&emoji)?);
    messaging.alter(id, caller.into(), message, alteration).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes a reaction back
///
/// One's own. Who has not reacted with this emoji has not.
#[utoipa::path(
    delete, path = "/v1/conversations/{id}/messages/{message_id}/reactions/{emoji}", tag = "messaging",
    operation_id = "remove_reaction",
    security(("access_token" = [])),
    params(OneMessage, ("emoji" = String, Path, description = "One Unicode emoji, percent-encoded; or one of the conversation's own, as `:name:`.")),
    responses((status = 204, description = "They have not reacted so."), Refused),
)]
pub(super) async fn remove(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    PathParam((id, message, emoji)): PathParam<(ConversationId, MessageId, String)>,
) -> Result<StatusCode, Problem> {
    let alteration = Alteration::Unreact(one_emoji(&emoji)?);
    messaging.alter(id, caller.into(), message, alteration).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn one_emoji(text: &str) -> Result<String, Error> {
    let own = || name_of(text).map(|_| text.to_owned());
    let wrong =
        || Error::invalid("emoji", "must be one Unicode emoji, or one of the conversation's own as :name:");
    emoji::parse(text).or_else(own).ok_or_else(wrong)
}
