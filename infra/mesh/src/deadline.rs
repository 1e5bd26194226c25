//! How much time is left, told from caller to callee. What a service asks of others while it answers ends when its own
//! caller has stopped waiting, so that nobody works for nobody.

use std::{future::Future, time::Duration};

use axum::{
    Router,
    extract::Request,
    middleware::{Next, from_fn},
    response::Response,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::time::Instant;

/// The milliseconds left for the head of the answer, rounded up. A header of the inside: the gateway takes it off
/// what comes from outside.
pub const DEADLINE_MS: HeaderName = HeaderName::from_static("tertulia-deadline-ms");

/// The longest that a header is believed.
const LONGEST: Duration = Duration::from_hours(1);

tokio::task_local! {
    /// When the caller of what this task answers stops waiting.
    static DUE: Instant;
}

/// The router, so that what its handlers call through a mesh ends when [`DEADLINE_MS`] is over. A body that streams
/// on after the head of the answer, and what a handler spawned, is not bound by it.
pub fn within_deadline<S: Clone + Send + Sync + 'static>(router: Router<S>) -> Router<S> {
    router.layer(from_fn(|request: Request, next: Next| async move {
        let left = left(request.headers());
        bounded(left, next.run(request)).await
    }))
}

async fn bounded(left: Option<Duration>, answer: impl Future<Output = Response>) -> Response {
    match left {
        Some(left) => DUE.scope(Instant::now() + left, answer).await,
        None => answer.await,
    }
}

/// When a call ends that may take so long by itself.
pub(crate) fn due(patience: Duration) -> Instant {
    let due = Instant::now() + patience;
    DUE.try_with(|outer| due.min(*outer)).unwrap_or(due)
}

/// Tells the callee.
pub(crate) fn tell(headers: &mut HeaderMap, due: Instant) {
    let left = due.saturating_duration_since(Instant::now()).as_micros().div_ceil(1000);
    headers.insert(DEADLINE_MS, HeaderValue::from(u64::try_from(left).unwrap_or(u64::MAX)));
}

fn left(headers: &HeaderMap) -> Option<Duration> {
    let ms = headers.get(DEADLINE_MS)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_millis(ms).min(LONGEST))
}
