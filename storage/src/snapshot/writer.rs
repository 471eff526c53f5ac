//! Taking a snapshot in: rows beside the shard's rows, chunk by chunk, that take their place at the end.

use std::sync::atomic::Ordering;

use hansard_failpoint::{self as failpoint, Point};

use super::format::Chunk;
use super::partial::{Partial, PartialRow, Taken};
use crate::engine::WriteOp;
use crate::error::{SnapshotError, StoreError};
use crate::mark::AppliedMark;
use crate::shard::ShardStore;
use crate::state::directory::{self, Keyspace};
use crate::state::tables::{ShardTables, Tables, drop_keyspace};

/// Writes a snapshot beside the shard's rows; only [`finish`](Self::finish) puts it in their place. Dropped unfinished it
/// leaves its chunks, for [`ShardStore::resume`]: at most one such snapshot for each shard.
pub struct SnapshotWriter {
    store: ShardStore,
    keyspace: Keyspace,
    /// Nothing until the first chunk has come.
    row: Option<PartialRow>,
    /// What came cannot be part of a snapshot: nothing is kept.
    wrong: bool,
}

impl SnapshotWriter {
    /// From the first chunk on; what was kept of another goes.
    pub(crate) fn new(store: ShardStore) -> Result<Self, SnapshotError> {
        let claim = Claim::of(&store)?;
        let tables = &store.rows.tables;
        discard(tables, &store.rows.shard)?;
        let keyspace = tables.new_keyspace()?;
        claim.keep();
        Ok(Self { store, keyspace, row: None, wrong: false })
    }

    /// From where another one stopped.
    pub(crate) fn resume(store: ShardStore, partial: Partial) -> Result<Self, SnapshotError> {
        let claim = Claim::of(&store)?;
        let row = store.rows.shard.partial().filter(|row| row.partial() == partial);
        let row = row.ok_or(SnapshotError::NotKept)?;
        failpoint::pass(Point::SnapshotResume);
        claim.keep();
        Ok(Self { store, keyspace: row.keyspace, row: Some(row), wrong: false })
    }

    /// The chunks that were taken in so far.
    pub fn taken(&self) -> Taken {
        self.row.as_ref().map(|row| row.taken).unwrap_or_default()
    }

    /// Takes the next chunk. Blocks.
    ///
    /// # Errors
    /// The chunk is damaged or out of order, or the engine failed.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), SnapshotError> {
        let expected = self.taken().chunks;
        let chunk = Chunk::decode(bytes).map_err(|source| SnapshotError::Chunk { number: expected, source })?;
        if chunk.number != expected {
            return Err(SnapshotError::Order { expected, found: chunk.number });
        }
        let (mark, rows, mut last_key) = match (&self.row, &chunk.mark) {
            (Some(row), _) if row.complete => return self.refuse(),
            (Some(row), _) => (row.mark.clone(), row.rows, row.last_key.clone()),
            (None, Some(mark)) => (mark.clone(), 0, Vec::new()),
            (None, None) => return self.refuse(),
        };
        let rows = rows + chunk.rows.len() as u64;
        let mut ops = Vec::with_capacity(chunk.rows.len() + 1);
        for (row, value) in chunk.rows {
            if row <= last_key {
                return self.refuse();
            }
            let mut key = self.keyspace.to_be_bytes().to_vec();
            key.extend_from_slice(&row);
            ops.push(WriteOp::Put(key.into(), value.into()));
            last_key = row;
        }
        if chunk.total.is_some_and(|total| total != rows) {
            return self.refuse();
        }
        let (taken, complete) = (self.taken().and(bytes), chunk.total.is_some());
        let row = PartialRow { keyspace: self.keyspace, taken, rows, complete, mark, last_key };
        failpoint::pass(Point::SnapshotChunk);
        self.store.rows.tables.write_partial(&self.store.rows.shard, ops, &row)?;
        self.row = Some(row);
        Ok(())
    }

    fn refuse(&mut self) -> Result<(), SnapshotError> {
        self.wrong = true;
        Err(SnapshotError::Incomplete)
    }

    /// The chunks are those of no snapshot, whatever they say of themselves: nothing of them is kept.
    pub fn give_up(mut self) {
        self.wrong = true;
    }

    /// Puts the snapshot in the place of the shard's rows, durably, and resets the log to its mark: entries up to
    /// there go, and those after it too unless the log has that very entry. Blocks.
    ///
    /// # Errors
    /// Chunks are missing, the snapshot is older than what is applied, or storage failed.
    pub fn finish(mut self) -> Result<AppliedMark, SnapshotError> {
        let row = self.row.take().filter(|row| row.complete).ok_or(SnapshotError::Incomplete)?;
        let rows = &self.store.rows;
        if let Some(applied) = rows.applied()
            && applied.index > row.mark.index
        {
            self.wrong = true;
            return Err(SnapshotError::Old { applied: applied.index, offered: row.mark.index });
        }
        // Should the switch fail, it is unknown which generation counts: a restart knows, and sweeps.
        let old = rows.tables.switch(&rows.shard, row.keyspace, row.mark.clone(), &rows.front)?;
        self.store.log().purge(row.mark.position()).wait().map_err(|e| StoreError::Log(e.to_string()))?;
        failpoint::pass(Point::SnapshotReset);
        self.store.rows.tables.write(drop_keyspace(old))?;
        Ok(row.mark)
    }
}

impl Drop for SnapshotWriter {
    fn drop(&mut self) {
        if self.wrong {
            // A failure here has called the fatal hook; leftovers go at the next start.
            let _ = discard(&self.store.rows.tables, &self.store.rows.shard);
        }
        self.store.rows.shard.installing.store(false, Ordering::Release);
    }
}

/// Drops what is kept of a snapshot that is not taken in any further, unless that goes on just now.
pub(crate) fn abandon(store: &ShardStore, partial: Partial) -> Result<(), SnapshotError> {
    let Ok(_claim) = Claim::of(store) else { return Ok(()) };
    let shard = &store.rows.shard;
    if shard.partial().is_some_and(|row| row.partial() == partial) {
        discard(&store.rows.tables, shard)?;
    }
    Ok(())
}

/// Drops the shard's unfinished snapshot, if there is one.
fn discard(tables: &Tables, shard: &ShardTables) -> Result<(), StoreError> {
    let Some(row) = shard.partial() else { return Ok(()) };
    failpoint::pass(Point::SnapshotDiscard);
    let mut ops = drop_keyspace(row.keyspace);
    ops.push(WriteOp::Delete(directory::partial_key(shard.id).into()));
    tables.write(ops)?;
    shard.set_partial(None);
    Ok(())
}

/// The right to take a snapshot in; one holder at a time.
struct Claim<'a> {
    shard: &'a ShardTables,
    kept: bool,
}

impl<'a> Claim<'a> {
    fn of(store: &'a ShardStore) -> Result<Self, StoreError> {
        let shard = store.rows.shard.as_ref();
        if shard.installing.swap(true, Ordering::AcqRel) {
            return Err(StoreError::Installing);
        }
        Ok(Self { shard, kept: false })
    }

    /// A writer has it from now on.
    fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        if !self.kept {
            self.shard.installing.store(false, Ordering::Release);
        }
    }
}
