//! `/v1/conversations/{id}/emoji`.

use axum::{Json, extract::State};
use http::StatusCode;
use tertulia_contracts::{
    ConversationId, MediaId,
    identity::Caller,
    messaging::{CustomEmojis, PutEmoji, is_emoji_name},
};
use tertulia_runtime::{
    extract::{PathParam, ValidJson},
    problem::Problem,
};

use super::Refused;
use crate::{Error, model::change::Change, service::Messaging};

/// What the address of an emoji names.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "it only describes what parameters there are")]
struct OneEmoji {
    /// The conversation.
    id: ConversationId,
    /// What stands between the colons: 2 to 32 lower-case letters, digits, `_` and `-`.
    #[param(min_length = 2, max_length = 32, pattern = "^[a-z0-9_-]+$")]
    name: String,
}

/// Lists the emoji of a conversation's own
///
/// For all who read it.
#[utoipa::path(
    get, path = "/v1/conversations/{id}/emoji", tag = "messaging", operation_id = "list_emoji",
    security(("access_token" = [])),
    params(("id" = ConversationId, Path, description = "The conversation.")),
    responses((status = 200, description = "All of them.", body = CustomEmojis), Refused),
)]
pub(super) async fn list(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    PathParam(id): PathParam<ConversationId>,
) -> Result<Json<CustomEmojis>, Problem> {
    Ok(Json(messaging.emoji(id, caller.into()).await?))
}

/// Makes an emoji of a conversation's own, or changes its picture
///
/// Whoever may `manage_emoji`. From then on `:name:` is it in what is posted and edited, and one reacts with it. Again is the
/// same.
#[utoipa::path(
    put, path = "/v1/conversations/{id}/emoji/{name}", tag = "messaging", operation_id = "put_emoji",
    security(("access_token" = [])),
    params(OneEmoji),
    request_body = PutEmoji,
    responses(
        (status = 204, description = "It is so."),
        (status = 409, description = "The conversation has 200 (`too_many_emoji`).",
            body = Problem, content_type = "application/problem+json"),
        Refused,
    ),
)]
pub(super) async fn put(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    PathParam((id, name)): PathParam<(ConversationId, String)>,
    ValidJson(wish): ValidJson<PutEmoji>,
) -> Result<StatusCode, Problem> {
    messaging.change(id, caller.into(), wanted(name, Some(wish.media_id))?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Removes an emoji of a conversation's own
///
/// Whoever may `manage_emoji`. Where it stands already, in bodies and in reactions, it stays what it was. Again is the same.
#[utoipa::path(
    delete, path = "/v1/conversations/{id}/emoji/{name}", tag = "messaging", operation_id = "remove_emoji",
    security(("access_token" = [])),
    params(OneEmoji),
    responses((status = 204, description = "There is none."), Refused),
)]
pub(super) async fn remove(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    PathParam((id, name)): PathParam<(ConversationId, String)>,
) -> Result<StatusCode, Problem> {
    messaging.change(id, caller.into(), wanted(name, None)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn wanted(name: String, media_id: Option<MediaId>) -> Result<Change, Error> {
    let fits = is_emoji_name(&name);
    let wrong = || Error::invalid("name", "use 2 to 32 lower-case letters, digits, _ and -");
    fits.then_some(Change::Emoji(name, media_id)).ok_or_else(wrong)
}
