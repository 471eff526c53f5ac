//! The check that events and gaps cover a room's seqs without hole or double.

/// What to do with an item that covers `from..=to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is next. A gap that begins with seqs already covered starts at `from` now.
    Next {
        /// The first seq that is new.
        from: u64,
    },
    /// All of it was there before.
    Double,
    /// Seqs are missing before it.
    Hole {
        /// The first missing seq.
        from: u64,
        /// The last missing seq.
        to: u64,
    },
}

/// Where a follow stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tracker {
    /// The last seq covered.
    last: u64,
}

impl Tracker {
    pub(crate) fn new(after: u64) -> Self {
        Self { last: after }
    }

    /// The last seq covered: the cursor to resume from.
    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    /// Judges an item; does not move.
    pub(crate) fn judge(&self, from: u64, to: u64) -> Verdict {
        if to <= self.last {
            Verdict::Double
        } else if from > self.last + 1 {
            Verdict::Hole { from: self.last + 1, to: from - 1 }
        } else {
            Verdict::Next { from: self.last + 1 }
        }
    }

    /// All up to here is covered now.
    pub(crate) fn advance(&mut self, to: u64) {
        assert!(to >= self.last, "a cursor never moves back");
        self.last = to;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_doubles_and_holes() {
        let mut tracker = Tracker::new(0);
        assert_eq!(tracker.judge(1, 1), Verdict::Next { from: 1 });
        tracker.advance(1);
        assert_eq!(tracker.judge(1, 1), Verdict::Double);
        assert_eq!(tracker.judge(3, 3), Verdict::Hole { from: 2, to: 2 });
        assert_eq!(tracker.judge(2, 9), Verdict::Next { from: 2 });
        tracker.advance(9);
        assert_eq!(tracker.judge(5, 12), Verdict::Next { from: 10 });
        assert_eq!(tracker.judge(11, 12), Verdict::Hole { from: 10, to: 10 });
        assert_eq!(tracker.last(), 9);
    }
}
