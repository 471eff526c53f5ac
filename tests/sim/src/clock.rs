//! Wall clocks of hosts: the simulation's time, each with an error of its own that grows and jumps.

use std::sync::atomic::{AtomicI64, Ordering};

use hansard_runtime::Clock;

use crate::os::EPOCH_S;

/// A host's wall clock.
pub(crate) struct HostClock {
    offset_us: AtomicI64,
    drift_ppm: i64,
}

impl HostClock {
    /// A clock that is off by so many microseconds, and by so many more in each second.
    pub(crate) fn new((offset_us, drift_ppm): (i64, i64)) -> Self {
        Self { offset_us: AtomicI64::new(offset_us), drift_ppm }
    }

    /// Sets the clock forward, or back.
    pub(crate) fn jump(&self, by_us: i64) {
        self.offset_us.fetch_add(by_us, Ordering::Relaxed);
    }
}

impl Clock for HostClock {
    fn now_us(&self) -> i64 {
        let elapsed = turmoil::sim_elapsed().unwrap_or_default().as_micros() as i64;
        let error = self.offset_us.load(Ordering::Relaxed) + elapsed * self.drift_ppm / 1_000_000;
        (EPOCH_S * 1_000_000) as i64 + elapsed + error
    }
}
