//! An engine in memory that forgets in a crash what no flush covered.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::{Engine, EngineError, View, Visit, WriteBatch, WriteOp};

type Map = BTreeMap<Vec<u8>, Bytes>;

#[derive(Default)]
struct Inner {
    live: Arc<Map>,
    durable: Map,
    /// Batches since the last flush, oldest first.
    unflushed: Vec<WriteBatch>,
    /// The flush after this many more fails.
    flush_error_after: Option<u64>,
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

    /// The engine as it comes back after a crash: what was flushed, and a prefix (drawn from `dice`) of what was
    /// not, since a real engine may flush by itself at any time. `self` stays a dead copy.
    pub fn crash(&self, dice: u64) -> Self {
        let inner = self.inner();
        let mut map = inner.durable.clone();
        let kept = (dice % (inner.unflushed.len() as u64 + 1)) as usize;
        for batch in &inner.unflushed[..kept] {
            apply(&mut map, batch);
        }
        let inner = Inner { live: Arc::new(map.clone()), durable: map, ..Inner::default() };
        Self { inner: Arc::new(Mutex::new(inner)) }
    }
}

fn apply(map: &mut Map, batch: &WriteBatch) {
    for op in &batch.ops {
        match op {
            WriteOp::Put(key, value) => {
                map.insert(key.clone(), Bytes::copy_from_slice(value));
            }
            WriteOp::Delete(key) => {
                map.remove(key);
            }
            WriteOp::DeleteRange(from, to) => {
                if from < to {
                    let doomed: Vec<_> = map.range(from.clone()..to.clone()).map(|(k, _)| k.clone()).collect();
                    for key in doomed {
                        map.remove(&key);
                    }
                }
            }
        }
    }
}

impl View for Arc<Map> {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        Ok(BTreeMap::get(self, key).cloned())
    }

    fn scan(&self, from: &[u8], to: &[u8], reverse: bool, visit: &mut Visit<'_>) -> Result<(), EngineError> {
        if from >= to {
            return Ok(());
        }
        let range = self.range::<[u8], _>((std::ops::Bound::Included(from), std::ops::Bound::Excluded(to)));
        if reverse {
            let _ = range.rev().all(|(k, v)| visit(k, v));
        } else {
            let _ = { range }.all(|(k, v)| visit(k, v));
        }
        Ok(())
    }
}

impl View for SimEngine {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        let live = Arc::clone(&self.inner().live);
        View::get(&live, key)
    }

    fn scan(&self, from: &[u8], to: &[u8], reverse: bool, visit: &mut Visit<'_>) -> Result<(), EngineError> {
        let live = Arc::clone(&self.inner().live);
        live.scan(from, to, reverse, visit)
    }
}

impl Engine for SimEngine {
    fn write(&self, batch: WriteBatch) -> Result<(), EngineError> {
        let mut inner = self.inner();
        apply(Arc::make_mut(&mut inner.live), &batch);
        inner.unflushed.push(batch);
        Ok(())
    }

    fn flush(&self) -> Result<(), EngineError> {
        let mut inner = self.inner();
        match inner.flush_error_after.as_mut() {
            Some(0) => {
                inner.flush_error_after = None;
                return Err(EngineError("injected flush error".into()));
            }
            Some(left) => *left -= 1,
            None => {}
        }
        for batch in std::mem::take(&mut inner.unflushed) {
            apply(&mut inner.durable, &batch);
        }
        Ok(())
    }

    fn view(&self) -> Box<dyn View> {
        Box::new(Arc::clone(&self.inner().live))
    }
}
