//! `/v1/conversations/{id}/export`.

use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use http::header;
use tertulia_contracts::{
    ConversationId,
    identity::Caller,
    messaging::{ExportLine, ExportQuery},
};
use tertulia_runtime::{
    extract::{PathParam, QueryParams},
    problem::Problem,
};

use super::Refused;
use crate::{model::export::media_type, service::Messaging};

/// Exports a conversation
///
/// As JSON Lines, or as one page that reads offline. It holds the messages up to the head at the moment of asking, each as it
/// is when its part is written, and is written as fast as it is read. What breaks off before its last line (`end`, or
/// the page's footer) is not whole.
#[utoipa::path(
    get, path = "/v1/conversations/{id}/export", tag = "messaging", operation_id = "export_conversation",
    security(("access_token" = [])),
    params(("id" = ConversationId, Path, description = "The conversation."), ExportQuery),
    responses(
        (status = 200, description = "The file.",
            content((ExportLine = "application/jsonl"), (String = "text/html"))),
        Refused,
    ),
)]
pub(super) async fn export(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    PathParam(id): PathParam<ConversationId>,
    QueryParams(query): QueryParams<ExportQuery>,
) -> Result<Response, Problem> {
    let (disposition, parts) = messaging.export(id, caller.into(), query.format).await?;
    let head = [
        (header::CONTENT_TYPE, media_type(query.format).to_owned()),
        (header::CONTENT_DISPOSITION, disposition),
        // What members wrote is a file, and never a page of this server.
        (
            header::CONTENT_SECURITY_POLICY,
            "sandbox; default-src 'none'; style-src 'unsafe-inline'".to_owned(),
        ),
    ];
    Ok((head, Body::from_stream(parts)).into_response())
}
