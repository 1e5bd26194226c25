//! `/v1/bots`: accounts that programs use.

use axum::{Json, extract::State};
use http::StatusCode;
use tertulia_contracts::{
    UserId,
    auth::{Bot, Bots, CreateBot},
};
use tertulia_runtime::{
    Problem,
    extract::{PathParam, ValidJson},
};

use super::LiveCaller;
use crate::{App, model::audit::Origin};

/// Make a bot
///
/// An account of its own, which belongs to the caller. It has no password: give it a token. Others see that it is a
/// bot and whose. At most 20 a person.
#[utoipa::path(
    post, path = "/v1/bots", tag = "bots", request_body = CreateBot, security(("access_token" = [])),
    responses(
        (status = 201, description = "The bot.", body = Bot),
        (status = 403, description = "`insufficient_scope`: no API token makes bots"),
        (status = 409, description = "`handle_taken`, `too_many_bots`"),
        (status = 422, description = "`invalid_fields`, `handle_reserved`"),
    ),
)]
pub(super) async fn create_bot(
    State(App(auth)): State<App>,
    LiveCaller(caller): LiveCaller,
    origin: Origin,
    ValidJson(request): ValidJson<CreateBot>,
) -> Result<(StatusCode, Json<Bot>), Problem> {
    Ok((StatusCode::CREATED, Json(auth.make_bot(caller.user_id, &origin, request).await?)))
}

/// The caller's bots
#[utoipa::path(
    get, path = "/v1/bots", tag = "bots", security(("access_token" = [])),
    responses(
        (status = 200, description = "Oldest first.", body = Bots),
        (status = 403, description = "`insufficient_scope`: no API token sees them"),
    ),
)]
pub(super) async fn list_bots(
    State(App(auth)): State<App>,
    LiveCaller(caller): LiveCaller,
) -> Result<Json<Bots>, Problem> {
    Ok(Json(Bots { items: auth.bots(caller.user_id).await?, next_cursor: None }))
}

/// End a bot
///
/// Its tokens are good for nothing from now on, and its sockets close. What it wrote stays, with its name beside it, which
/// nobody else can take. Who has ended is ended already.
#[utoipa::path(
    delete, path = "/v1/bots/{id}", tag = "bots", params(("id" = UserId, Path)), security(("access_token" = [])),
    responses(
        (status = 204, description = "It has ended."),
        (status = 403, description = "`insufficient_scope`: no API token ends bots"),
        (status = 404, description = "`bot_not_found`: the caller has no such bot"),
    ),
)]
pub(super) async fn delete_bot(
    State(App(auth)): State<App>,
    LiveCaller(caller): LiveCaller,
    origin: Origin,
    PathParam(id): PathParam<UserId>,
) -> Result<StatusCode, Problem> {
    auth.end_bot(caller.user_id, id, &origin).await?;
    Ok(StatusCode::NO_CONTENT)
}
