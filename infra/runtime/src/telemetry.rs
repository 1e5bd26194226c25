//! Log lines and traces.
//!
//! Promises: every request and every event it causes carry one trace id, in the log lines too, whether or
//! not a collector is configured; a collector that is away costs nothing but the traces. Only the binary
//! calls [`install`]; everything else uses `tracing`.

mod requests;

use std::{backtrace::Backtrace, io::IsTerminal, panic, time::Duration};

use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig};
use opentelemetry_sdk::{
    Resource,
    trace::{Sampler, SdkTracerProvider},
};
use serde::Deserialize;
use tracing::{Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{
    EnvFilter, Layer, Registry, filter::filter_fn, fmt::MakeWriter, layer::SubscriberExt,
    util::SubscriberInitExt,
};

pub use requests::{REQUEST_ID, RequestId, trace_requests};

use crate::problem::panic_text;

/// How long the end of the process waits for the last traces to leave.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(3);

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Readable when standard error is a terminal, JSON otherwise.
    #[default]
    Auto,
    /// For people.
    Pretty,
    /// For programs: an object a line.
    Json,
}

/// What is logged and where traces go.
#[derive(Debug, Clone)]
pub struct Settings {
    /// A level or directives: `info,tertulia_messaging=debug`.
    pub log: String,
    /// How log lines look.
    pub format: Format,
    /// The base address of an OTLP collector that takes HTTP and protobuf: `http://host:4318`.
    pub otlp_endpoint: Option<String>,
    /// The share of traces that begin here and are sent to the collector, 0 to 1. A trace that began
    /// elsewhere is sent if it is sent there.
    pub trace_ratio: f64,
    /// The name of this process in traces: `tertulia-auth`.
    pub service_name: String,
}

/// Why telemetry could not start.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The directives of the log filter are wrong.
    #[error("the log filter {filter:?} is not understood: {source}")]
    Filter {
        /// What was configured.
        filter: String,
        /// Where it is wrong.
        source: tracing_subscriber::filter::ParseError,
    },
    /// The exporter does not take the collector's address.
    #[error("the OTLP endpoint {endpoint} cannot be used: {source}")]
    Endpoint {
        /// What was configured.
        endpoint: String,
        /// Why not.
        source: opentelemetry_otlp::ExporterBuildError,
    },
    /// It is there already.
    #[error("a tracing subscriber is installed already")]
    Installed,
}

/// Sends what is left of the traces when it is dropped; keep it until the end of `main`.
#[must_use]
pub struct Guard(SdkTracerProvider);

impl Drop for Guard {
    fn drop(&mut self) {
        // Nobody is left to be told, and the collector may well be gone.
        let _ = self.0.shutdown_with_timeout(FLUSH_TIMEOUT);
    }
}

/// Installs the process's subscriber and makes panics log lines like any other.
pub fn install(settings: &Settings) -> Result<Guard, TelemetryError> {
    let (subscriber, guard) = subscriber(settings, std::io::stderr, std::io::stderr().is_terminal())?;
    subscriber.try_init().map_err(|_| TelemetryError::Installed)?;
    panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string);
        let backtrace = Backtrace::capture();
        tracing::error!(panic = panic_text(info.payload()), place, %backtrace, "panicked");
    }));
    Ok(guard)
}

/// What [`install`] installs, on another writer; for tests, which must not share a subscriber.
pub fn subscriber<W>(
    settings: &Settings,
    writer: W,
    is_terminal: bool,
) -> Result<(impl Subscriber + Send + Sync + use<W>, Guard), TelemetryError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let wrong = |source| TelemetryError::Filter { filter: settings.log.clone(), source };
    let filter = EnvFilter::builder().parse(&settings.log).map_err(wrong)?;
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    let pretty = settings.format == Format::Pretty || (settings.format == Format::Auto && is_terminal);
    let lines: Box<dyn Layer<Registry> + Send + Sync> = if pretty {
        lines.with_ansi(is_terminal).boxed()
    } else {
        lines.json().flatten_event(true).with_current_span(false).with_span_list(true).boxed()
    };
    let provider = provider(settings)?;
    let traces = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("tertulia"))
        .with_location(false)
        .with_threads(false)
        .with_tracked_inactivity(false)
        // Our own spans alone: libraries make theirs by the thousand.
        .with_filter(
            filter_fn(|metadata| metadata.is_span() && metadata.target().starts_with("tertulia"))
                .with_max_level_hint(LevelFilter::INFO),
        );
    let subscriber = tracing_subscriber::registry().with(lines.with_filter(filter)).with(traces);
    Ok((subscriber, Guard(provider)))
}

/// Without a collector nothing is recorded, but each span still has its ids.
fn provider(settings: &Settings) -> Result<SdkTracerProvider, TelemetryError> {
    let resource = Resource::builder().with_service_name(settings.service_name.clone()).build();
    let provider = SdkTracerProvider::builder().with_resource(resource);
    let Some(endpoint) = &settings.otlp_endpoint else {
        return Ok(provider.with_sampler(Sampler::AlwaysOff).build());
    };
    let exporter = SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
        .build()
        .map_err(|source| TelemetryError::Endpoint { endpoint: endpoint.clone(), source })?;
    let ratio = Sampler::TraceIdRatioBased(settings.trace_ratio);
    let sampler = Sampler::ParentBased(Box::new(ratio));
    Ok(provider.with_sampler(sampler).with_batch_exporter(exporter).build())
}

#[cfg(test)]
mod tests;
