//! `/v1/users`: people as others see them.

use axum::{Json, extract::State};
use tertulia_contracts::{
    UserId,
    auth::{FindUsers, Profile, Users},
};
use tertulia_runtime::{
    Problem,
    extract::{PathParam, QueryParams},
};

use super::LiveCaller;
use crate::App;

/// Find users by handle or by ids
#[utoipa::path(
    get, path = "/v1/users", tag = "users", params(FindUsers), security(("access_token" = [])),
    responses((status = 200, description = "Those that exist.", body = Users)),
)]
pub(super) async fn find_users(
    State(App(auth)): State<App>,
    _caller: LiveCaller,
    QueryParams(query): QueryParams<FindUsers>,
) -> Result<Json<Users>, Problem> {
    Ok(Json(Users { items: auth.find_users(&query).await?, next_cursor: None }))
}

/// A user
#[utoipa::path(
    get, path = "/v1/users/{id}", tag = "users", params(("id" = UserId, Path)), security(("access_token" = [])),
    responses(
        (status = 200, description = "The user as others see them.", body = Profile),
        (status = 404, description = "`user_not_found`"),
    ),
)]
pub(super) async fn get_user(
    State(App(auth)): State<App>,
    _caller: LiveCaller,
    PathParam(id): PathParam<UserId>,
) -> Result<Json<Profile>, Problem> {
    Ok(Json(auth.user(id).await?))
}

/// The same for another service, on whose behalf nobody signs in.
pub(super) async fn get_user_internally(
    State(App(auth)): State<App>,
    PathParam(id): PathParam<UserId>,
) -> Result<Json<Profile>, Problem> {
    Ok(Json(auth.user(id).await?))
}
