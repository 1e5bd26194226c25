//! `/v1/conversations/{id}/scheduled` and `/v1/me/scheduled`.

use axum::{Json, extract::State};
use http::StatusCode;
use tertulia_contracts::{
    ConversationId,
    identity::Caller,
    messaging::{Posted, RescheduleMessage, ScheduleMessage, ScheduledMessage, ScheduledMessages},
};
use tertulia_runtime::{
    extract::{PathParam, ValidJson},
    problem::Problem,
};
use ulid::Ulid;

use super::Refused;
use crate::service::{Messaging, scheduling::Scheduled};

/// Where a scheduled message is.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "it only describes what parameters there are")]
struct OneScheduled {
    /// The conversation.
    id: ConversationId,
    /// The name that the author's client gave it.
    #[param(value_type = String)]
    client_id: Ulid,
}

/// How doing something with a scheduled message can be refused besides.
#[derive(utoipa::IntoResponses)]
#[expect(dead_code, reason = "it only describes what problems there are")]
enum UnderWay {
    /// It is being posted just now (`scheduled_under_way`).
    #[response(status = 409, content_type = "application/problem+json")]
    Conflict(Problem),
}

/// Schedules a message
///
/// It is posted in the name of the caller when its time comes, if they may then; else it is kept with the reason, and the
/// caller's own log says so (`scheduled.failed`). Nobody else sees it before. Of one person at most 100 wait.
#[utoipa::path(
    post, path = "/v1/conversations/{id}/scheduled", tag = "messaging", operation_id = "schedule_message",
    security(("access_token" = [])),
    params(("id" = ConversationId, Path, description = "The conversation.")),
    request_body = ScheduleMessage,
    responses(
        (status = 201, description = "It waits for its time.", body = ScheduledMessage),
        (status = 200, description = "It waited already.", body = ScheduledMessage),
        (status = 409, description = "The `client_id` names another message (`client_id_reused`), or 100 wait \
            (`too_many_scheduled`).", body = Problem, content_type = "application/problem+json"),
        Refused,
    ),
)]
pub(super) async fn create(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    PathParam(id): PathParam<ConversationId>,
    ValidJson(request): ValidJson<ScheduleMessage>,
) -> Result<(StatusCode, Json<ScheduledMessage>), Problem> {
    Ok(match messaging.schedule(id, caller.into(), request).await? {
        Scheduled::New(message) => (StatusCode::CREATED, Json(message)),
        Scheduled::Found(message) => (StatusCode::OK, Json(message)),
    })
}

/// Lists what the caller has scheduled in a conversation
#[utoipa::path(
    get, path = "/v1/conversations/{id}/scheduled", tag = "messaging", operation_id = "list_scheduled",
    security(("access_token" = [])),
    params(("id" = ConversationId, Path, description = "The conversation.")),
    responses((status = 200, description = "All of it, what is due first first.", body = ScheduledMessages), Refused),
)]
pub(super) async fn list(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    PathParam(id): PathParam<ConversationId>,
) -> Result<Json<ScheduledMessages>, Problem> {
    Ok(Json(ScheduledMessages { items: messaging.scheduled(caller.into(), Some(id)).await? }))
}

/// Lists what the caller has scheduled anywhere
#[utoipa::path(
    get, path = "/v1/me/scheduled", tag = "messaging", operation_id = "list_own_scheduled",
    security(("access_token" = [])),
    responses((status = 200, description = "All of it, what is due first first.", body = ScheduledMessages), Refused),
)]
pub(super) async fn list_own(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
) -> Result<Json<ScheduledMessages>, Problem> {
    Ok(Json(ScheduledMessages { items: messaging.scheduled(caller.into(), None).await? }))
}

/// Changes a scheduled message
///
/// What it is to say, or when. One that could not be posted waits again for the time given.
#[utoipa::path(
    patch, path = "/v1/conversations/{id}/scheduled/{client_id}", tag = "messaging",
    operation_id = "reschedule_message",
    security(("access_token" = [])),
    params(OneScheduled),
    request_body = RescheduleMessage,
    responses((status = 200, description = "As it is now.", body = ScheduledMessage), UnderWay, Refused),
)]
pub(super) async fn update(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    PathParam((id, client_id)): PathParam<(ConversationId, Ulid)>,
    ValidJson(change): ValidJson<RescheduleMessage>,
) -> Result<Json<ScheduledMessage>, Problem> {
    Ok(Json(messaging.reschedule(id, caller.into(), client_id, change).await?))
}

/// Calls a scheduled message off
#[utoipa::path(
    delete, path = "/v1/conversations/{id}/scheduled/{client_id}", tag = "messaging",
    operation_id = "cancel_scheduled_message",
    security(("access_token" = [])),
    params(OneScheduled),
    responses((status = 204, description = "It will not be posted."), UnderWay, Refused),
)]
pub(super) async fn cancel(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    PathParam((id, client_id)): PathParam<(ConversationId, Ulid)>,
) -> Result<StatusCode, Problem> {
    messaging.call_off(id, caller.into(), client_id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Posts a scheduled message at once
///
/// When it is refused it waits on as it did. One that was posted already is posted once.
#[utoipa::path(
    post, path = "/v1/conversations/{id}/scheduled/{client_id}/send", tag = "messaging",
    operation_id = "send_scheduled_message",
    security(("access_token" = [])),
    params(OneScheduled),
    responses((status = 200, description = "It stands in the log.", body = Posted), UnderWay, Refused),
)]
pub(super) async fn send(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    PathParam((id, client_id)): PathParam<(ConversationId, Ulid)>,
) -> Result<Json<Posted>, Problem> {
    Ok(Json(Posted { message: messaging.send_now(id, caller.into(), client_id).await? }))
}
