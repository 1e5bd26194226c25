//! Numbers about the process, in a registry that is handed around, and `/metrics`, which shows them in the
//! `OpenMetrics` text format (<https://github.com/prometheus/OpenMetrics/blob/main/specification/OpenMetrics.md>).
//!
//! Promises: asking twice for one name gives the same metric, so several parts of one process can share it;
//! the labels of HTTP metrics are bounded, because a route is the router's pattern and never the path.

use std::{
    any::Any,
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    Router,
    extract::{MatchedPath, Request, State},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::get,
};
use http::{Method, StatusCode, header};
pub use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
};
use prometheus_client::{encoding::text::encode, metrics::histogram::exponential_buckets, registry};
use tokio::time::Instant;

const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A registry under a prefix. Cheap to clone; clones and sub-registries write to the same page.
#[derive(Clone)]
pub struct Metrics {
    prefix: String,
    catalogue: Arc<Mutex<Catalogue>>,
}

#[derive(Default)]
struct Catalogue {
    registry: registry::Registry,
    by_name: BTreeMap<String, Box<dyn Any + Send>>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self { prefix: "tertulia".to_owned(), catalogue: Arc::default() }
    }
}

impl Metrics {
    /// An empty registry; its names begin with `tertulia_`.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same registry with a longer prefix: `metrics.sub("bus")` names `tertulia_bus_...`.
    #[must_use]
    pub fn sub(&self, prefix: &str) -> Self {
        Self { prefix: format!("{}_{prefix}", self.prefix), catalogue: self.catalogue.clone() }
    }

    /// A number that only grows. `_total` is added to its name.
    pub fn counter(&self, name: &str, help: &str) -> Counter {
        self.metric(name, help, Counter::default)
    }

    /// A number that goes up and down.
    pub fn gauge(&self, name: &str, help: &str) -> Gauge {
        self.metric(name, help, Gauge::default)
    }

    /// A distribution; `buckets` are upper bounds, ascending.
    pub fn histogram(&self, name: &str, help: &str, buckets: &[f64]) -> Histogram {
        self.metric(name, help, || Histogram::new(buckets.iter().copied()))
    }

    /// Counters or gauges told apart by labels. Whoever chooses the labels keeps their values few.
    pub fn family<L, M>(&self, name: &str, help: &str) -> Family<L, M>
    where
        L: EncodeLabelSet + Clone + std::hash::Hash + Eq + fmt::Debug + Send + Sync + 'static,
        M: Default + fmt::Debug + Send + Sync + 'static,
        Family<L, M>: registry::Metric,
    {
        self.metric(name, help, Family::default)
    }

    /// Any metric of the library's. The first caller's `make` decides; later ones get that one.
    ///
    /// # Panics
    /// When the name is taken by a metric of another type: two parts of the program disagree.
    pub fn metric<M>(&self, name: &str, help: &str, make: impl FnOnce() -> M) -> M
    where
        M: registry::Metric + Clone,
    {
        let name = format!("{}_{name}", self.prefix);
        let mut catalogue = lock(&self.catalogue);
        if let Some(known) = catalogue.by_name.get(&name) {
            let known = known.downcast_ref::<M>();
            return known.unwrap_or_else(|| panic!("the metric {name} has two types")).clone();
        }
        let metric = make();
        catalogue.registry.register(&name, help, metric.clone());
        catalogue.by_name.insert(name, Box::new(metric.clone()));
        metric
    }

    /// The page as text.
    pub fn text(&self) -> String {
        let mut page = String::new();
        // A String takes whatever is written to it, so the only error there is cannot happen.
        let _ = encode(&mut page, &lock(&self.catalogue).registry);
        page
    }

    /// `/metrics`.
    pub fn router<S: Clone + Send + Sync + 'static>(&self) -> Router<S> {
        let page =
            async |State(metrics): State<Self>| ([(header::CONTENT_TYPE, CONTENT_TYPE)], metrics.text());
        Router::new().route("/metrics", get(page)).with_state(self.clone())
    }

    /// Counts a role's requests, errors and durations (RED) by route, method and class of status.
    /// Put it on after the last merge: a router merged later brings its own fallback, which is not counted.
    pub fn observe<S: Clone + Send + Sync + 'static>(
        &self,
        role: &'static str,
        router: Router<S>,
    ) -> Router<S> {
        let http = self.sub("http");
        let counts = HttpMetrics {
            role,
            requests: http.family("requests", "Requests answered, by class of status"),
            in_flight: http.family("requests_in_flight", "Requests being answered"),
            seconds: http.metric("request_seconds", "Time to the head of the answer", || {
                Family::new_with_constructor(duration_histogram as fn() -> Histogram)
            }),
        };
        router.layer(from_fn_with_state(counts, count))
    }
}

