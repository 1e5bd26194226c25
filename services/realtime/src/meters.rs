//! The service's figures.

use tertulia_runtime::metrics::{Counter, EncodeLabelSet, Family, Gauge, Metrics};

/// What is counted, each under `tertulia_realtime_`.
pub(crate) struct Meters {
    pub sockets: Gauge,
    pub deliveries: Counter,
    pub dropped: Counter,
    pub resyncs: Counter,
    pub repairs: Counter,
    pub gaps: Counter,
    writes: Counter,
    frames: Counter,
    closes: Family<ByCode, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByCode {
    code: u16,
}

impl Meters {
    pub(crate) fn new(metrics: &Metrics) -> Self {
        let metrics = metrics.sub("realtime");
        Self {
            sockets: metrics.gauge("sockets", "Open sockets"),
            deliveries: metrics.counter("deliveries", "Events queued, one a socket"),
            dropped: metrics.counter(
                "ephemeral_dropped",
                "Typing, receipts and presence not told at once to a socket that was busy",
            ),
            resyncs: metrics.counter("resyncs", "Logs that a client was told to load anew"),
            repairs: metrics
                .counter("repairs", "Reads of a log because broadcasts were or may have been missed"),
            gaps: metrics.counter("gaps", "Times the live lane said that it may have lost something"),
            writes: metrics.counter("writes", "Writes to sockets; frames by writes is the coalescing"),
            frames: metrics.counter("frames", "Frames written to sockets"),
            closes: metrics.family("closes", "Sockets closed by this side, by close code"),
        }
    }

    /// So many frames left in one write.
    pub(crate) fn written(&self, frames: usize) {
        self.writes.inc();
        self.frames.inc_by(frames as u64);
    }

    /// A socket was closed with this code.
    pub(crate) fn closed(&self, code: u16) {
        self.closes.get_or_create(&ByCode { code }).inc();
    }
}
