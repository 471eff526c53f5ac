//! Whether this node's disk is nearly full, or was a moment ago: a disk at its threshold must not have leaderships handed to and
//! fro.

use std::time::Duration;

use tokio::time::Instant;

use crate::lock::Mutex;

/// How long a disk must have had room again before its node leads anything new. It takes messages meanwhile.
const RELIEF: Duration = Duration::from_secs(60);

/// See the module.
#[derive(Default)]
pub(crate) struct Fullness(Mutex<Option<Instant>>);

impl Fullness {
    /// Whether the node counts as full, given whether its store takes messages now. To be looked at every second or so.
    pub(crate) fn look(&self, accepting: bool, now: Instant) -> bool {
        let mut last = self.0.lock();
        if !accepting {
            *last = Some(now);
        }
        last.is_some_and(|last| now.saturating_duration_since(last) < RELIEF)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_full_until_it_has_had_room_for_a_minute() {
        let (fullness, start) = (Fullness::default(), Instant::now());
        let at = |s| start + Duration::from_secs(s);
        assert!(!fullness.look(true, at(0)));
        assert!(fullness.look(false, at(1)) && fullness.look(true, at(60)));
        assert!(fullness.look(false, at(60)) && fullness.look(true, at(119)), "once more");
        assert!(!fullness.look(true, at(120)) && !fullness.look(true, at(1_000)));
    }
}
