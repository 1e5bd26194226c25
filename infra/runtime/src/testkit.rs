//! What tests stand on: time that stands still, randomness that repeats, waiting without sleeping, and a
//! client that speaks to a router without a socket. Only for tests (feature `testkit`).

#![expect(clippy::missing_panics_doc, reason = "whatever a test asks wrongly, it fails by a panic")]

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Body};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use tower::ServiceExt;

use crate::{Ambient, Clock, Timestamp, entropy::SeededEntropy};

/// Where a frozen clock stands at first: 2026-01-01T00:00:00Z.
const START_MS: i64 = 1_767_225_600_000;

/// A clock that moves only when told to.
pub struct FrozenClock(AtomicI64);

impl FrozenClock {
    /// Stands at 2026-01-01T00:00:00Z.
    pub fn new() -> Self {
        Self(AtomicI64::new(START_MS))
    }

    /// Puts the hands somewhere, forward or back.
    pub fn set(&self, moment: Timestamp) {
        self.0.store(moment.as_millis(), Ordering::SeqCst);
    }

    /// Moves the hands forward.
    pub fn advance(&self, by: Duration) {
        self.set(self.now().plus(by));
    }
}

impl Default for FrozenClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for FrozenClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// Surroundings that repeat: a frozen clock, which the test keeps a handle on, and randomness of this seed.
pub fn frozen(seed: u64) -> (Ambient, Arc<FrozenClock>) {
    let clock = Arc::new(FrozenClock::new());
    (Ambient::new(clock.clone(), Arc::new(SeededEntropy::new(seed))), clock)
}

/// The real clock and the randomness of a seed: for tests that cross processes, where time must pass.
pub fn seeded(seed: u64) -> Ambient {
    Ambient::new(Arc::new(crate::SystemClock), Arc::new(SeededEntropy::new(seed)))
}

/// Polls `attempt` until it gives a value, and returns that.
///
/// # Panics
/// When it has given none within `deadline`.
pub async fn eventually<T, F, A>(deadline: Duration, mut attempt: F) -> T
where
    F: FnMut() -> A,
    A: Future<Output = Option<T>>,
{
    let end = tokio::time::Instant::now() + deadline;
    loop {
        if let Some(value) = attempt().await {
            return value;
        }
        assert!(tokio::time::Instant::now() < end, "it had not happened after {deadline:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Like [`eventually`], for a condition that only has to become true.
///
/// # Panics
/// When it is still false after `deadline`.
pub async fn eventually_true<F, A>(deadline: Duration, mut condition: F)
where
    F: FnMut() -> A,
    A: Future<Output = bool>,
{
    eventually(deadline, || {
        let attempt = condition();
        async { attempt.await.then_some(()) }
    })
    .await;
}

/// Sends requests into a router as one caller. Cheap to clone.
#[derive(Clone)]
pub struct TestClient {
    router: Router,
    headers: HeaderMap,
}

impl TestClient {
    /// A caller with no credentials.
    pub fn new(router: Router) -> Self {
        Self { router, headers: HeaderMap::new() }
    }

    /// The same caller with a bearer token.
    #[must_use]
    pub fn with_token(&self, token: &str) -> Self {
        self.with_header(header::AUTHORIZATION, &format!("Bearer {token}"))
    }

    /// The same caller with one more header on each request.
    #[must_use]
    pub fn with_header(&self, name: HeaderName, value: &str) -> Self {
        let mut headers = self.headers.clone();
        headers.insert(name, HeaderValue::from_str(value).expect("a test's header value is visible ASCII"));
        Self { router: self.router.clone(), headers }
    }

    /// `GET`.
    pub async fn get(&self, path: &str) -> TestResponse {
        self.send(Method::GET, path, None, Body::empty()).await
    }

    /// `DELETE`.
    pub async fn delete(&self, path: &str) -> TestResponse {
        self.send(Method::DELETE, path, None, Body::empty()).await
    }

    /// `POST` of JSON.
    pub async fn post(&self, path: &str, body: &impl Serialize) -> TestResponse {
        self.send_json(Method::POST, path, body).await
    }

    /// `PUT` of JSON.
    pub async fn put(&self, path: &str, body: &impl Serialize) -> TestResponse {
        self.send_json(Method::PUT, path, body).await
    }

    /// `PATCH` of JSON.
    pub async fn patch(&self, path: &str, body: &impl Serialize) -> TestResponse {
        self.send_json(Method::PATCH, path, body).await
    }

    async fn send_json(&self, method: Method, path: &str, body: &impl Serialize) -> TestResponse {
        let body = serde_json::to_vec(body).expect("a test's body encodes");
        self.send(method, path, Some("application/json"), Body::from(body)).await
    }

    /// Any method with any body, for requests that are wrong on purpose.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        media_type: Option<&str>,
        body: impl Into<Body>,
    ) -> TestResponse {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(media_type) = media_type {
            request = request.header(header::CONTENT_TYPE, media_type);
        }
        let mut request = request.body(body.into()).expect("a test's request is well formed");
        request.headers_mut().extend(self.headers.clone());
        self.request(request).await
    }

    /// A whole request of the test's making.
    pub async fn request(&self, request: Request<Body>) -> TestResponse {
        let answer = self.router.clone().oneshot(request).await;
        let (head, body) = answer.unwrap_or_else(|never| match never {}).into_parts();
        let body = body.collect().await.expect("a router's body arrives whole").to_bytes();
        TestResponse { status: head.status, headers: head.headers, body: body.to_vec() }
    }
}

/// An answer, whole.
#[derive(Debug, Clone)]
pub struct TestResponse {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Vec<u8>,
}

impl TestResponse {
    /// The body as text; what is not UTF-8 is replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as any JSON.
    ///
    /// # Panics
    /// When it is not JSON.
    pub fn json(&self) -> Value {
        self.read()
    }

    /// The body as a `T`.
    ///
    /// # Panics
    /// When it is not one.
    pub fn read<T: DeserializeOwned>(&self) -> T {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in an answer of {}: {}", self.status, self.text()))
    }

    /// The same answer, if it has this status.
    ///
    /// # Panics
    /// When it has another; the body is shown.
    #[track_caller]
    #[expect(clippy::return_self_not_must_use, reason = "the status is often all a test asks for")]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "the answer was: {}", self.text());
        self
    }

    /// A header's value, if there is one and it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The `code` of a problem.
    ///
    /// # Panics
    /// When the answer is not a problem with a code.
    #[track_caller]
    pub fn code(&self) -> String {
        assert_eq!(self.header("content-type"), Some(crate::problem::CONTENT_TYPE), "{}", self.text());
        self.read::<crate::problem::Details>().code.into_owned()
    }

    /// The names of the wrong fields of a problem, in order.
    #[track_caller]
    pub fn wrong_fields(&self) -> Vec<String> {
        self.read::<crate::problem::Details>().errors.into_iter().map(|error| error.field).collect()
    }
}
