//! Snapshots of a shard: read from a pinned view, installed as a new generation.

pub(crate) mod format;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use hansard_domain::Table;
use hansard_domain::bug::{self, Bug};
use hansard_failpoint::{self as failpoint, Point};

use crate::engine::WriteOp;
use crate::error::{SnapshotError, StoreError};
use crate::mark::AppliedMark;
use crate::shard::ShardStore;
use crate::state::RowsView;
use crate::state::directory::Keyspace;
use crate::state::tables::drop_keyspace;
use format::{Chunk, ChunkBuilder, MAX_ROW};

pub use format::CHUNK_BYTES;

/// Reads a shard's rows as they were when it was made.
pub struct SnapshotReader {
    view: RowsView,
    mark: AppliedMark,
    number: u32,
    total: u64,
    /// Where the next chunk starts: a key led by its table. `None` when all was read.
    next: Option<Vec<u8>>,
}

impl SnapshotReader {
    pub(crate) fn new(view: RowsView) -> Result<Self, SnapshotError> {
        let mut mark = view.applied().cloned().ok_or(SnapshotError::Empty)?;
        mark.index += u64::from(bug::is(Bug::SnapshotMissesLastEntry));
        Ok(Self { view, mark, number: 0, total: 0, next: Some(Vec::new()) })
    }

    /// Where the snapshot stands in the log.
    pub fn mark(&self) -> &AppliedMark {
        &self.mark
    }

    /// The next chunk, at most [`CHUNK_BYTES`] long, or `None` after the last.
    ///
    /// # Errors
    /// The engine failed, or a row is too long for a chunk.
    pub fn next_chunk(&mut self) -> Result<Option<Bytes>, SnapshotError> {
        let Some(start) = self.next.take() else {
            return Ok(None);
        };
        let mut builder = ChunkBuilder::new(self.number, (self.number == 0).then_some(&self.mark));
        let (mut next, mut too_long) = (None, None);
        self.view.from(&start, &mut |row, value| {
            if bug::is(Bug::DedupNotInSnapshot) && row[0] == Table::Dedup as u8 {
                return true;
            }
            if row.len() + value.len() > MAX_ROW {
                too_long = Some(row.len() + value.len());
                return false;
            }
            if builder.add(row, value) {
                return true;
            }
            next = Some(row.to_vec());
            false
        })?;
        if let Some(len) = too_long {
            return Err(SnapshotError::RowTooLong(len));
        }
        self.total += u64::from(builder.rows());
        self.number += 1;
        let last = next.is_none();
        self.next = next;
        Ok(Some(builder.finish(last.then_some(self.total))))
    }
}

/// Writes a snapshot beside the shard's rows; only [`finish`](Self::finish) puts it in their place. Dropped
/// unfinished, it leaves nothing.
pub struct SnapshotWriter {
    store: ShardStore,
    keyspace: Keyspace,
    mark: Option<AppliedMark>,
    chunks: u32,
    rows: u64,
    last_key: Vec<u8>,
    complete: bool,
    switched: bool,
}

impl SnapshotWriter {
    pub(crate) fn new(store: ShardStore) -> Result<Self, SnapshotError> {
        let shard = Arc::clone(&store.rows.shard);
        if shard.installing.swap(true, Ordering::AcqRel) {
            return Err(StoreError::Installing.into());
        }
        let keyspace =
            store.rows.tables.new_keyspace().inspect_err(|_| shard.installing.store(false, Ordering::Release))?;
        Ok(Self {
            store,
            keyspace,
            mark: None,
            chunks: 0,
            rows: 0,
            last_key: Vec::new(),
            complete: false,
            switched: false,
        })
    }

    /// Takes the next chunk. Blocks.
    ///
    /// # Errors
    /// The chunk is damaged or out of order, or the engine failed.
    pub fn write(&mut self, chunk: &[u8]) -> Result<(), SnapshotError> {
        let expected = self.chunks;
        let chunk = Chunk::decode(chunk).map_err(|source| SnapshotError::Chunk { number: expected, source })?;
        if chunk.number != expected {
            return Err(SnapshotError::Order { expected, found: chunk.number });
        }
        if self.complete {
            return Err(SnapshotError::Incomplete);
        }
        let mut ops = Vec::with_capacity(chunk.rows.len());
        for (row, value) in chunk.rows {
            if row <= self.last_key {
                return Err(SnapshotError::Incomplete);
            }
            let mut key = self.keyspace.to_be_bytes().to_vec();
            key.extend_from_slice(&row);
            ops.push(WriteOp::Put(key.into(), value.into()));
            self.last_key = row;
            self.rows += 1;
        }
        if chunk.total.is_some_and(|total| total != self.rows) {
            return Err(SnapshotError::Incomplete);
        }
        failpoint::pass(Point::SnapshotChunk);
        self.store.rows.tables.write(ops)?;
        self.mark = self.mark.take().or(chunk.mark);
        self.chunks += 1;
        self.complete = chunk.total.is_some();
        Ok(())
    }

    /// Puts the snapshot in the place of the shard's rows, durably, and resets the log to its mark: entries up to
    /// there go, and those after it too unless the log has that very entry. Blocks.
    ///
    /// # Errors
    /// Chunks are missing, the snapshot is older than what is applied, or storage failed.
    pub fn finish(mut self) -> Result<AppliedMark, SnapshotError> {
        let mark = self.mark.clone().filter(|_| self.complete).ok_or(SnapshotError::Incomplete)?;
        let rows = &self.store.rows;
        if let Some(applied) = rows.applied()
            && applied.index > mark.index
        {
            return Err(SnapshotError::Old { applied: applied.index, offered: mark.index });
        }
        // From here on it is unknown which generation counts, should the switch fail: a restart knows, and sweeps.
        self.switched = true;
        let old = rows.tables.switch(&rows.shard, self.keyspace, mark.clone(), &rows.front)?;
        self.store.log().purge(mark.position()).wait().map_err(|e| StoreError::Log(e.to_string()))?;
        failpoint::pass(Point::SnapshotReset);
        self.store.rows.tables.write(drop_keyspace(old))?;
        Ok(mark)
    }
}

impl Drop for SnapshotWriter {
    fn drop(&mut self) {
        if !self.switched {
            // A failure here has called the fatal hook; leftovers go at the next start.
            let _ = self.store.rows.tables.write(drop_keyspace(self.keyspace));
        }
        self.store.rows.shard.installing.store(false, Ordering::Release);
    }
}
