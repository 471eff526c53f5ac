//! The recent entries of a room, without holes.

use std::collections::VecDeque;
use std::sync::Arc;

use super::SharedEvent;
use super::budget::Kept;
use crate::limits::{RING_BYTES, RING_ENTRIES};

/// What a follower gets for its cursor.
#[derive(Debug)]
pub(crate) enum Read {
    /// No subscription stands yet, or none reaches back to the ring's start: wait.
    NotReady,
    /// The ring starts after the cursor's next entry: replay from storage.
    Behind,
    /// The next entries, ascending and contiguous; empty at the end.
    Entries {
        /// The entries.
        entries: Vec<Arc<SharedEvent>>,
        /// There are more.
        more: bool,
    },
}

/// What became of an entry that was offered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Pushed {
    /// It is the newest now.
    Added,
    /// It was there already.
    Known,
    /// Entries are missing before it; it was not taken.
    Hole,
}

/// Entries after some seq, contiguous, the oldest dropped beyond a bound.
#[derive(Debug, Default)]
pub(crate) struct Ring {
    after: Option<u64>,
    entries: VecDeque<Arc<SharedEvent>>,
    bytes: usize,
    kept: Arc<Kept>,
    /// Where it stands among the rings that share a budget.
    pub(super) place: Option<u64>,
}

impl Ring {
    /// One whose entries are counted with those of others.
    pub(super) fn counted_by(kept: Arc<Kept>) -> Self {
        Self { kept, ..Self::default() }
    }

    /// The newest seq that it speaks of, once it stands.
    pub(crate) fn head(&self) -> Option<u64> {
        self.after.map(|after| after + self.entries.len() as u64)
    }

    /// A subscription stands: entries after `after` will come. What is there is kept if that leaves no hole.
    pub(crate) fn stand(&mut self, after: u64) {
        if self.head().is_none_or(|head| after > head) {
            self.entries.clear();
            self.bytes = 0;
            self.after = Some(after);
        }
    }

    /// Offers the next entry.
    pub(crate) fn push(&mut self, mut entry: SharedEvent) -> Pushed {
        let Some(head) = self.head() else { return Pushed::Hole };
        if entry.seq <= head {
            return Pushed::Known;
        }
        if entry.seq != head + 1 {
            return Pushed::Hole;
        }
        self.bytes += entry.cost();
        entry.count(&self.kept);
        self.entries.push_back(Arc::new(entry));
        while self.entries.len() > RING_ENTRIES || (self.bytes > RING_BYTES && self.entries.len() > 1) {
            self.drop_oldest();
        }
        Pushed::Added
    }

    /// At most `max` entries after `cursor`.
    pub(crate) fn read(&self, cursor: u64, max: usize) -> Read {
        let (Some(after), Some(head)) = (self.after, self.head()) else { return Read::NotReady };
        if cursor < after {
            return Read::Behind;
        }
        let skip = usize::try_from(cursor - after).unwrap_or(usize::MAX);
        let entries: Vec<_> = self.entries.iter().skip(skip).take(max).cloned().collect();
        let more = cursor + (entries.len() as u64) < head;
        Read::Entries { entries, more }
    }

    /// Drops the oldest entries until so many bytes are gone, or all are. Returns how many are gone.
    pub(crate) fn shed(&mut self, bytes: usize) -> usize {
        let mut gone = 0;
        while gone < bytes {
            let Some(oldest) = self.drop_oldest() else {
                self.entries = VecDeque::new();
                break;
            };
            gone += oldest.weight();
        }
        gone
    }

    fn drop_oldest(&mut self) -> Option<Arc<SharedEvent>> {
        let oldest = self.entries.pop_front()?;
        self.bytes -= oldest.cost();
        self.after = Some(oldest.seq);
        Some(oldest)
    }
}

#[cfg(test)]
mod tests {
    use hansard_proto::v1::Event;

    use super::*;

    fn entry(seq: u64) -> SharedEvent {
        SharedEvent::new(Event { seq, ..Event::default() }, None, None)
    }

    fn seqs(read: Read) -> Vec<u64> {
        match read {
            Read::Entries { entries, .. } => entries.iter().map(|entry| entry.seq).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn reads_after_a_cursor() {
        let mut ring = Ring::default();
        assert!(matches!(ring.read(0, 9), Read::NotReady));
        ring.stand(10);
        for seq in 11..=15 {
            assert_eq!(ring.push(entry(seq)), Pushed::Added);
        }
        assert!(matches!(ring.read(9, 9), Read::Behind));
        assert_eq!(seqs(ring.read(10, 9)), [11, 12, 13, 14, 15]);
        assert_eq!(seqs(ring.read(13, 1)), [14]);
        assert_eq!(seqs(ring.read(15, 9)), [0; 0]);
        assert_eq!(seqs(ring.read(99, 9)), [0; 0], "a cursor from a fresher page waits for the feed to catch up");
    }

    #[test]
    fn knows_doubles_and_holes() {
        let mut ring = Ring::default();
        assert_eq!(ring.push(entry(1)), Pushed::Hole);
        ring.stand(0);
        assert_eq!(ring.push(entry(1)), Pushed::Added);
        assert_eq!(ring.push(entry(1)), Pushed::Known);
        assert_eq!(ring.push(entry(3)), Pushed::Hole);
        assert_eq!(ring.head(), Some(1));
    }

    #[test]
    fn a_new_subscription_continues_or_starts_over() {
        let mut ring = Ring::default();
        ring.stand(0);
        ring.push(entry(1));
        ring.push(entry(2));
        ring.stand(2);
        assert_eq!(seqs(ring.read(0, 9)), [1, 2]);
        ring.stand(5);
        assert!(matches!(ring.read(2, 9), Read::Behind));
        assert_eq!(ring.head(), Some(5));
    }

    #[test]
    fn sheds_its_oldest_and_stays_contiguous() {
        let mut ring = Ring::default();
        ring.stand(0);
        (1..=4).for_each(|seq| assert_eq!(ring.push(entry(seq)), Pushed::Added));
        assert!(ring.shed(1) > 0);
        assert!(matches!(ring.read(0, 9), Read::Behind));
        assert_eq!(seqs(ring.read(1, 9)), [2, 3, 4]);
        ring.shed(usize::MAX);
        assert_eq!((ring.head(), ring.shed(1)), (Some(4), 0));
        assert!(matches!(ring.read(3, 9), Read::Behind));
        assert_eq!(ring.push(entry(5)), Pushed::Added);
        assert_eq!(seqs(ring.read(4, 9)), [5]);
    }

    #[test]
    fn is_bounded() {
        let mut ring = Ring::default();
        ring.stand(0);
        for seq in 1..=(RING_ENTRIES as u64 + 10) {
            ring.push(entry(seq));
        }
        assert_eq!(ring.entries.len(), RING_ENTRIES);
        assert!(matches!(ring.read(9, 1), Read::Behind));
        assert_eq!(seqs(ring.read(10, 1)), [11]);
    }
}
