//! Logs and traces of a process.
//!
//! Logs go to stderr: readable on a terminal, one JSON object per line elsewhere, with the `trace_id` of the span they
//! were written in. Spans go to an OTLP collector when one is named. Levels: `error` a person should look, `warn` the
//! process copes but somebody may want to know, `info` what happens a few times a minute, `debug` single requests.

mod json;
pub(crate) mod propagation;

use std::io::IsTerminal;

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
pub use propagation::{continue_trace, continue_trace_from, inject_trace, traceparent};
use serde::{Deserialize, Serialize};
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::fmt::format::JsonFields;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

/// What is logged if nobody says otherwise. openraft tells every retry of every group; what matters of it, leadership and
/// links, we say ourselves.
const LOGGED: &str = "info,openraft=error";

/// Spans that are sent to a collector, those of them that `OTEL_TRACES_SAMPLER` samples; without one, spans finer than `info` are not even made.
const TRACED: &str = "info,hansard=debug,hansard_node=debug,hansard_router=debug,hansard_client=debug";

/// What to log and where spans go.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TelemetryConfig {
    /// A filter such as `info` or `info,hansard_node=debug`; default `info`.
    pub log: Option<String>,
    /// The OTLP gRPC endpoint, such as `http://collector:4317`; default `OTEL_EXPORTER_OTLP_ENDPOINT`, else none.
    pub otlp_endpoint: Option<String>,
}

/// Why telemetry could not begin.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The log filter cannot be read.
    #[error("the log filter {filter:?} cannot be read ({reason}); write it like info,hansard_node=debug")]
    Filter {
        /// What was given.
        filter: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The exporter could not be made.
    #[error("cannot send traces to {endpoint:?}: {reason}")]
    Exporter {
        /// The collector.
        endpoint: String,
        /// What is wrong.
        reason: String,
    },
    /// Telemetry was begun twice.
    #[error("telemetry is already running in this process")]
    Twice,
}

/// Sends what is left of the spans when dropped; keep it until the process ends.
#[derive(Debug)]
#[must_use]
pub struct TelemetryGuard(SdkTracerProvider);

impl Drop for TelemetryGuard {
    fn drop(&mut self) {
        // Nothing can be done about spans that the collector does not take at the very end.
        let _ = self.0.shutdown();
    }
}

/// Begins logging and tracing for the process `service` (`hansard-node`), whose name among its like is `instance`.
/// With a collector it must be called inside a tokio runtime.
///
/// # Errors
/// [`TelemetryError`] says which setting is wrong.
pub fn init(config: &TelemetryConfig, service: &str, instance: &str) -> Result<TelemetryGuard, TelemetryError> {
    let endpoint = config
        .otlp_endpoint
        .clone()
        .or_else(|| std::env::var("OTEL_EXPORTER_OTLP_ENDPOINT").ok())
        .filter(|endpoint| !endpoint.is_empty());
    let provider = provider(endpoint.as_deref(), service, instance)?;
    let logged = config.log.as_deref().unwrap_or(LOGGED);
    let traced = if endpoint.is_some() { TRACED } else { LOGGED };
    let traces = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("hansard"))
        .with_location(false)
        .with_threads(false)
        .with_filter(filter(traced)?);

    let logs = if std::io::stderr().is_terminal() {
        fmt::layer().with_writer(std::io::stderr).with_target(false).boxed()
    } else {
        fmt::layer().with_writer(std::io::stderr).event_format(json::Json).fmt_fields(JsonFields::new()).boxed()
    };
    tracing_subscriber::registry()
        .with(traces)
        .with(logs.with_filter(filter(logged)?))
        .try_init()
        .map_err(|_| TelemetryError::Twice)?;
    Ok(TelemetryGuard(provider))
}

fn filter(text: &str) -> Result<EnvFilter, TelemetryError> {
    EnvFilter::try_new(text)
        .map_err(|error| TelemetryError::Filter { filter: text.to_owned(), reason: error.to_string() })
}

fn provider(endpoint: Option<&str>, service: &str, instance: &str) -> Result<SdkTracerProvider, TelemetryError> {
    let resource = Resource::builder()
        .with_service_name(service.to_owned())
        .with_attribute(KeyValue::new("service.instance.id", instance.to_owned()))
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build();
    let builder = SdkTracerProvider::builder().with_resource(resource);
    let Some(endpoint) = endpoint else {
        // Nothing is recorded, but spans have ids, which logs carry and requests hand on.
        return Ok(builder.with_sampler(Sampler::AlwaysOff).build());
    };
    let exporter = SpanExporter::builder()
        .with_tonic()
        .with_endpoint(endpoint)
        .build()
        .map_err(|error| TelemetryError::Exporter { endpoint: endpoint.to_owned(), reason: error.to_string() })?;
    Ok(builder.with_batch_exporter(exporter).build())
}

#[cfg(test)]
mod tests {
    use tracing::level_filters::LevelFilter;

    use super::*;

    #[test]
    fn spans_of_single_messages_are_made_for_a_collector_only() {
        let finest = |text| filter(text).unwrap().max_level_hint();
        assert_eq!(finest(LOGGED), Some(LevelFilter::INFO), "without one they cost a comparison of levels");
        assert_eq!(finest(TRACED), Some(LevelFilter::DEBUG));
    }
}