fn lock(catalogue: &Mutex<Catalogue>) -> MutexGuard<'_, Catalogue> {
    catalogue.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From 0.5 ms to 16 s, each twice the one before.
fn duration_histogram() -> Histogram {
    Histogram::new(exponential_buckets(0.000_5, 2.0, 16))
}

/// Names the route of an answer whose router matched none of its own: the gateway's, which forwards.
#[derive(Debug, Clone, Copy)]
pub struct RouteName(pub &'static str);

#[derive(Clone)]
struct HttpMetrics {
    role: &'static str,
    requests: Family<Answered, Counter>,
    in_flight: Family<ByRole, Gauge>,
    seconds: Family<ByRoute, Histogram, fn() -> Histogram>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByRole {
    role: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByRoute {
    role: &'static str,
    method: &'static str,
    route: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    role: &'static str,
    method: &'static str,
    route: String,
    status: &'static str,
}

/// Counts down even when the client goes away and the handler is dropped half way.
struct InFlight(Gauge);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

async fn count(State(metrics): State<HttpMetrics>, request: Request, next: Next) -> Response {
    let gauge = metrics.in_flight.get_or_create_owned(&ByRole { role: metrics.role });
    gauge.inc();
    let _in_flight = InFlight(gauge);
    let (role, method) = (metrics.role, method_name(request.method()));
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let started = Instant::now();
    let response = next.run(request).await.into_response();
    let named = response.extensions().get::<RouteName>().map(|name| name.0);
    let route = named.or(matched.as_ref().map(MatchedPath::as_str)).unwrap_or("none").to_owned();
    let status = status_class(response.status());
    metrics.requests.get_or_create(&Answered { role, method, route: route.clone(), status }).inc();
    let seconds = started.elapsed().as_secs_f64();
    metrics.seconds.get_or_create(&ByRoute { role, method, route }).observe(seconds);
    response
}

/// A method a client made up must not make a label.
fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "OTHER",
    }
}

fn status_class(status: StatusCode) -> &'static str {
    match status.as_u16() / 100 {
        1 => "1xx",
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::TestClient;

    #[test]
    fn one_name_is_one_metric() {
        let metrics = Metrics::new();
        metrics.sub("bus").counter("published", "Events published").inc();
        metrics.sub("bus").counter("published", "Events published").inc_by(2);
        metrics.gauge("sockets", "Open sockets").set(5);
        let page = metrics.text();
        assert_eq!(page.matches("# HELP tertulia_bus_published").count(), 1, "{page}");
        assert!(page.contains("tertulia_bus_published_total 3\n"), "{page}");
        assert!(page.contains("tertulia_sockets 5\n"), "{page}");
    }

    #[test]
    #[should_panic(expected = "the metric tertulia_sockets has two types")]
    fn one_name_has_one_type() {
        let metrics = Metrics::new();
        metrics.gauge("sockets", "Open sockets");
        metrics.counter("sockets", "Opened sockets");
    }

    #[tokio::test]
    async fn requests_are_counted_by_pattern_and_never_by_path() {
        let metrics = Metrics::new();
        let named = get(async || (StatusCode::BAD_GATEWAY, axum::Extension(RouteName("/v1/forwarded")), ""));
        let routes = Router::new().route("/rooms/{id}", get(async || "")).route("/named", named);
        let client = TestClient::new(metrics.observe("auth", routes.merge(metrics.router())));
        for id in 0..50 {
            client.get(&format!("/rooms/{id}")).await.expect(200);
            client.get(&format!("/nowhere/{id}")).await.expect(404);
        }
        client.get("/named").await.expect(502);
        let made_up = Method::from_bytes(b"BREW").unwrap();
        client.send(made_up, "/rooms/1", None, "").await.expect(405);

        let page = client.get("/metrics").await.expect(200);
        assert_eq!(page.header("content-type"), Some(CONTENT_TYPE));
        let page = page.text();
        let counted = |method, route, status, times| {
            let labels =
                format!(r#"{{role="auth",method="{method}",route="{route}",status="{status}"}} {times}"#);
            assert!(
                page.contains(&format!("tertulia_http_requests_total{labels}\n")),
                "no {labels} in {page}"
            );
        };
        counted("GET", "/rooms/{id}", "2xx", 50);
        counted("GET", "none", "4xx", 50);
        counted("GET", "/v1/forwarded", "5xx", 1);
        counted("OTHER", "/rooms/{id}", "4xx", 1);
        assert!(
            page.contains(r#"request_seconds_count{role="auth",method="GET",route="/rooms/{id}"} 50"#),
            "{page}"
        );
        // The page's own request is the one in flight.
        assert!(page.contains(r#"tertulia_http_requests_in_flight{role="auth"} 1"#), "{page}");
    }
}
