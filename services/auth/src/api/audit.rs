//! `/v1/operator/audit`: what was done, and whether that is what was written.

use std::convert::Infallible;

use axum::{
    Json,
    extract::{FromRequestParts, State},
};
use http::request::Parts;
use tertulia_contracts::{
    address::client_address,
    auth::{AuditEntries, AuditVerification, SearchAudit, VerifyAudit},
    permissions::InstanceAction,
};
use tertulia_runtime::{Problem, extract::QueryParams};

use super::LiveCaller;
use crate::{App, model::audit::Origin, service::operator::must};

/// From where a request comes; who sends it, its handler says.
impl FromRequestParts<App> for Origin {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Infallible> {
        Ok(Self::from_address(client_address(&parts.headers)))
    }
}

/// The audit trail
///
/// Those entries that fit all of the query. A page may hold fewer than were asked for while there are more.
#[utoipa::path(
    get, path = "/v1/operator/audit", tag = "operator", params(SearchAudit), security(("access_token" = [])),
    responses(
        (status = 200, description = "Newest first.", body = AuditEntries),
        (status = 403, description = "`operator_only`; `insufficient_scope`: no API token reads it"),
        (status = 422, description = "`invalid_fields`"),
    ),
)]
pub(super) async fn search_audit(
    State(App(auth)): State<App>,
    LiveCaller(caller): LiveCaller,
    QueryParams(query): QueryParams<SearchAudit>,
) -> Result<Json<AuditEntries>, Problem> {
    must(&caller, InstanceAction::ReadAudit)?;
    Ok(Json(auth.search_audit(&query).await?))
}

/// Verify the audit trail
///
/// From the first entry on, or behind one that was noted elsewhere: at most 10,000 entries. If it is not `complete`, go on behind
/// `good_to`.
#[utoipa::path(
    get, path = "/v1/operator/audit/verification", tag = "operator", params(VerifyAudit),
    security(("access_token" = [])),
    responses(
        (status = 200, description = "Up to where it is whole, and what is broken first.", body = AuditVerification),
        (status = 403, description = "`operator_only`; `insufficient_scope`: no API token verifies it"),
        (status = 422, description = "`invalid_fields`"),
    ),
)]
pub(super) async fn verify_audit(
    State(App(auth)): State<App>,
    LiveCaller(caller): LiveCaller,
    QueryParams(query): QueryParams<VerifyAudit>,
) -> Result<Json<AuditVerification>, Problem> {
    must(&caller, InstanceAction::ReadAudit)?;
    Ok(Json(auth.verify_audit(&query).await?))
}
