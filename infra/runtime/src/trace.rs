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

/// Whether this is a W3C traceparent. What is none begins a trace of its own, and is not to be passed on.
pub fn is_traceparent(text: &str) -> bool {
    parse(text).is_some()
}

/// Versions after 00 may say more after the flags.
fn parse(traceparent: &str) -> Option<SpanContext> {
    let mut parts = traceparent.split('-');
    let version = hex(parts.next()?, 2)?;
    let (trace, span, flags) = (hex(parts.next()?, 32)?, hex(parts.next()?, 16)?, hex(parts.next()?, 2)?);
    if version == "ff" || (version == "00" && parts.next().is_some()) {
        return None;
    }
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?);
    let (trace, span) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?);
    let context = SpanContext::new(trace, span, flags, true, TraceState::NONE);
    context.is_valid().then_some(context)
}

fn hex(text: &str, digits: usize) -> Option<&str> {
    let is_hex = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    (text.len() == digits && is_hex).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::parse;

    const RIGHT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_malformed_traceparent_is_ignored() {
        assert!(parse(RIGHT).is_some());
        assert!(parse("01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more").is_some());
        let wrong = [
            "",
            "00",
            "00-zz-b7ad6b7169203331-01",
            &RIGHT.replacen("00", "ff", 1),
            &RIGHT.to_uppercase(),
            &RIGHT.replace("0af", "+af"),
            &format!("{RIGHT}-more"),
            &format!(" {RIGHT}"),
            &RIGHT.replace("b7ad6b7169203331", "0000000000000000"),
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-é",
        ];
        for wrong in wrong {
            assert!(parse(wrong).is_none(), "{wrong} was accepted");
        }
    }
}
