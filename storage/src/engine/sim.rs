//! An engine in memory that forgets in a crash what no flush covered, and fails and rots as it is told.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::{Engine, EngineError, View, Visit, WriteBatch, WriteOp};

type Map = BTreeMap<Vec<u8>, Bytes>;

/// Keys and values, some of which are in damaged blocks.
#[derive(Clone, Default)]
struct Rows {
    map: Arc<Map>,
    /// Keys that cannot be read: every read that meets one fails.
    damaged: Arc<BTreeSet<Vec<u8>>>,
}

#[derive(Default)]
struct Inner {
    live: Rows,
    durable: Map,
    /// Batches since the last flush, oldest first.
    unflushed: Vec<WriteBatch>,
    write_error_after: Option<u64>,
    flush_error_after: Option<u64>,
    /// Injected errors that were returned.
    struck: u64,
}

/// A deterministic engine. Clones share it.
#[derive(Clone, Default)]
pub struct SimEngine {
    inner: Arc<Mutex<Inner>>,
}

impl SimEngine {
    /// An empty engine.
    pub fn new() -> Self {
        Self::default()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Plans a failure: the flush after `flushes` more fails, and makes nothing durable.
    pub fn fail_flush_after(&self, flushes: u64) {
        self.inner().flush_error_after = Some(flushes);
    }

    /// Plans a failure: the write after `writes` more fails, and has no effect.
    pub fn fail_write_after(&self, writes: u64) {
        self.inner().write_error_after = Some(writes);
    }

    /// Forgets planned failures.
    pub fn mend(&self) {
        let mut inner = self.inner();
        (inner.write_error_after, inner.flush_error_after) = (None, None);
    }

    /// Damages the block of a key that is durable, drawn from `dice`: reads that meet it fail until it is written anew.
    /// False: there is none.
    pub fn damage(&self, dice: u64) -> bool {
        let mut inner = self.inner();
        let at = dice.checked_rem(inner.durable.len() as u64).unwrap_or(0) as usize;
        let Some(key) = inner.durable.keys().nth(at).cloned() else { return false };
        Arc::make_mut(&mut inner.live.damaged).insert(key);
        true
    }

    /// Injected errors that were returned in this life.
    pub fn struck(&self) -> u64 {
        self.inner().struck
    }

    /// The engine as it comes back after a crash: what was flushed, and a prefix (drawn from `dice`) of what was
    /// not, since a real engine may flush by itself at any time. `self` stays a dead copy.
    pub fn crash(&self, dice: u64) -> Self {
        let inner = self.inner();
        let mut rows = Rows { map: Arc::new(inner.durable.clone()), damaged: Arc::clone(&inner.live.damaged) };
        let kept = (dice % (inner.unflushed.len() as u64 + 1)) as usize;
        inner.unflushed[..kept].iter().for_each(|batch| rows.apply(batch));
        let inner = Inner { durable: Map::clone(&rows.map), live: rows, ..Inner::default() };
        Self { inner: Arc::new(Mutex::new(inner)) }
    }
}

/// Counts a planned failure down; true when it strikes.
fn strikes(plan: &mut Option<u64>) -> bool {
    let strikes = *plan == Some(0);
    *plan = plan.and_then(|left| left.checked_sub(1));
    strikes
}

impl Rows {
    fn apply(&mut self, batch: &WriteBatch) {
        apply(Arc::make_mut(&mut self.map), batch);
        if self.damaged.is_empty() {
            return;
        }
        let damaged = Arc::make_mut(&mut self.damaged);
        for op in &batch.ops {
            match op {
                WriteOp::Put(key, _) | WriteOp::Delete(key) => drop(damaged.remove(&key[..])),
                WriteOp::DeleteRange(from, to) => damaged.retain(|key| &key[..] < from || &key[..] >= to),
            }
        }
    }
}

fn apply(map: &mut Map, batch: &WriteBatch) {
    for op in &batch.ops {
        match op {
            WriteOp::Put(key, value) => {
                map.insert(key.to_vec(), Bytes::copy_from_slice(value));
            }
            WriteOp::Delete(key) => {
                map.remove(&key[..]);
            }
            WriteOp::DeleteRange(from, to) => {
                if from < to {
                    let doomed: Vec<_> = map.range(from.to_vec()..to.to_vec()).map(|(k, _)| k.clone()).collect();
                    for key in doomed {
                        map.remove(&key);
                    }
                }
            }
        }
    }
}

fn rotten() -> EngineError {
    EngineError("injected damage: block checksum mismatch".into())
}

impl View for Rows {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        if self.damaged.contains(key) {
            return Err(rotten());
        }
        Ok(self.map.get(key).cloned())
    }

    fn scan(&self, from: &[u8], to: &[u8], reverse: bool, visit: &mut Visit<'_>) -> Result<(), EngineError> {
        if from >= to {
            return Ok(());
        }
        let mut rows = self.map.range::<[u8], _>((Bound::Included(from), Bound::Excluded(to)));
        let mut next = || if reverse { rows.next_back() } else { rows.next() };
        while let Some((key, value)) = next() {
            if self.damaged.contains(key) {
                return Err(rotten());
            }
            if !visit(key, value) {
                break;
            }
        }
        Ok(())
    }
}

impl View for SimEngine {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        let live = self.inner().live.clone();
        live.get(key)
    }

    fn scan(&self, from: &[u8], to: &[u8], reverse: bool, visit: &mut Visit<'_>) -> Result<(), EngineError> {
        let live = self.inner().live.clone();
        live.scan(from, to, reverse, visit)
    }
}

impl Engine for SimEngine {
    fn write(&self, batch: WriteBatch) -> Result<(), EngineError> {
        let mut inner = self.inner();
        if strikes(&mut inner.write_error_after) {
            inner.struck += 1;
            return Err(EngineError("injected write error".into()));
        }
        inner.live.apply(&batch);
        inner.unflushed.push(batch);
        Ok(())
    }

    fn flush(&self) -> Result<(), EngineError> {
        let mut inner = self.inner();
        if strikes(&mut inner.flush_error_after) {
            inner.struck += 1;
            return Err(EngineError("injected flush error".into()));
        }
        for batch in std::mem::take(&mut inner.unflushed) {
            apply(&mut inner.durable, &batch);
        }
        Ok(())
    }

    fn view(&self) -> Box<dyn View> {
        Box::new(self.inner().live.clone())
    }
}
