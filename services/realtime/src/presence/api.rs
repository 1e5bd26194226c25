//! How people are seen, for who has no socket to hear it on.

use std::{collections::BTreeSet, sync::Arc};

use axum::{Json, extract::State};
use garde::Validate;
use http::HeaderMap;
use serde::Deserialize;
use tertulia_contracts::{
    UserId,
    identity::{Scope, bearer},
    presence::{MAX_PRESENCE_USERS, Presences},
};
use tertulia_runtime::{FieldError, extract::QueryParams, problem::Problem};
use utoipa::IntoParams;

use crate::{error::Error, hub::Hub};

/// Of whom.
#[derive(Debug, Default, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PresenceQuery {
    /// Their ids, at most 200; commas between.
    #[garde(skip)]
    users: String,
}

/// Shows how people are seen just now.
///
/// Who shares no direct conversation and no group with the caller, keeps apart from them, is invisible or does not exist
/// is `offline`; nothing tells one from the other. Everybody is `unknown` while it cannot be told.
#[utoipa::path(
    get,
    path = "/v1/presence",
    tag = "realtime",
    params(PresenceQuery),
    responses(
        (status = 200, description = "Each, once.", body = Presences),
        (status = 401, description = "No valid token.", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "`insufficient_scope`: a token without `read`.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_fields`: not ids, or too many.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "A part of the service is away; `Retry-After` says when to come back.", body = Problem, content_type = "application/problem+json"),
    ),
    security(("access_token" = []))
)]
pub(crate) async fn presence(
    State(hub): State<Arc<Hub>>,
    headers: HeaderMap,
    QueryParams(query): QueryParams<PresenceQuery>,
) -> Result<Json<Presences>, Problem> {
    let identity = hub.verifier.verify(bearer(&headers)?).await?;
    identity.permit(Scope::Read)?;
    let users = query.users()?;
    let seen = hub.see(identity.user_id, &users).await;
    Ok(Json(Presences { items: seen.map_err(|refusal| Error::NobodySeen(refusal.code))? }))
}

impl PresenceQuery {
    /// Each once, in the order they are named.
    fn users(&self) -> Result<Vec<UserId>, Problem> {
        let wrong = |message: String| {
            Problem::invalid_fields(vec![FieldError { field: "users".to_owned(), message }])
        };
        let (mut users, mut known) = (Vec::new(), BTreeSet::new());
        for text in self.users.split(',').map(str::trim).filter(|text| !text.is_empty()) {
            let user = text.parse().map_err(|_| wrong(format!("{text:?} is no user's id")))?;
            if known.insert(user) {
                users.push(user);
            }
            if users.len() > MAX_PRESENCE_USERS {
                return Err(wrong(format!("at most {MAX_PRESENCE_USERS} people are asked about at once")));
            }
        }
        Ok(users)
    }
}
