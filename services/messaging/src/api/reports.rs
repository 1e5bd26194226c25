//! `/v1/conversations/{id}/reports`.

use axum::{Json, extract::State};
use garde::Validate;
use http::StatusCode;
use serde::Deserialize;
use tertulia_contracts::{
    ConversationId, ReportId,
    identity::Caller,
    messaging::{DecideReport, FileReport, Report, Reports},
};
use tertulia_runtime::{
    extract::{PathParam, QueryParams, ValidJson},
    problem::Problem,
};
use utoipa::{IntoParams, ToSchema};

use super::{
    Refused,
    paging::{DEFAULT_PAGE, cursor_at},
};
use crate::service::{Messaging, reports::Filed};

/// Whether reports have a decision.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Status {
    /// They wait for one.
    #[default]
    Open,
    /// They have one.
    Decided,
}

/// A page of reports.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ReportsQuery {
    /// `open`, or `decided`; open if absent.
    #[garde(skip)]
    #[serde(default)]
    #[param(inline)]
    status: Status,
    /// Where the page before this one ended: its `next_cursor`.
    #[garde(inner(length(bytes, min = 1, max = 4096)))]
    #[param(min_length = 1, max_length = 4096, pattern = "^[A-Za-z0-9_-]+$")]
    cursor: Option<String>,
    /// At most so many items; 50 if absent.
    #[garde(inner(range(min = 1, max = tertulia_contracts::messaging::MAX_PAGE)))]
    #[param(minimum = 1, maximum = 200)]
    limit: Option<usize>,
}

/// Reports a message or a member
///
/// To the moderators of a group or a channel, who alone see it. Once a person and thing: asked for again, the first one is
/// answered with 200. At most 20 of one person wait for a decision; the reporter is told of each in their own log.
#[utoipa::path(
    post, path = "/v1/conversations/{id}/reports", tag = "messaging", operation_id = "file_report",
    security(("access_token" = [])),
    params(("id" = ConversationId, Path, description = "The conversation.")),
    request_body = FileReport,
    responses(
        (status = 201, description = "It waits for the moderators.", body = Report),
        (status = 200, description = "They reported it before.", body = Report),
        (status = 409, description = "The message is deleted (`message_deleted`), or too many of the caller's reports are open \
            (`too_many_reports`).", body = Problem, content_type = "application/problem+json"),
        Refused,
    ),
)]
pub(super) async fn file(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    PathParam(id): PathParam<ConversationId>,
    ValidJson(wish): ValidJson<FileReport>,
) -> Result<(StatusCode, Json<Report>), Problem> {
    Ok(match messaging.file_report(id, caller.into(), wish).await? {
        Filed::New(report) => (StatusCode::CREATED, Json(report)),
        Filed::Before(report) => (StatusCode::OK, Json(report)),
    })
}

/// Lists reports
///
/// Moderators and above see those that wait for a decision, or those that have one.
#[utoipa::path(
    get, path = "/v1/conversations/{id}/reports", tag = "messaging", operation_id = "list_reports",
    security(("access_token" = [])),
    params(("id" = ConversationId, Path, description = "The conversation."), ReportsQuery),
    responses((status = 200, description = "A page of them, the oldest first.", body = Reports), Refused),
)]
pub(super) async fn list(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    PathParam(id): PathParam<ConversationId>,
    QueryParams(query): QueryParams<ReportsQuery>,
) -> Result<Json<Reports>, Problem> {
    let (after, limit) = (cursor_at(query.cursor.as_deref())?, query.limit.unwrap_or(DEFAULT_PAGE));
    let decided = query.status == Status::Decided;
    let page = messaging.reports(id, caller.into(), decided, after, limit).await?;
    Ok(Json(Reports { items: page.items, next_cursor: page.next.map(|cursor| cursor.encode()) }))
}

/// Decides on a report
///
/// Moderators and above do, once. The decision stands in the moderation log; the reporter learns it, and not who decided nor why.
#[utoipa::path(
    post, path = "/v1/conversations/{id}/reports/{report_id}/decision", tag = "messaging",
    operation_id = "decide_report",
    security(("access_token" = [])),
    params(
        ("id" = ConversationId, Path, description = "The conversation."),
        ("report_id" = ReportId, Path, description = "The report."),
    ),
    request_body = DecideReport,
    responses(
        (status = 200, description = "It is decided so.", body = Report),
        (status = 409, description = "Something else was decided (`report_decided`).",
            body = Problem, content_type = "application/problem+json"),
        Refused,
    ),
)]
pub(super) async fn decide(
    State(messaging): State<Messaging>,
    Caller(caller): Caller,
    PathParam((id, report)): PathParam<(ConversationId, ReportId)>,
    ValidJson(wish): ValidJson<DecideReport>,
) -> Result<Json<Report>, Problem> {
    Ok(Json(messaging.decide_report(id, caller.into(), report, wish).await?))
}
