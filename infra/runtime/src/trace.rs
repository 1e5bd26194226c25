//! W3C Trace Context (<https://www.w3.org/TR/trace-context/>) in and out of the current span, so that one
//! trace shows request, commit, event and consumer.

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use tracing::{Span, field::Empty};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::Event;

/// The `traceparent` of the innermost span that belongs to a trace, if there is one.
pub fn current_traceparent() -> Option<String> {
    // The span's own context would not do: a library's span within ours has none.
    let context = opentelemetry::Context::current();
    let span = context.span();
    let span = span.span_context();
    span.is_valid()
        .then(|| format!("00-{}-{}-{:02x}", span.trace_id(), span.span_id(), span.trace_flags().to_u8()))
}

/// Makes `span`, which has not been entered yet, a child of the span that `traceparent` names; a malformed
/// one is ignored, as the recommendation asks.
pub fn set_parent(span: &Span, traceparent: &str) {
    if let Some(parent) = parse(traceparent) {
        let context = opentelemetry::Context::new().with_remote_span_context(parent);
        // Without telemetry there is no layer to keep the parent: then there is nothing to join.
        let _ = span.set_parent(context);
    }
}

/// Writes the span's trace id into its field `trace_id`, which log lines show; after [`set_parent`].
pub fn note_trace_id(span: &Span) {
    let trace_id = span.context().span().span_context().trace_id();
    if trace_id != TraceId::INVALID {
        span.record("trace_id", tracing::field::display(trace_id));
    }
}

/// The span in which `group` handles an event: part of the trace of whatever caused it.
pub fn event_span(group: &str, event: &Event) -> Span {
    let span = tracing::error_span!(
        "event",
        group,
        kind = event.kind,
        event_id = %event.id,
        trace_id = Empty,
        otel.kind = "consumer",
    );
    if let Some(traceparent) = &event.traceparent {
        set_parent(&span, traceparent);
    }
    note_trace_id(&span);
    span
}

/// Names the current span in the headers of an outgoing request.
pub fn inject(headers: &mut HeaderMap) {
    let value = current_traceparent().and_then(|traceparent| HeaderValue::from_str(&traceparent).ok());
    if let Some(value) = value {
        headers.insert(HeaderName::from_static("traceparent"), value);
    }
}

fn parse(traceparent: &str) -> Option<SpanContext> {
    let mut parts = traceparent.trim().splitn(4, '-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    if version.len() != 2 || version == "ff" || trace.len() != 32 || span.len() != 16 || flags.len() < 2 {
        return None;
    }
    let flags = TraceFlags::new(u8::from_str_radix(flags.get(..2)?, 16).ok()?);
    let (trace, span) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?);
    let context = SpanContext::new(trace, span, flags, true, TraceState::NONE);
    context.is_valid().then_some(context)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn a_malformed_traceparent_is_ignored() {
        assert!(parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01").is_some());
        for wrong in [
            "",
            "00",
            "00-zz-b7ad6b7169203331-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-é",
        ] {
            assert!(parse(wrong).is_none(), "{wrong} was accepted");
        }
    }
}
