//! Looks regularly at what does not count itself: queues and the cache.

use std::{sync::Arc, time::Duration};

use tertulia_bus::Bus;
use tertulia_cache::Cache;
use tertulia_runtime::{
    Supervisor,
    metrics::{EncodeLabelSet, Family, Gauge, Metrics},
};

const EVERY: Duration = Duration::from_secs(5);

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByGroup {
    group: String,
}

/// Keeps the gauges of queues and the cache up to date.
pub(crate) fn start(metrics: &Metrics, bus: &Arc<dyn Bus>, cache: &Arc<dyn Cache>, supervisor: &Supervisor) {
    let depths: Family<ByGroup, Gauge> =
        metrics.sub("bus").family("queue_depth", "Events that wait, by group");
    let cached = metrics.sub("cache");
    let hits = cached.gauge("hits", "Reads that found something, since the start");
    let misses = cached.gauge("misses", "Reads that found nothing, since the start");
    let degraded = cached.gauge("degraded", "Calls that the server did not answer, since the start");
    let (bus, cache, stopping) = (bus.clone(), cache.clone(), supervisor.shutdown_token());
    supervisor.spawn("node.watch", async move {
        let mut ticks = tokio::time::interval(EVERY);
        while stopping.run_until_cancelled(ticks.tick()).await.is_some() {
            let stats = cache.stats();
            set(&hits, stats.hits);
            set(&misses, stats.misses);
            set(&degraded, stats.degraded);
            // A bus that is away says so in its health check.
            for (group, depth) in bus.depths().await.unwrap_or_default() {
                set(&depths.get_or_create_owned(&ByGroup { group }), depth);
            }
        }
    });
}

fn set(gauge: &Gauge, value: u64) {
    gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
}
