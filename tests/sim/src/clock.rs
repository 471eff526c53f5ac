//! Wall clocks of hosts: the simulation's time, each with an error of its own.

use hansard_runtime::Clock;

use crate::os::EPOCH_S;

/// A host's wall clock.
pub(crate) struct HostClock {
    /// How far it is off, microseconds.
    pub(crate) offset_us: i64,
}

impl Clock for HostClock {
    fn now_us(&self) -> i64 {
        let elapsed = turmoil::sim_elapsed().unwrap_or_default();
        (EPOCH_S * 1_000_000) as i64 + elapsed.as_micros() as i64 + self.offset_us
    }
}
