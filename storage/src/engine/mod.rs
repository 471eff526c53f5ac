//! The seam under the tables: ordered keys, atomic batches, a flush, pinned views.
//!
//! Two engines pass one shared model suite with crashes: [`RocksEngine`] and [`SimEngine`].

mod pinned;
mod rocks;
mod sim;

use bytes::Bytes;

pub use rocks::{RocksEngine, RocksOptions};
pub use sim::SimEngine;

/// A failure of the engine: nothing is known about the write or read it was returned for.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct EngineError(pub String);

/// One step of a batch. Keys and values of a batch may share memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteOp {
    /// Sets a key.
    Put(Bytes, Bytes),
    /// Removes a key.
    Delete(Bytes),
    /// Removes all keys from the first (included) to the second (excluded).
    DeleteRange(Bytes, Bytes),
}

impl WriteOp {
    /// The key, or the first of the range.
    pub fn key(&self) -> &[u8] {
        match self {
            Self::Put(key, _) | Self::Delete(key) | Self::DeleteRange(key, _) => key,
        }
    }
}

/// Steps that take effect together or not at all, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriteBatch {
    /// The steps.
    pub ops: Vec<WriteOp>,
}

/// Called with each key and value of a scan; `false` stops it.
pub type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> bool + 'a;

/// What can be read at one moment.
pub trait View: Send + Sync {
    /// The value of `key`.
    ///
    /// # Errors
    /// The engine failed, or the block that may hold the key is damaged.
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError>;

    /// Visits keys from `from` (included) to `to` (excluded), ascending, or descending if `reverse`.
    ///
    /// # Errors
    /// As for [`get`](Self::get); the rows visited before are valid, but not all there are.
    fn scan(&self, from: &[u8], to: &[u8], reverse: bool, visit: &mut Visit<'_>) -> Result<(), EngineError>;
}

/// Ordered keys with atomic batches. Writes are lost in a crash until a flush covers them; what a crash leaves is
/// a prefix of the batches that were written, at least up to the last flush.
pub trait Engine: View + 'static {
    /// Applies a batch atomically. Not durable until [`flush`](Self::flush).
    ///
    /// # Errors
    /// The engine failed; it is unknown whether the batch took effect.
    fn write(&self, batch: WriteBatch) -> Result<(), EngineError>;

    /// Makes every batch that was written before the call durable. Blocks.
    ///
    /// # Errors
    /// The engine failed; nothing is known to be durable that was not before.
    fn flush(&self) -> Result<(), EngineError>;

    /// Begins or ends to give back what deleted rows take on the disk, whichever is due; the work is done beside. Call it now and
    /// then.
    ///
    /// # Errors
    /// The engine failed.
    fn tidy(&self) -> Result<(), EngineError> {
        Ok(())
    }

    /// A view that later writes do not change.
    fn view(&self) -> Box<dyn View>;
}
