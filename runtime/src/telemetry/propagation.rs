//! The trace context of a request as the W3C `traceparent`, in gRPC metadata or wherever a string fits.

use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use tonic::metadata::MetadataMap;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// The header and metadata key.
const KEY: &str = "traceparent";

/// The `traceparent` of `span`; none when the span is off or telemetry does not run.
pub fn traceparent(span: &Span) -> Option<String> {
    if span.is_disabled() {
        return None;
    }
    let context = span.context();
    let span = context.span();
    let context = span.span_context();
    context.is_valid().then(|| write(context))
}

pub(crate) fn write(context: &SpanContext) -> String {
    format!("00-{}-{}-{:02x}", context.trace_id(), context.span_id(), context.trace_flags().to_u8())
}

/// Makes `span` a child of the remote span that `traceparent` names. A value that cannot be read is passed over: a
/// broken trace is no reason to fail a request. Call it before the span is entered.
pub fn continue_trace(span: &Span, traceparent: &str) {
    if let Some(remote) = parse(traceparent) {
        let parent = opentelemetry::Context::new().with_remote_span_context(remote);
        // It fails only when telemetry does not run or the span was entered already; the trace is cut then.
        let _ = span.set_parent(parent);
    }
}

/// Puts the current span's `traceparent` into a request's metadata.
pub fn inject_trace(metadata: &mut MetadataMap) {
    if let Some(value) = traceparent(&Span::current()).and_then(|value| value.parse().ok()) {
        metadata.insert(KEY, value);
    }
}

/// [`continue_trace`] from a request's metadata.
pub fn continue_trace_from(span: &Span, metadata: &MetadataMap) {
    if let Some(value) = metadata.get(KEY).and_then(|value| value.to_str().ok()) {
        continue_trace(span, value);
    }
}

pub(crate) fn parse(text: &str) -> Option<SpanContext> {
    let mut parts = text.split('-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let shaped = version.len() == 2 && trace.len() == 32 && span.len() == 16 && flags.len() == 2;
    // Version 00 has exactly four parts; later ones may append some.
    if !shaped || version == "ff" || (version == "00" && parts.next().is_some()) {
        return None;
    }
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?) & TraceFlags::SAMPLED;
    let (trace, span) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?);
    let context = SpanContext::new(trace, span, flags, true, TraceState::default());
    context.is_valid().then_some(context)
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::TracerProvider;
    use opentelemetry_sdk::trace::SdkTracerProvider;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[test]
    fn a_trace_crosses_metadata() {
        let provider = SdkTracerProvider::builder().build();
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            let mut metadata = MetadataMap::new();
            let here = tracing::info_span!("here");
            here.in_scope(|| inject_trace(&mut metadata));
            let there = tracing::info_span!("there");
            continue_trace_from(&there, &metadata);
            let (sent, received) = (traceparent(&here).unwrap(), traceparent(&there).unwrap());
            assert_eq!(sent[..35], received[..35], "the trace id and version must be kept");
            assert_ne!(sent, received);
        });
    }

    #[test]
    fn what_cannot_be_read_is_passed_over() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert!(parse(good).unwrap().is_sampled());
        assert!(parse(&format!("{good}-x")).is_none());
        assert!(parse(&good.replacen("00", "ff", 1)).is_none());
        assert!(parse("00-00000000000000000000000000000000-00f067aa0ba902b7-01").is_none());
        assert!(parse("00-é").is_none());
        assert!(parse("").is_none());
    }
}
