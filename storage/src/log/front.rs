//! A shard's log as its owner sees it: ahead of the disk, readable at once.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use hansard_domain::ShardId;

use super::ledger::ShardLedger;
use crate::entry::LogEntry;
use crate::mark::{LogBounds, LogPosition, Vote};

/// An entry; its frame is in memory until it is on disk and the cache is short.
pub(super) struct Slot {
    pub(super) term: u64,
    pub(super) frame: Option<Bytes>,
}

/// Everything that was submitted.
pub(super) struct FrontState {
    pub(super) bounds: LogBounds,
    pub(super) vote: Option<Vote>,
    /// Index of the first slot.
    first: u64,
    slots: VecDeque<Slot>,
    pub(super) removed: bool,
}

/// What is known of an index.
pub(super) enum Found {
    /// The entry.
    Memory(Bytes),
    /// It is on disk, with this term.
    Disk(u64),
    /// There is no such entry.
    Nothing,
}

/// One shard's front.
pub(crate) struct Front {
    pub(crate) number: u32,
    pub(crate) id: ShardId,
    /// Held while an operation is taken into `state` and the queue, so that both see one order. Not needed to
    /// read, and never taken by the writer.
    pub(super) order: Mutex<()>,
    state: Mutex<FrontState>,
    /// Index of the last entry that is durable; 0 if none is known to be.
    synced: AtomicU64,
}

impl Front {
    pub(crate) fn new(number: u32, id: ShardId) -> Self {
        let state =
            FrontState { bounds: LogBounds::default(), vote: None, first: 0, slots: VecDeque::new(), removed: false };
        Self { number, id, order: Mutex::new(()), state: Mutex::new(state), synced: AtomicU64::new(0) }
    }

    /// The front of a shard that was replayed; all entries are on disk.
    pub(crate) fn from_ledger(shard: &ShardLedger) -> Self {
        let front = Self::new(shard.state.number, shard.state.id);
        {
            let mut state = front.state();
            state.bounds = LogBounds { purged: shard.state.purged, last: shard.state.last };
            state.vote = shard.state.vote;
            state.first = shard.entries.first_key_value().map_or(0, |(index, _)| *index);
            state.slots = shard.entries.values().map(|(term, _)| Slot { term: *term, frame: None }).collect();
        }
        front.set_synced(shard.state.last);
        front
    }

    pub(super) fn set_synced(&self, last: Option<LogPosition>) {
        self.synced.store(last.map_or(0, |(_, index)| index), Ordering::Release);
    }

    /// Index of the last entry known to be durable, 0 if there is none.
    pub(crate) fn synced(&self) -> u64 {
        self.synced.load(Ordering::Acquire)
    }

    /// What was submitted so far.
    pub(crate) fn bounds(&self) -> LogBounds {
        self.state().bounds
    }

    /// The vote submitted last.
    pub(crate) fn vote(&self) -> Option<Vote> {
        self.state().vote
    }

    pub(super) fn state(&self) -> MutexGuard<'_, FrontState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets the frame of an entry that is on disk; the bytes freed.
    pub(super) fn forget(&self, term: u64, index: u64) -> usize {
        let mut state = self.state();
        let at = index.wrapping_sub(state.first) as usize;
        match state.slots.get_mut(at) {
            Some(slot) if slot.term == term => slot.frame.take().map_or(0, |frame| frame.len()),
            _ => 0,
        }
    }
}

/// Bytes of the frames in `slots`.
fn cached(slots: impl Iterator<Item = Slot>) -> usize {
    slots.filter_map(|slot| slot.frame).map(|frame| frame.len()).sum()
}

impl FrontState {
    /// Takes entries in; the bytes they occupy.
    pub(super) fn append(&mut self, entries: &[LogEntry]) -> usize {
        let mut bytes = 0;
        for entry in entries {
            match self.bounds.last {
                Some((term, index)) => {
                    assert!(entry.index == index + 1, "entry {} leaves a hole after {index}", entry.index);
                    assert!(entry.term >= term, "the term of entry {} is below that of the one before", entry.index);
                }
                None => assert!(entry.index <= 1, "the first entry of a log is 0 or 1, not {}", entry.index),
            }
            if self.slots.is_empty() {
                self.first = entry.index;
            }
            bytes += entry.encoded_len();
            self.slots.push_back(Slot { term: entry.term, frame: Some(entry.encoded()) });
            self.bounds.last = Some((entry.term, entry.index));
        }
        bytes
    }

    /// The position at `index`: an entry, or the purged end.
    pub(super) fn position(&self, index: u64) -> Option<LogPosition> {
        if let Some((_, purged)) = self.bounds.purged
            && purged == index
        {
            return self.bounds.purged;
        }
        let at = index.checked_sub(self.first)?;
        self.slots.get(at as usize).map(|slot| (slot.term, index))
    }

    /// Drops entries after `last`; the new last position, and the bytes freed.
    pub(super) fn truncate_after(&mut self, last: Option<u64>) -> (Option<LogPosition>, usize) {
        let keep = match last {
            Some(index) => (index + 1).saturating_sub(self.first) as usize,
            None => 0,
        };
        let end = match last {
            Some(index) if self.bounds.last.is_some_and(|(_, l)| index >= l) => self.bounds.last,
            Some(index) => Some(self.position(index).expect("a log is cut at one of its entries, above its purge")),
            None => {
                assert!(self.bounds.purged.is_none(), "a purged log can't be cut to nothing");
                None
            }
        };
        let freed = if keep < self.slots.len() { cached(self.slots.drain(keep..)) } else { 0 };
        self.bounds.last = end;
        (end, freed)
    }

    /// Drops entries up to `upto`. If the log has another entry there, or none, all of it goes: a snapshot took its
    /// place. Whether it did, and the bytes freed; `None` if that was purged before.
    pub(super) fn purge(&mut self, upto: LogPosition) -> Option<(bool, usize)> {
        if self.bounds.purged.is_some_and(|(_, index)| index >= upto.1) {
            return None;
        }
        let reset = self.position(upto.1) != Some(upto);
        let keep_from = if reset { self.slots.len() } else { (upto.1 + 1 - self.first) as usize };
        let freed = cached(self.slots.drain(..keep_from));
        self.first = upto.1 + 1;
        self.bounds.purged = Some(upto);
        if reset {
            self.bounds.last = Some(upto);
        }
        Some((reset, freed))
    }

    /// What is at `index`.
    pub(super) fn find(&self, index: u64) -> Found {
        let slot = index.checked_sub(self.first).and_then(|at| self.slots.get(at as usize));
        match slot {
            Some(Slot { frame: Some(frame), .. }) => Found::Memory(frame.clone()),
            Some(slot) => Found::Disk(slot.term),
            None => Found::Nothing,
        }
    }

    /// Drops everything; the bytes freed.
    pub(super) fn remove(&mut self) -> usize {
        self.removed = true;
        cached(self.slots.drain(..))
    }
}
