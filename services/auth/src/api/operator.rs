//! `/v1/operator`: what whoever runs the instance sees.

use axum::{Json, extract::State};
use tertulia_contracts::{
    auth::{ListMail, SentMails},
    permissions::InstanceAction,
};
use tertulia_runtime::{Problem, extract::QueryParams};

use super::LiveCaller;
use crate::{App, service::operator::must};

/// The mails that this instance keeps instead of sending them
///
/// Each for 30 days, the newest 1,000. Who runs an instance without a mail server passes on what is in them.
#[utoipa::path(
    get, path = "/v1/operator/mail", tag = "operator", params(ListMail), security(("access_token" = [])),
    responses(
        (status = 200, description = "Newest first.", body = SentMails),
        (status = 403, description = "`operator_only`; `insufficient_scope`: no API token reads them"),
        (status = 404, description = "`no_outbox`: mail is sent over SMTP, and none is kept"),
        (status = 422, description = "`invalid_fields`"),
    ),
)]
pub(super) async fn list_mail(
    State(App(auth)): State<App>,
    LiveCaller(caller): LiveCaller,
    QueryParams(query): QueryParams<ListMail>,
) -> Result<Json<SentMails>, Problem> {
    must(&caller, InstanceAction::ReadMail)?;
    Ok(Json(auth.kept_mail(&query).await?))
}
