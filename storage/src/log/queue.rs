//! What waits for the writer: one bounded first-in-first-out queue for all shards.

use std::collections::VecDeque;
use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::format::RECORD_HEADER;
use super::record::Record;

/// Called with the outcome of an operation, after the sync that covers it.
pub type Done = Box<dyn FnOnce(io::Result<()>) + Send>;

/// Records of one shard that are written together, and whom to tell.
pub(crate) struct Op {
    pub(crate) shard: u32,
    /// Each with its body, encoded once. Empty: only waits for what is before it.
    pub(crate) records: Vec<(Record, bytes::Bytes)>,
    pub(crate) done: Option<Done>,
}

impl Op {
    pub(crate) fn new(shard: u32, records: Vec<Record>, done: Option<Done>) -> Self {
        let records = records
            .into_iter()
            .map(|r| {
                let body = r.body();
                (r, body)
            })
            .collect();
        Self { shard, records, done }
    }

    /// Bytes in the log, padding aside.
    pub(crate) fn size(&self) -> usize {
        self.records.iter().map(|(_, body)| RECORD_HEADER + body.len()).sum()
    }
}

#[derive(Default)]
struct State {
    ops: VecDeque<Op>,
    bytes: usize,
    /// No operation is taken any more: the store closes or failed.
    closed: bool,
}

/// The queue.
pub(crate) struct Queue {
    state: Mutex<State>,
    /// Something came in, or the queue was closed.
    filled: Condvar,
    /// Something went out, or the queue was closed.
    drained: Condvar,
    max_ops: usize,
    max_bytes: usize,
    /// Whether a full queue blocks the submitter; without a writer thread it would block for ever.
    blocking: bool,
}

/// What the writer finds.
pub(crate) enum Drained {
    /// Work, in order.
    Ops(Vec<Op>),
    /// Nothing came in time.
    Idle,
    /// Nothing, and nothing will come.
    Closed,
}

impl Queue {
    pub(crate) fn new(max_ops: usize, max_bytes: usize, blocking: bool) -> Self {
        Self { state: Mutex::default(), filled: Condvar::new(), drained: Condvar::new(), max_ops, max_bytes, blocking }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an operation, waiting for room; gives it back if the queue is closed.
    pub(crate) fn push(&self, op: Op) -> Result<(), Op> {
        let size = op.size();
        let mut state = self.state();
        let full = |s: &State| s.ops.len() >= self.max_ops || s.bytes + size > self.max_bytes && !s.ops.is_empty();
        while self.blocking && !state.closed && full(&state) {
            state = self.drained.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.closed {
            return Err(op);
        }
        state.bytes += size;
        state.ops.push_back(op);
        if state.ops.len() == 1 {
            self.filled.notify_one();
        }
        Ok(())
    }

    /// Takes what waits, at least one operation and then up to `max_bytes`; waits at most `patience` for the first,
    /// without limit if there is none. Before `not_before` more may come in.
    pub(crate) fn drain(&self, max_bytes: usize, patience: Option<Duration>, not_before: Option<Instant>) -> Drained {
        let mut state = self.state();
        while state.ops.is_empty() && !state.closed {
            match patience {
                None => state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(patience) => {
                    let waited = self.filled.wait_timeout(state, patience).unwrap_or_else(PoisonError::into_inner);
                    state = waited.0;
                    if waited.1.timed_out() && state.ops.is_empty() && !state.closed {
                        return Drained::Idle;
                    }
                }
            }
        }
        let left = || not_before.map_or(Duration::ZERO, |time| time.saturating_duration_since(Instant::now()));
        while !state.closed && !left().is_zero() {
            state = self.filled.wait_timeout(state, left()).unwrap_or_else(PoisonError::into_inner).0;
        }
        let (mut ops, mut bytes) = (Vec::new(), 0);
        while let Some(op) = state.ops.front() {
            let size = op.size();
            if !ops.is_empty() && bytes + size > max_bytes {
                break;
            }
            bytes += size;
            ops.extend(state.ops.pop_front());
        }
        state.bytes -= bytes;
        self.drained.notify_all();
        if ops.is_empty() { Drained::Closed } else { Drained::Ops(ops) }
    }

    /// Takes no more; what waits is still drained.
    pub(crate) fn close(&self) {
        self.state().closed = true;
        self.filled.notify_all();
        self.drained.notify_all();
    }

    /// Operations and bytes that wait.
    pub(crate) fn depth(&self) -> (usize, usize) {
        let state = self.state();
        (state.ops.len(), state.bytes)
    }
}
