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

    /// Takes so many, or all there can be if that is less; an error says how long to wait for them.
    pub(crate) fn take(&mut self, cost: u32, now: Instant) -> Result<(), Duration> {
        let cost = f64::from(cost).min(self.burst);
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.level = (self.level + passed * self.per_second).min(self.burst);
        self.at = now;
        if self.level < cost {
            return Err(Duration::from_secs_f64((cost - self.level) / self.per_second));
        }
        self.level -= cost;
        Ok(())
    }

    /// Gives back what was taken for something that came to nothing.
    pub(crate) fn give(&mut self, cost: u32) {
        self.level = (self.level + f64::from(cost)).min(self.burst);
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
            bucket.take(1, start).unwrap();
        }
        let wait = bucket.take(1, start).unwrap_err();
        assert!(wait > Duration::from_millis(90) && wait <= Duration::from_millis(100), "{wait:?}");
        bucket.take(1, start + Duration::from_millis(101)).unwrap();
        bucket.take(1, start + Duration::from_millis(102)).unwrap_err();
    }

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let start = Instant::now();
        let mut bucket = Bucket::new(1, 3, start);
        bucket.take(3, start).unwrap();
        bucket.give(2);
        bucket.take(2, start).unwrap();
        bucket.give(9);
        bucket.take(3, start).unwrap();
        bucket.take(1, start).unwrap_err();
    }

    #[test]
    fn what_costs_more_takes_more_and_passes_a_small_bucket_when_it_is_full() {
        let start = Instant::now();
        let mut bucket = Bucket::new(10, 12, start);
        bucket.take(10, start).unwrap();
        let wait = bucket.take(10, start).unwrap_err();
        assert!(wait > Duration::from_millis(790) && wait <= Duration::from_millis(800), "{wait:?}");
        bucket.take(2, start).unwrap();
        let mut small = Bucket::new(10, 3, start);
        small.take(10, start).unwrap();
        small.take(1, start).unwrap_err();
    }
}
