//! Latencies in a histogram of three digits, a microsecond to two minutes.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

/// The highest latency kept apart; higher ones count as this, microseconds.
const MOST_US: u64 = 120_000_000;

/// Latencies.
pub(crate) struct Latencies {
    histogram: Histogram<u64>,
}

/// What became of them, milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Percentiles {
    pub(crate) count: u64,
    pub(crate) mean: f64,
    pub(crate) p50: f64,
    pub(crate) p90: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    pub(crate) max: f64,
}

impl Latencies {
    pub(crate) fn new() -> Self {
        Self { histogram: Histogram::new_with_bounds(1, MOST_US, 3).expect("the bounds are in order") }
    }

    pub(crate) fn record(&mut self, latency: Duration) {
        self.histogram.saturating_record(latency.as_micros().clamp(1, u128::from(MOST_US)) as u64);
    }

    pub(crate) fn percentiles(&self) -> Percentiles {
        let at = |quantile| self.histogram.value_at_quantile(quantile) as f64 / 1_000.0;
        Percentiles {
            count: self.histogram.len(),
            mean: self.histogram.mean() / 1_000.0,
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: self.histogram.max() as f64 / 1_000.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_percentiles_in_milliseconds() {
        let mut latencies = Latencies::new();
        for ms in 1..=1_000 {
            latencies.record(Duration::from_millis(ms));
        }
        let found = latencies.percentiles();
        assert_eq!(found.count, 1_000);
        let near = |value: f64, wanted: f64| (value - wanted).abs() <= wanted / 500.0;
        assert!(near(found.p50, 500.0) && near(found.p99, 990.0) && near(found.p999, 999.0), "{found:?}");
        assert!(near(found.max, 1_000.0));
    }

    #[test]
    fn outliers_are_kept_at_the_bound() {
        let mut latencies = Latencies::new();
        latencies.record(Duration::from_secs(1_000));
        latencies.record(Duration::ZERO);
        assert!((latencies.percentiles().max - 120_000.0).abs() < 200.0);
    }
}
