//! The process's metrics in the OpenMetrics text format. No label may hold a person or a room.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

mod process;

/// The content type of [`Metrics::encode`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What the names of our own metrics begin with.
const PREFIX: &str = "hansard";

/// A shared registry; clones are the same one.
#[derive(Clone)]
pub struct Metrics(Arc<Mutex<Registry>>);

impl Metrics {
    /// A registry that holds the process's own figures.
    pub fn new() -> Self {
        let mut registry = Registry::default();
        process::register(&mut registry);
        Self(Arc::new(Mutex::new(registry)))
    }

    /// Registers metrics, whose names get the prefix `hansard_`.
    pub fn register<T>(&self, register: impl FnOnce(&mut Registry) -> T) -> T {
        let mut registry = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        register(registry.sub_registry_with_prefix(PREFIX))
    }

    /// The exposition text, of [`CONTENT_TYPE`].
    pub fn encode(&self) -> String {
        let mut text = String::new();
        let registry = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Writing into a string cannot fail; a broken collector would leave the text short, and the scrape says so.
        if encode(&mut text, &registry).is_err() {
            tracing::error!("a metrics collector failed; the exposition is incomplete");
        }
        text
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::metrics::counter::Counter;

    use super::*;

    #[test]
    fn registered_metrics_and_the_process_are_exposed() {
        let metrics = Metrics::new();
        let sent: Counter = Counter::default();
        metrics.register(|registry| registry.register("sent", "Messages sent", sent.clone()));
        sent.inc();
        let text = metrics.encode();
        assert!(text.contains("hansard_sent_total 1\n"), "{text}");
        assert!(text.contains("\nprocess_cpu_seconds_total "), "{text}");
        assert!(text.contains("\nprocess_resident_memory_bytes "), "{text}");
        assert!(text.ends_with("# EOF\n"), "{text}");
    }
}
