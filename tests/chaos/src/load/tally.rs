//! What the senders have so far, for those who watch.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts acks, and notes in each room the first ack of something that was sent after a given time.
#[derive(Debug)]
pub(crate) struct Tally {
    acked: AtomicU64,
    watched: AtomicU64,
    /// Room to when it acked what was sent after `watched`; 0: not yet.
    first: Vec<AtomicU64>,
}

impl Tally {
    pub(crate) fn new(rooms: usize) -> Self {
        Self {
            acked: AtomicU64::new(0),
            watched: AtomicU64::new(u64::MAX),
            first: (0..rooms).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// A send to a room was acked. Times are the histories'.
    pub(crate) fn ack(&self, room: usize, invoked: u64, returned: u64) {
        self.acked.fetch_add(1, Ordering::Relaxed);
        if invoked >= self.watched.load(Ordering::SeqCst) {
            // Only the first one counts.
            let _ = self.first[room].compare_exchange(0, returned, Ordering::SeqCst, Ordering::SeqCst);
        }
    }

    pub(crate) fn acked(&self) -> u64 {
        self.acked.load(Ordering::Relaxed)
    }

    /// Forgets what was noted, and looks at what is sent from this time on.
    pub(crate) fn watch_from(&self, time: u64) {
        self.watched.store(u64::MAX, Ordering::SeqCst);
        self.first.iter().for_each(|first| first.store(0, Ordering::SeqCst));
        self.watched.store(time, Ordering::SeqCst);
    }

    /// When the last room acked something for the first time since; `None` while one has not.
    pub(crate) fn all_acked(&self) -> Option<u64> {
        let times = self.first.iter().map(|first| first.load(Ordering::SeqCst));
        times.map(|time| (time > 0).then_some(time)).collect::<Option<Vec<u64>>>()?.into_iter().max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_the_first_ack_of_each_room_after_a_time() {
        let tally = Tally::new(2);
        tally.ack(0, 1, 2);
        tally.watch_from(10);
        tally.ack(0, 9, 12);
        tally.ack(0, 10, 15);
        tally.ack(0, 10, 16);
        assert_eq!(tally.all_acked(), None);
        tally.ack(1, 11, 40);
        assert_eq!(tally.all_acked(), Some(40));
        assert_eq!(tally.acked(), 5);
    }
}
