//! `/v1/tokens`: what programs come with.

use axum::{Json, extract::State};
use http::StatusCode;
use tertulia_contracts::{
    TokenId,
    auth::{ApiTokens, CreateToken, IssuedToken, ListTokens, LookUpToken, TokenOwner},
};
use tertulia_runtime::{
    Problem,
    extract::{PathParam, QueryParams, ValidJson},
};

use super::{FreshCaller, LiveCaller};
use crate::{App, model::audit::Origin};

/// Make a token for a program
///
/// It acts as the caller, or as one of their bots, within its scopes: `read` is good for what reads and hears, `write`
/// for what does something in conversations. None is good for the account itself: logins, tokens and bots take somebody who
/// signed in. The token is shown here and never again. At most 50 an account.
#[utoipa::path(
    post, path = "/v1/tokens", tag = "tokens", request_body = CreateToken, security(("access_token" = [])),
    responses(
        (status = 201, description = "The token.", body = IssuedToken),
        (status = 403, description = "`step_up_required`; `insufficient_scope`: an API token makes no others"),
        (status = 404, description = "`bot_not_found`: the caller has no such bot"),
        (status = 409, description = "`too_many_tokens`"),
        (status = 422, description = "`invalid_fields`"),
    ),
)]
pub(super) async fn create_token(
    State(App(auth)): State<App>,
    FreshCaller(caller): FreshCaller,
    origin: Origin,
    ValidJson(request): ValidJson<CreateToken>,
) -> Result<(StatusCode, Json<IssuedToken>), Problem> {
    Ok((StatusCode::CREATED, Json(auth.issue_token(caller.user_id, &origin, request).await?)))
}

/// The caller's tokens, or those of one of their bots
#[utoipa::path(
    get, path = "/v1/tokens", tag = "tokens", params(ListTokens), security(("access_token" = [])),
    responses(
        (status = 200, description = "Oldest first, without their secrets.", body = ApiTokens),
        (status = 403, description = "`insufficient_scope`: no API token sees others"),
        (status = 404, description = "`bot_not_found`: the caller has no such bot"),
    ),
)]
pub(super) async fn list_tokens(
    State(App(auth)): State<App>,
    LiveCaller(caller): LiveCaller,
    QueryParams(query): QueryParams<ListTokens>,
) -> Result<Json<ApiTokens>, Problem> {
    Ok(Json(ApiTokens { items: auth.tokens(caller.user_id, query.bot_id).await?, next_cursor: None }))
}

/// Take a token back
///
/// It is good for nothing from now on, on every node within a second, and the sockets that it opened close.
#[utoipa::path(
    delete, path = "/v1/tokens/{id}", tag = "tokens", params(("id" = TokenId, Path)), security(("access_token" = [])),
    responses(
        (status = 204, description = "It is gone."),
        (status = 403, description = "`insufficient_scope`: no API token ends others"),
        (status = 404, description = "`token_not_found`: neither the caller nor a bot of theirs has it"),
    ),
)]
pub(super) async fn delete_token(
    State(App(auth)): State<App>,
    LiveCaller(caller): LiveCaller,
    origin: Origin,
    PathParam(id): PathParam<TokenId>,
) -> Result<StatusCode, Problem> {
    auth.end_token(caller.user_id, id, &origin).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Whose a token is, for another service that was shown it.
pub(super) async fn look_up_token(
    State(App(auth)): State<App>,
    ValidJson(question): ValidJson<LookUpToken>,
) -> Result<Json<TokenOwner>, Problem> {
    Ok(Json(auth.look_up_token(&question.token).await?))
}
