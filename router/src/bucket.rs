//! A token bucket.

use std::time::Duration;

use tokio::time::Instant;

/// Lets `per_second` things through on average, and up to `burst` at once.
#[derive(Debug)]
pub(crate) struct Bucket {
    level: f64,
    per_second: f64,
    burst: f64,
    at: Instant,
}

impl Bucket {
    /// A full bucket.
    pub(crate) fn new(per_second: u32, burst: u32, now: Instant) -> Self {
        let burst = f64::from(burst.max(1));
        Self { level: burst, per_second: f64::from(per_second.max(1)), burst, at: now }
    }

    /// Takes one; an error says how long to wait for the next.
    pub(crate) fn take(&mut self, now: Instant) -> Result<(), Duration> {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.level = (self.level + passed * self.per_second).min(self.burst);
        self.at = now;
        if self.level < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - self.level) / self.per_second));
        }
        self.level -= 1.0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_rate_holds() {
        let start = Instant::now();
        let mut bucket = Bucket::new(10, 3, start);
        for _ in 0..3 {
            bucket.take(start).unwrap();
        }
        let wait = bucket.take(start).unwrap_err();
        assert!(wait > Duration::from_millis(90) && wait <= Duration::from_millis(100), "{wait:?}");
        bucket.take(start + Duration::from_millis(101)).unwrap();
        bucket.take(start + Duration::from_millis(102)).unwrap_err();
    }
}
