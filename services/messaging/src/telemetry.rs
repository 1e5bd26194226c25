//! What is measured of messaging.

use tertulia_runtime::metrics::{Counter, Gauge, Histogram, Metrics};

/// Messaging's figures. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Telemetry {
    batches: Histogram,
    published: Counter,
    unpublished: Gauge,
}

impl Telemetry {
    /// The figures, on this page.
    pub(crate) fn new(metrics: &Metrics) -> Self {
        let metrics = metrics.sub("messaging");
        let sizes = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];
        Self {
            batches: metrics.histogram("entries_per_append", "Log entries committed by one append", &sizes),
            published: metrics.counter("entries_published", "Log entries published as events"),
            unpublished: metrics
                .gauge("entries_unpublished", "Log entries of this process still to be published"),
        }
    }

    /// So many entries were committed by one append.
    pub(crate) fn committed(&self, entries: usize) {
        self.batches.observe(f64::from(u32::try_from(entries).unwrap_or(u32::MAX)));
    }

    /// So many entries were published.
    pub(crate) fn published(&self, entries: usize) {
        self.published.inc_by(entries as u64);
    }

    /// So many counts were given out and not published yet.
    pub(crate) fn unpublished(&self, counts: u64) {
        self.unpublished.set(i64::try_from(counts).unwrap_or(i64::MAX));
    }
}
