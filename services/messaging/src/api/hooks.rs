//! `/v1/conversations/{id}/hooks`, and `/v1/hooks/{secret}`, which takes and answers what Slack's incoming webhooks do.

use std::borrow::Cow;

use axum::{
    Json,
    body::Bytes,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode, header};
use serde_json::Map;
use tertulia_contracts::{
    ConversationId, HookId,
    identity::Caller,
    messaging::{CreateHook, Hooks, IssuedHook},
    permissions::Denial,
};
use tertulia_runtime::{
    extract::{PathParam, ValidJson},
    problem::Problem,
};
use url::form_urlencoded;

use super::Refused;
use crate::{
    Error,
    model::slack::{Payload, Unsayable},
    service::Messaging,
};

/// Makes a hook
///
/// Programs post through its address, which is shown this once, what they would post to Slack. It is good for as long as
/// whoever made it may post and manage hooks there. At most 20 a conversation.
#[utoipa::path(
    post, path = "/v1/conversations/{id}/hooks", tag = "messaging", operation_id = "create_hook",
    security(("access_token" = [])),
    params(("id" = ConversationId, Path, description = "The conversation.")),
    request_body = CreateHook,
    responses(
        (status = 201, description = "It is made.", body = IssuedHook),
        (status = 409, description = "There are 20 (`too_many_hooks`).",
            body = Problem, content_type = "application/problem+json"),
        Refused,
    ),
)]
pub(super) async fn create(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    PathParam(id): PathParam<ConversationId>,
    ValidJson(wish): ValidJson<CreateHook>,
) -> Result<(StatusCode, Json<IssuedHook>), Problem> {
    Ok((StatusCode::CREATED, Json(messaging.make_hook(id, caller.into(), wish).await?)))
}

/// Lists a conversation's hooks
///
/// For whoever may manage them. Their addresses are not among what is shown.
#[utoipa::path(
    get, path = "/v1/conversations/{id}/hooks", tag = "messaging", operation_id = "list_hooks",
    security(("access_token" = [])),
    params(("id" = ConversationId, Path, description = "The conversation.")),
    responses((status = 200, description = "All of them, oldest first.", body = Hooks), Refused),
)]
pub(super) async fn list(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    PathParam(id): PathParam<ConversationId>,
) -> Result<Json<Hooks>, Problem> {
    Ok(Json(Hooks { items: messaging.hooks(id, caller.into()).await? }))
}

/// Ends a hook
///
/// Nothing comes through it any more; what came stays. Again is the same.
#[utoipa::path(
    delete, path = "/v1/conversations/{id}/hooks/{hook_id}", tag = "messaging", operation_id = "delete_hook",
    security(("access_token" = [])),
    params(
        ("id" = ConversationId, Path, description = "The conversation."),
        ("hook_id" = HookId, Path, description = "The hook."),
    ),
    responses((status = 204, description = "It is gone."), Refused),
)]
pub(super) async fn delete(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    PathParam((id, hook)): PathParam<(ConversationId, HookId)>,
) -> Result<StatusCode, Problem> {
    messaging.end_hook(id, caller.into(), hook).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Posts through a hook
///
/// Takes what Slack's incoming webhooks take, as JSON or as the field `payload` of a form, and posts it as `CommonMark`. The
/// body of the answer is one of Slack's words, which its clients compare with; failures that Slack has no word for are
/// problems as everywhere.
#[utoipa::path(
    post, path = "/v1/hooks/{secret}", tag = "messaging", operation_id = "post_through_hook",
    params(("secret" = String, Path, description = "The hook's secret, as its address was shown.")),
    request_body(content((Payload = "application/json"), (String = "application/x-www-form-urlencoded"))),
    responses(
        (status = 200, description = "`ok`: it is posted.", body = String, content_type = "text/html"),
        (status = 400, description = "`invalid_payload`, `no_text`, `too_many_attachments` or `invalid_blocks`.",
            body = String, content_type = "text/html"),
        (status = 403, description = "`action_prohibited`: whoever made the hook may not post this there any more.",
            body = String, content_type = "text/html"),
        (status = 404, description = "`no_service`: there is no such hook. `channel_not_found`: its maker lost the conversation.",
            body = String, content_type = "text/html"),
        (status = 410, description = "`channel_is_archived`.", body = String, content_type = "text/html"),
        (status = 429, description = "`Retry-After` says when to come back.",
            body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "A part of the service is away; `Retry-After` says when to come back.",
            body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn post(
    State(messaging): State<Messaging>,
    PathParam(secret): PathParam<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let Some(hook) = messaging.hook_of(&secret).await? else {
        return Ok(word(StatusCode::NOT_FOUND, "no_service"));
    };
    // Read as an object first: a list is not taken for the fields of a payload in their order.
    let object = payload_of(&headers, &body).and_then(|json| serde_json::from_slice::<Map<_, _>>(&json).ok());
    let payload = object.and_then(|object| serde_json::from_value::<Payload>(object.into()).ok());
    let Some(payload) = payload else { return Ok(word(StatusCode::BAD_REQUEST, "invalid_payload")) };
    match payload.read() {
        Ok(said) => match messaging.post_through(hook, said).await {
            Ok(()) => Ok(word(StatusCode::OK, "ok")),
            Err(error) => refused(error),
        },
        Err(why) => Ok(word(StatusCode::BAD_REQUEST, unsayable(why))),
    }
}

/// An answer in Slack's manner. Its type is Slack's, too; the words are constants, so that no page can be made of them.
fn word(status: StatusCode, word: &'static str) -> Response {
    (status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], word).into_response()
}

/// The payload's JSON: the body, or the field of a form that it stands in.
fn payload_of<'a>(headers: &HeaderMap, body: &'a [u8]) -> Option<Cow<'a, [u8]>> {
    let media_type =
        headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_form = media_type.trim().to_ascii_lowercase().starts_with("application/x-www-form-urlencoded");
    // What a program posts without saying what it is, curl calls a form, too.
    if !is_form || body.trim_ascii_start().starts_with(b"{") {
        return Some(Cow::Borrowed(body));
    }
    let (_, payload) = form_urlencoded::parse(body).find(|(name, _)| name == "payload")?;
    Some(Cow::Owned(payload.into_owned().into_bytes()))
}

/// Slack's words ("Handling errors" in "Sending messages using incoming webhooks"; `invalid_blocks` is of `chat.postMessage`).
const fn unsayable(why: Unsayable) -> &'static str {
    match why {
        Unsayable::NoText => "no_text",
        Unsayable::TooManyAttachments => "too_many_attachments",
        Unsayable::TooManyBlocks => "invalid_blocks",
    }
}

/// Likewise. Why its maker may not post is nobody's business who has the secret alone.
fn refused(error: Error) -> Result<Response, Problem> {
    match error {
        Error::NotAllowed(Denial::Archived) => Ok(word(StatusCode::GONE, "channel_is_archived")),
        // Fields are wrong that hold a word or a link which is kept out of the conversation.
        Error::NotAllowed(_) | Error::InvalidFields(_) => {
            Ok(word(StatusCode::FORBIDDEN, "action_prohibited"))
        }
        Error::NoSuchConversation => Ok(word(StatusCode::NOT_FOUND, "channel_not_found")),
        error => Err(error.into()),
    }
}
