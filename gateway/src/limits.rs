//! How often somebody may ask: a member by who they are, everybody else by where they come from, each class of routes for
//! itself. The buckets are the cache's, so all gateways count together; while the cache is away each counts for itself.
//!
//! What is left is told with every answer (draft-ietf-httpapi-ratelimit-headers): `RateLimit-Policy: "reads";q=2000;w=10`
//! says how many at once and after how many seconds without any all of them are there again, `RateLimit: "reads";r=1999;t=1`
//! how many are left and after how many seconds all of them are there again.

use std::{net::IpAddr, sync::Arc, time::Duration};

use axum::response::Response;
use http::{HeaderName, HeaderValue, Method, StatusCode};
use tertulia_cache::{Admission, Cache, Quota};
use tertulia_contracts::{
    UserId,
    address::network,
    routes::{Access, Route},
};
use tertulia_runtime::{
    Metrics, Problem,
    metrics::{Counter, Family},
};

use crate::Config;

const LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// The most at once that the cache counts.
const MAX_BURST: u32 = 1 << 16;

/// Who asks, as far as it is known.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Who {
    /// Whom their token names.
    Member(UserId),
    /// Whoever comes from there, if that is known.
    From(Option<IpAddr>),
}

/// What is counted together.
#[derive(Debug, Clone, Copy)]
struct Class {
    name: &'static str,
    quota: Quota,
}

/// Every class's quota.
pub(crate) struct Limits {
    cache: Arc<dyn Cache>,
    strangers: Class,
    reads: Class,
    writes: Class,
    refused: Family<[(&'static str, &'static str); 1], Counter>,
}

/// How somebody stands after they asked once more.
pub(crate) struct Standing {
    class: Class,
    admission: Admission,
}

impl Limits {
    pub(crate) fn new(config: &Config, cache: Arc<dyn Cache>, metrics: &Metrics) -> Self {
        let class = |name, burst: u32, period_ms: u64| {
            let period = Duration::from_millis(period_ms.max(1));
            let quota = Quota { burst: burst.clamp(1, MAX_BURST), period };
            Class { name, quota }
        };
        let about = "Requests of a class that came too often, by whoever sent them";
        Self {
            cache,
            strangers: class("strangers", config.stranger_burst, config.stranger_period_ms),
            reads: class("reads", config.read_burst, config.read_period_ms),
            writes: class("writes", config.write_burst, config.write_period_ms),
            refused: metrics.sub("edge").family("rate_limited", about),
        }
    }

    /// Takes one for a request to this route. A socket takes none: realtime bounds them by user and address.
    pub(crate) async fn take(&self, route: &Route, who: Who) -> Option<Standing> {
        let (class, whose) = match (route.access, who) {
            (Access::InBand, _) => return None,
            // What lets in is dear, and each such route is counted for itself.
            (Access::Public, Who::From(client)) if route.method != Method::GET => {
                (self.strangers, format!("{}:{}", route.path, place(client)))
            }
            (_, Who::Member(user)) if route.method == Method::GET => (self.reads, user.to_string()),
            (_, Who::Member(user)) => (self.writes, user.to_string()),
            // Public pages, and whoever shows no good token.
            (_, Who::From(client)) => (self.reads, place(client)),
        };
        let admission = self.cache.admit(&format!("edge:{}:{whose}", class.name), class.quota).await;
        if !admission.allowed {
            self.refused.get_or_create_owned(&[("class", class.name)]).inc();
        }
        Some(Standing { class, admission })
    }
}

fn place(client: Option<IpAddr>) -> String {
    client.map_or_else(|| "unknown".to_owned(), |client| network(client).to_string())
}

impl Standing {
    /// Fails if it was once too often.
    pub(crate) fn check(&self) -> Result<(), Problem> {
        if self.admission.allowed {
            return Ok(());
        }
        let detail = match self.class.name {
            "strangers" => "Too many attempts from your address. Try again a little later.",
            _ => "You ask too often. Try again in a moment.",
        };
        let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", detail);
        Err(problem.retry_after(self.admission.retry_after))
    }

    /// Tells it with an answer.
    pub(crate) fn show(&self, answer: &mut Response) {
        let Class { name, quota } = self.class;
        let remaining = self.admission.remaining.min(quota.burst);
        let (window, until_full) = (quota.period * quota.burst, quota.period * (quota.burst - remaining));
        let limit = format!("\"{name}\";r={remaining};t={}", seconds(until_full));
        let policy = format!("\"{name}\";q={};w={}", quota.burst, seconds(window).max(1));
        for (header, text) in [(LIMIT, limit), (POLICY, policy)] {
            let value = HeaderValue::try_from(text).expect("names and numbers are visible ASCII");
            answer.headers_mut().insert(header, value);
        }
    }
}

/// Whole ones, so that who waits for them waits long enough.
fn seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}
