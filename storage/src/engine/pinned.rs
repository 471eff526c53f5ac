//! A RocksDB snapshot that owns its database handle, so that it can outlive the call that took it.

use std::mem::ManuallyDrop;
use std::sync::Arc;

use bytes::Bytes;
use rocksdb::{DB, Snapshot};

use super::rocks::{bounded, failed, visit_all};
use super::{EngineError, View, Visit};

/// A pinned view. The snapshot must go before the database it borrows from.
pub(super) struct Pinned {
    snapshot: ManuallyDrop<Snapshot<'static>>,
    /// Keeps what `snapshot` borrows.
    _db: Arc<DB>,
}

impl Pinned {
    #[expect(unsafe_code, reason = "the binding's snapshot borrows the database; this type keeps the database alive")]
    pub(super) fn new(db: Arc<DB>) -> Self {
        // SAFETY: the `DB` lives on the heap behind `db`, which this value owns and never hands out, so the
        // reference stays valid until `drop` has released the snapshot; the Arc goes after that.
        let forever: &'static DB = unsafe { &*Arc::as_ptr(&db) };
        Self { snapshot: ManuallyDrop::new(forever.snapshot()), _db: db }
    }
}

impl Drop for Pinned {
    #[expect(unsafe_code, reason = "see `new`")]
    fn drop(&mut self) {
        // SAFETY: dropped once, here, while `_db` is still alive; not used afterwards.
        unsafe { ManuallyDrop::drop(&mut self.snapshot) };
    }
}

impl View for Pinned {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        let value = self.snapshot.get_pinned(key).map_err(failed)?;
        Ok(value.map(|v| Bytes::copy_from_slice(&v)))
    }

    fn scan(&self, from: &[u8], to: &[u8], reverse: bool, visit: &mut Visit<'_>) -> Result<(), EngineError> {
        if from >= to {
            return Ok(());
        }
        let mut read = bounded(from, to);
        // Views are read once from end to end, for snapshots: that must not drive out what people read.
        read.fill_cache(false);
        visit_all(self.snapshot.raw_iterator_opt(read), reverse, visit)
    }
}
