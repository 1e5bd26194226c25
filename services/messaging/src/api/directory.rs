//! `/v1/directory`.

use axum::{Json, extract::State};
use tertulia_contracts::{
    identity::Caller,
    messaging::{Directory, DirectoryEntry},
};
use tertulia_runtime::{
    extract::{PathParam, QueryParams},
    problem::Problem,
};

use super::{Refused, paging::DirectoryQuery};
use crate::service::Messaging;

/// Lists the channels that everybody can find
///
/// Public and paid ones that are not archived: all of them, those of a tag, or those in whose handle or title each word of
/// `q` begins a word. What is searched by words comes in the order of the word found, then of the name.
#[utoipa::path(
    get, path = "/v1/directory", tag = "messaging", operation_id = "list_directory",
    security(("access_token" = [])),
    params(DirectoryQuery),
    responses((status = 200, description = "A page of them.", body = Directory), Refused),
)]
pub(super) async fn list(
    State(messaging): State<Messaging>,
    _caller: Caller,
    QueryParams(query): QueryParams<DirectoryQuery>,
) -> Result<Json<Directory>, Problem> {
    let (search, after, limit) = query.read()?;
    let page = messaging.directory(&search, after, limit).await?;
    Ok(Json(Directory { items: page.items, next_cursor: page.next.map(|cursor| cursor.encode()) }))
}

/// Finds a channel by its handle
///
/// Archived ones too, and private ones for their members.
#[utoipa::path(
    get, path = "/v1/directory/{handle}", tag = "messaging", operation_id = "find_channel",
    security(("access_token" = [])),
    params(("handle" = String, Path, description = "The channel's unique name.")),
    responses((status = 200, description = "The channel.", body = DirectoryEntry), Refused),
)]
pub(super) async fn find(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    PathParam(handle): PathParam<String>,
) -> Result<Json<DirectoryEntry>, Problem> {
    Ok(Json(messaging.by_handle(caller.into(), &handle).await?))
}
