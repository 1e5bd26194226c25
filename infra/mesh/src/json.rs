//! Questions and answers in JSON, refusals in problem+json.

use std::time::Duration;

use axum::body::Body;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tertulia_runtime::{FieldError, Kind};

use crate::{Affinity, Mesh, MeshError};

impl Mesh {
    /// Asks a role in JSON and reads its answer, all within [`MeshConfig::deadline`](crate::MeshConfig). An
    /// answer without a body reads as `null`, so `()` is a fitting `Res` for 204.
    ///
    /// # Errors
    /// As [`call`](Mesh::call); a status of 400 or above is [`MeshError::Refused`]; an answer that is no `Res`,
    /// or larger than [`MeshConfig::json_limit_bytes`](crate::MeshConfig), is [`MeshError::Malformed`].
    pub async fn call_json<Req: Serialize + Sync + ?Sized, Res: DeserializeOwned>(
        &self,
        role: &str,
        method: Method,
        path: &str,
        bearer: Option<&str>,
        body: Option<&Req>,
    ) -> Result<Res, MeshError> {
        let request = json_request(method, path, bearer, body);
        self.ask_in_time(role, request).await
    }

    /// The same of the instance that serves what `near` names.
    ///
    /// # Errors
    /// As [`call_json`](Mesh::call_json).
    pub async fn call_json_near<Req: Serialize + Sync + ?Sized, Res: DeserializeOwned>(
        &self,
        near: Affinity,
        role: &str,
        method: Method,
        path: &str,
        bearer: Option<&str>,
        body: Option<&Req>,
    ) -> Result<Res, MeshError> {
        let request = json_request(method, path, bearer, body).map(|mut request| {
            request.extensions_mut().insert(near);
            request
        });
        self.ask_in_time(role, request).await
    }

    async fn ask_in_time<Res: DeserializeOwned>(
        &self,
        role: &str,
        request: Result<Request<Body>, String>,
    ) -> Result<Res, MeshError> {
        let request = request.map_err(|cause| MeshError::Malformed { role: role.to_owned(), cause })?;
        let deadline = self.inner.config.deadline;
        tokio::time::timeout(deadline, self.ask(role, request))
            .await
            .unwrap_or_else(|_| Err(MeshError::Timeout { role: role.to_owned(), after: deadline }))
    }

    async fn ask<Res: DeserializeOwned>(&self, role: &str, request: Request<Body>) -> Result<Res, MeshError> {
        let (head, body) = self.call(role, request).await?.into_parts();
        let body = Limited::new(body, self.inner.config.json_limit_bytes).collect().await;
        let body = body.map_err(|error| {
            let (role, cause) = (role.to_owned(), error.to_string());
            if error.is::<http_body_util::LengthLimitError>() {
                MeshError::Malformed { role, cause }
            } else {
                MeshError::Broken { role, cause }
            }
        })?;
        let bytes = body.to_bytes();
        if head.status.is_client_error() || head.status.is_server_error() {
            return Err(refusal(role, head.status, &head.headers, &bytes));
        }
        let json: &[u8] = if bytes.is_empty() { b"null" } else { &bytes };
        serde_json::from_slice(json)
            .map_err(|error| MeshError::Malformed { role: role.to_owned(), cause: error.to_string() })
    }
}

fn json_request<Req: Serialize + ?Sized>(
    method: Method,
    path: &str,
    bearer: Option<&str>,
    body: Option<&Req>,
) -> Result<Request<Body>, String> {
    let mut request = Request::builder().method(method).uri(path).header(header::ACCEPT, "application/json");
    if let Some(bearer) = bearer {
        let mut value =
            HeaderValue::try_from(format!("Bearer {bearer}")).map_err(|error| error.to_string())?;
        value.set_sensitive(true);
        request = request.header(header::AUTHORIZATION, value);
    }
    let body = match body {
        Some(body) => {
            request = request.header(header::CONTENT_TYPE, "application/json");
            Body::from(serde_json::to_vec(body).map_err(|error| error.to_string())?)
        }
        None => Body::empty(),
    };
    request.body(body).map_err(|error| error.to_string())
}

/// The members of problem+json (RFC 9457) that this product uses.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Problem {
    code: Option<String>,
    detail: Option<String>,
    errors: Vec<WrongField>,
}

#[derive(Deserialize)]
struct WrongField {
    field: String,
    message: String,
}

/// What a role that is not ours, or a layer before it, answers may lack the code; the status says enough then.
fn refusal(role: &str, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> MeshError {
    let problem: Problem = serde_json::from_slice(body).unwrap_or_default();
    let seconds = headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    let said = |text: Option<String>, unsaid: &str| text.unwrap_or_else(|| unsaid.to_owned());
    MeshError::Refused {
        role: role.to_owned(),
        kind: kind_of(status),
        code: said(problem.code, status.as_str()),
        detail: said(problem.detail, "The request was refused."),
        fields: problem
            .errors
            .into_iter()
            .map(|it| FieldError { field: it.field, message: it.message })
            .collect(),
        retry_after: seconds.map(Duration::from_secs),
    }
}

fn kind_of(status: StatusCode) -> Kind {
    match status {
        StatusCode::NOT_FOUND | StatusCode::GONE => Kind::NotFound,
        StatusCode::CONFLICT | StatusCode::PRECONDITION_FAILED => Kind::Conflict,
        StatusCode::UNAUTHORIZED => Kind::Unauthenticated,
        StatusCode::FORBIDDEN => Kind::Forbidden,
        StatusCode::TOO_MANY_REQUESTS => Kind::RateLimited,
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE => Kind::Unavailable,
        StatusCode::REQUEST_TIMEOUT | StatusCode::GATEWAY_TIMEOUT => Kind::Timeout,
        status if status.is_client_error() => Kind::Invalid,
        _ => Kind::Internal,
    }
}
