use std::{borrow::Cow, io, time::Duration};

use axum::{
    Router,
    routing::{get, post},
};

use super::{CONTENT_TYPE, Problem, chain, layers, name_request, status_of};
use crate::{Fault, FieldError, Kind, testkit::TestClient};

#[derive(Debug, thiserror::Error)]
#[error("the disk said no")]
struct DiskFault {
    kind: Kind,
    source: io::Error,
}

impl Fault for DiskFault {
    fn kind(&self) -> Kind {
        self.kind
    }
    fn code(&self) -> &'static str {
        "disk_away"
    }
    fn detail(&self) -> Cow<'static, str> {
        "Try again in a moment.".into()
    }
    fn fields(&self) -> Vec<FieldError> {
        vec![FieldError { field: "body".into(), message: "too much".into() }]
    }
    fn retry_after(&self) -> Option<Duration> {
        (self.kind == Kind::RateLimited).then_some(Duration::from_millis(2_500))
    }
}

fn fault(kind: Kind) -> DiskFault {
    DiskFault { kind, source: io::Error::other("/var/secret/path is full") }
}

fn failing(kind: Kind) -> Result<(), Problem> {
    Err(fault(kind))?
}

fn client() -> TestClient {
    let router = Router::new()
        .route("/limited", get(async || failing(Kind::RateLimited)))
        .route("/internal", get(async || failing(Kind::Internal)))
        .route("/unknown-caller", get(async || failing(Kind::Unauthenticated)))
        .route("/away", get(async || failing(Kind::Unavailable)))
        .route("/panic", get(async || -> () { panic!("a secret") }))
        .route("/text", post(async |body: String| body));
    TestClient::new(layers(router))
}

#[tokio::test]
async fn a_fault_becomes_a_problem_that_hides_its_causes() {
    let answer = client().get("/internal").await.expect(500);
    assert_eq!(answer.header("content-type"), Some(CONTENT_TYPE));
    let expected = serde_json::json!({
        "type": "urn:tertulia:problem:disk_away", "title": "Internal Server Error", "status": 500,
        "code": "disk_away", "detail": "Try again in a moment.", "errors": [{"field": "body", "message": "too much"}],
    });
    assert_eq!(answer.json(), expected);
    assert!(chain(&fault(Kind::Internal)).contains("/var/secret/path"), "the log lacks the cause");
}

#[tokio::test]
async fn the_headers_say_when_to_come_back_and_how_to_log_in() {
    assert_eq!(client().get("/limited").await.expect(429).header("retry-after"), Some("3"));
    assert_eq!(client().get("/away").await.expect(503).header("retry-after"), Some("1"));
    assert_eq!(client().get("/unknown-caller").await.expect(401).header("www-authenticate"), Some("Bearer"));
}

#[tokio::test]
async fn what_a_router_refuses_by_itself_is_a_problem_too() {
    assert_eq!(client().get("/nowhere").await.expect(404).code(), "route_not_found");
    let wrong_method = client().delete("/limited").await.expect(405);
    assert_eq!(wrong_method.code(), "method_not_allowed");
    assert_eq!(wrong_method.header("allow"), Some("GET,HEAD"));
    let not_utf8 = client().send(http::Method::POST, "/text", None, vec![0xff, 0xfe]).await.expect(400);
    assert_eq!(not_utf8.code(), "bad_request");
    let too_large = client().send(http::Method::POST, "/text", None, vec![b'a'; 3 << 20]).await.expect(413);
    assert_eq!(too_large.code(), "body_too_large");
}

#[tokio::test]
async fn a_panic_is_a_problem_and_its_text_stays_inside() {
    let answer = client().get("/panic").await.expect(500);
    assert_eq!(answer.code(), "internal");
    assert!(!answer.text().contains("secret"));
}

#[tokio::test]
async fn the_request_id_is_written_into_a_problem() {
    let name = axum::middleware::map_response(async |mut response: axum::response::Response| {
        name_request(&mut response, "req-1");
        response
    });
    let client = TestClient::new(layers(Router::new()).layer(name));
    assert_eq!(client.get("/nowhere").await.expect(404).json()["request_id"], "req-1");
}

#[test]
fn every_kind_has_a_status_of_its_own() {
    use Kind::{
        Conflict, Forbidden, Internal, Invalid, NotFound, RateLimited, Timeout, Unauthenticated, Unavailable,
    };
    let kinds = [
        NotFound,
        Conflict,
        Invalid,
        Unauthenticated,
        Forbidden,
        RateLimited,
        Unavailable,
        Timeout,
        Internal,
    ];
    let statuses = kinds.map(|kind| status_of(kind).as_u16());
    assert_eq!(statuses, [404, 409, 422, 401, 403, 429, 503, 504, 500]);
}

#[test]
fn the_schema_of_a_problem_lists_what_a_client_reads() {
    let schema = serde_json::to_value(<Problem as utoipa::PartialSchema>::schema()).unwrap();
    let fields: Vec<_> = schema["properties"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(fields, ["code", "detail", "errors", "request_id", "status", "title", "type"]);
}
