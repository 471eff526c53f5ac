//! How soon the writer syncs again: the more it has just written, the later.
//!
//! A sync costs the same for one record as for a thousand, and on a fast disk a busy writer would sync for every few. What was written
//! buys a time for more to come in: under little load each record is synced at once, and under much many are together.

use std::time::{Duration, Instant};

/// What a byte buys. The record of one message is worth less than a tenth of a millisecond, within which its sender could not send the
/// next; a log that grows by less than 4 MB a second is written as its records come.
const WORTH_OF_A_BYTE: Duration = Duration::from_nanos(250);
/// The longest from the beginning of one write to the next: the part of an ack's time under full load that nobody notices.
pub(super) const LONGEST: Duration = Duration::from_millis(8);

/// When the next write may begin.
#[derive(Default)]
pub(super) struct Pace(Option<Instant>);

impl Pace {
    /// From when on; at once if there is none.
    pub(super) fn next(&self) -> Option<Instant> {
        self.0
    }

    /// A write of so many bytes begins.
    pub(super) fn begin(&mut self, now: Instant, bytes: usize) {
        let worth = WORTH_OF_A_BYTE.saturating_mul(u32::try_from(bytes).unwrap_or(u32::MAX));
        self.0 = Some(now + worth.min(LONGEST));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_buys_little_and_much_is_bounded() {
        let mut pace = Pace::default();
        assert_eq!(pace.next(), None);
        let now = Instant::now();
        let mut gap = |bytes| {
            pace.begin(now, bytes);
            pace.next().map(|next| next - now)
        };
        assert_eq!(gap(0), Some(Duration::ZERO));
        assert_eq!(gap(400), Some(Duration::from_micros(100)));
        assert_eq!(gap(usize::MAX), Some(LONGEST));
    }
}
