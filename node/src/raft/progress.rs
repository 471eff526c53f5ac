//! What apply tells the rest of the replica.

use std::sync::Mutex;

use hansard_domain::tree::Frontier;
use tokio::sync::watch;

use super::machine::RecordHead;

/// How far a replica has applied. Written by apply alone.
#[derive(Debug)]
pub struct Progress {
    applied: watch::Sender<(u64, u64)>,
    /// Its root is a dozen hashes away, and seldom asked for.
    record: Mutex<Frontier>,
}

impl Default for Progress {
    fn default() -> Self {
        Progress { applied: watch::Sender::new((0, 0)), record: Mutex::default() }
    }
}

impl Progress {
    pub(super) fn advance(&self, term: u64, index: u64, record: &Frontier) {
        self.record.lock().expect("no holder panics").clone_from(record);
        self.applied.send_replace((term, index));
    }

    /// Term and index of the last applied entry; (0, 0) before the first.
    pub fn applied(&self) -> watch::Receiver<(u64, u64)> {
        self.applied.subscribe()
    }

    /// The record's head there.
    pub fn record(&self) -> RecordHead {
        let record = self.record.lock().expect("no holder panics").clone();
        RecordHead { size: record.size(), root: record.root() }
    }
}
