//! Extractors whose refusals are problems: a JSON body, path parameters and a query string, each read
//! into a type and held against its rules before a handler sees it.
//!
//! Refusals: 400 `malformed_json` (not JSON at all: syntax, invalid UTF-8), 413
//! `body_too_large`, 415 `unsupported_media_type`, 422 `invalid_fields` with the path of every field that
//! breaks a rule (of a wrong type or an unknown or missing field, the first), 404 `not_found` for a path
//! parameter that cannot name anything.

use std::{error::Error as _, fmt::Display};

use axum::{
    extract::{FromRequest, FromRequestParts, Path, Query, Request},
    response::IntoResponse,
};
use bytes::Bytes;
use garde::Validate;
use http::{HeaderMap, StatusCode, header, request::Parts};
use serde::de::{DeserializeOwned, IgnoredAny};

use crate::{FieldError, problem::Problem};

/// A JSON body that has the right shape and keeps its type's rules.
#[derive(Debug, Clone, Copy)]
pub struct ValidJson<T>(pub T);

impl<T, S> FromRequest<S> for ValidJson<T>
where
    T: DeserializeOwned + Validate<Context = ()>,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            let detail = "Send the body as JSON, with Content-Type: application/json.";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail));
        }
        let body = Bytes::from_request(request, state).await.map_err(|refusal| {
            match refusal.into_response().status() {
                StatusCode::PAYLOAD_TOO_LARGE => {
                    let detail = "The body is larger than this address takes.";
                    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail)
                }
                _ => Problem::new(StatusCode::BAD_REQUEST, "incomplete_body", "The body ended early."),
            }
        })?;
        parse_json(&body).map(Self)
    }
}

/// Reads JSON text into a `T` and holds it against its rules, with the refusals of [`ValidJson`]; for
/// bodies that do not arrive through an extractor.
pub fn parse_json<T: DeserializeOwned + Validate<Context = ()>>(text: &[u8]) -> Result<T, Problem> {
    let text = str::from_utf8(text).map_err(|error| malformed(&error))?;
    // serde takes a list for the fields of a struct in their order, which is nobody's promise.
    if text.trim_ascii_start().starts_with('[') {
        serde_json::from_str::<IgnoredAny>(text).map_err(|error| malformed(&error))?;
        let message = "invalid type: sequence, expected an object".to_owned();
        return Err(Problem::invalid_fields(vec![FieldError { field: ".".to_owned(), message }]));
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value: T =
        serde_path_to_error::deserialize(&mut deserializer).map_err(|error| unreadable(text, &error))?;
    deserializer.end().map_err(|error| malformed(&error))?;
    validated(value)
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(media_type) = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

fn validated<T: Validate<Context = ()>>(value: T) -> Result<T, Problem> {
    let Err(report) = value.validate() else { return Ok(value) };
    let field = |(path, error): &(garde::Path, garde::Error)| FieldError {
        field: path.to_string(),
        message: error.message().to_owned(),
    };
    Err(Problem::invalid_fields(report.iter().map(field).collect()))
}

fn malformed(error: &impl Display) -> Problem {
    let detail = format!("The body is not JSON: {error}.");
    Problem::new(StatusCode::BAD_REQUEST, "malformed_json", detail)
}

fn unreadable(text: &str, error: &serde_path_to_error::Error<serde_json::Error>) -> Problem {
    // The text itself decides: a field of the wrong type may stand before the place where it stops being JSON, and a
    // number in the place of an enum's name is "a syntax error" to serde_json.
    if let Err(error) = serde_json::from_str::<IgnoredAny>(text) {
        return malformed(&error);
    }
    let text = error.inner().to_string();
    // The position in the text helps nobody who built the body from values.
    let message = text.rfind(" at line ").map_or(text.as_str(), |end| &text[..end]);
    Problem::invalid_fields(vec![FieldError {
        field: located(error.path(), message),
        message: message.to_owned(),
    }])
}

/// serde names a missing or repeated field only in its message; its path is that of the object around it.
fn located(path: &serde_path_to_error::Path, message: &str) -> String {
    let around = path.iter().next().map(|_| path.to_string());
    let unlocated =
        message.strip_prefix("missing field `").or_else(|| message.strip_prefix("duplicate field `"));
    let Some(name) = unlocated.and_then(|rest| rest.split('`').next()) else {
        return around.unwrap_or_else(|| ".".to_owned());
    };
    around.map_or_else(|| name.to_owned(), |around| format!("{around}.{name}"))
}

/// The parameters of a path. One that does not even look like what it should name is 404, as it names nothing.
#[derive(Debug, Clone, Copy)]
pub struct PathParam<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for PathParam<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(value)) => Ok(Self(value)),
            Err(refusal) if refusal.status().is_client_error() => Err(Problem::not_found()),
            Err(refusal) => {
                tracing::error!(error = %refusal, "a handler's path parameters do not fit its route");
                let detail = "Something went wrong on our side; it has been noted.";
                Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail))
            }
        }
    }
}

/// The query string, with the shape of its type and within its rules.
#[derive(Debug, Clone, Copy)]
pub struct QueryParams<T>(pub T);

impl<T, S> FromRequestParts<S> for QueryParams<T>
where
    T: DeserializeOwned + Validate<Context = ()>,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let query = Query::<T>::try_from_uri(&parts.uri);
        let Query(value) = query.map_err(|refusal| unreadable_query(&refusal))?;
        validated(value).map(Self)
    }
}

fn unreadable_query(refusal: &axum::extract::rejection::QueryRejection) -> Problem {
    type Located = serde_path_to_error::Error<serde::de::value::Error>;
    let mut cause = refusal.source();
    while let Some(error) = cause.filter(|error| !error.is::<Located>()) {
        cause = error.source();
    }
    let located_error = cause.and_then(|error| error.downcast_ref::<Located>());
    let (field, message) = located_error.map_or_else(
        || ("query".to_owned(), refusal.to_string()),
        |error| {
            let message = error.inner().to_string();
            (located(error.path(), &message), message)
        },
    );
    Problem::invalid_fields(vec![FieldError { field, message }])
}

#[cfg(test)]
mod tests;
