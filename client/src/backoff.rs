//! Waiting between attempts: exponential, with full jitter, so that a router's end is no storm on the others.

use std::time::Duration;

use crate::dice;

/// The wait after the first failure, at most.
const FIRST: Duration = Duration::from_millis(50);
/// The longest wait.
const MOST: Duration = Duration::from_secs(3);

/// How often it failed in a row.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// It worked: the next wait is short again.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    /// How long to wait now, counting this failure.
    pub(crate) fn next(&mut self) -> Duration {
        let most = ceiling(self.failures);
        self.failures = self.failures.saturating_add(1);
        most.mul_f64(dice::random::<f64>())
    }
}

/// How long to wait before a request's attempt number `attempt` (from 1), at least `least`, half of the rest jittered.
pub(crate) fn retry_delay(attempt: u32, least: Duration) -> Duration {
    let most = ceiling(attempt.saturating_sub(1)).min(Duration::from_secs(1)).max(least);
    least.max(most / 2) + (most / 2).mul_f64(dice::random::<f64>())
}

fn ceiling(failures: u32) -> Duration {
    FIRST.saturating_mul(1 << failures.min(16)).min(MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_to_a_bound_and_resets() {
        let mut backoff = Backoff::default();
        assert!(backoff.next() <= FIRST);
        for _ in 0..100 {
            assert!(backoff.next() <= MOST);
        }
        backoff.reset();
        assert!(backoff.next() <= FIRST);
    }

    #[test]
    fn a_retry_waits_at_least_as_long_as_the_server_says() {
        let least = Duration::from_millis(250);
        for attempt in 1..50 {
            let delay = retry_delay(attempt, least);
            assert!(delay >= least && delay <= Duration::from_millis(1_500), "{delay:?}");
        }
    }
}
