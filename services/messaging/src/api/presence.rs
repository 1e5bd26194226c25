//! `/v1/me/presence`, and what realtime asks about who is to be seen.

use axum::{
    Json, Router,
    extract::State,
    routing::{get, post},
};
use http::StatusCode;
use tertulia_contracts::{
    ConversationId,
    identity::Caller,
    presence::{Apart, AskCompany, AskFaces, ChosenPresence, Company, Faces, NoteSeen},
};
use tertulia_runtime::{
    extract::{PathParam, ValidJson},
    problem::Problem,
};

use super::{Api, Refused};
use crate::service::Messaging;

/// Shows what the caller chooses to be seen as
#[utoipa::path(
    get, path = "/v1/me/presence", tag = "messaging", operation_id = "get_own_presence",
    security(("access_token" = [])),
    responses((status = 200, description = "It, at this moment.", body = ChosenPresence), Refused),
)]
pub(super) async fn own(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
) -> Result<Json<ChosenPresence>, Problem> {
    Ok(Json(messaging.presence(caller.user_id).await?))
}

/// Chooses what to be seen as
///
/// It lasts, whichever device is connected, until `until` if that is given. Who is `invisible` is to everybody else as who is
/// not there.
#[utoipa::path(
    put, path = "/v1/me/presence", tag = "messaging", operation_id = "choose_presence",
    security(("access_token" = [])),
    request_body = ChosenPresence,
    responses((status = 200, description = "As it is now.", body = ChosenPresence), Refused),
)]
pub(super) async fn choose(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    ValidJson(wanted): ValidJson<ChosenPresence>,
) -> Result<Json<ChosenPresence>, Problem> {
    Ok(Json(messaging.choose_presence(caller.into(), wanted).await?))
}

/// What other services ask, over the mesh alone.
pub(crate) fn internal() -> Router<Api> {
    Router::new()
        .route("/internal/presence/company", post(company))
        .route("/internal/presence/faces", post(faces))
        .route("/internal/presence/seen", post(seen))
        .route("/internal/conversations/{id}/apart", get(apart))
}

async fn company(
    State(messaging): State<Messaging>,
    ValidJson(asked): ValidJson<AskCompany>,
) -> Result<Json<Company>, Problem> {
    Ok(Json(Company { user_ids: messaging.company(asked.user_id, &asked.others).await? }))
}

async fn faces(
    State(messaging): State<Messaging>,
    ValidJson(asked): ValidJson<AskFaces>,
) -> Result<Json<Faces>, Problem> {
    Ok(Json(Faces { faces: messaging.faces(&asked.user_ids).await? }))
}

async fn seen(
    State(messaging): State<Messaging>,
    ValidJson(noted): ValidJson<NoteSeen>,
) -> Result<StatusCode, Problem> {
    messaging.note_seen(&noted.seen).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn apart(
    State(messaging): State<Messaging>,
    PathParam(id): PathParam<ConversationId>,
) -> Result<Json<Apart>, Problem> {
    Ok(Json(Apart { apart: messaging.apart(id).await? }))
}
