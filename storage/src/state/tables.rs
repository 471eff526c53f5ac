//! The tables of all shards on one engine: generations, marks, flushes.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use bytes::Bytes;
use hansard_domain::{Change, ShardId};
use hansard_failpoint::{self as failpoint, Point};

use super::directory::{self, Keyspace, Listed, ShardRow};
use crate::engine::{Engine, EngineError, WriteBatch, WriteOp};
use crate::error::StoreError;
use crate::log::Front;
use crate::mark::{AppliedMark, LogPosition};
use crate::options::FatalHook;
use crate::snapshot::partial::PartialRow;
use crate::stats::Stats;

/// A shard's generation of rows at this moment.
pub(crate) struct Current {
    pub(crate) row: ShardRow,
    pub(crate) gone: bool,
}

/// One shard's tables.
pub(crate) struct ShardTables {
    pub(crate) id: ShardId,
    /// Read-locked while rows are read, so that a generation is not dropped under a reader; written by the switch to a new one and
    /// by a removal only, which wait for readers and have new ones wait.
    current: RwLock<Current>,
    /// Apart from `current`: a commit waits for no reader. Set after the write of its rows.
    applied: Mutex<Option<AppliedMark>>,
    durable: Mutex<Option<LogPosition>>,
    /// Held by commits and by the switch to a new generation.
    writing: Mutex<()>,
    pub(crate) installing: AtomicBool,
    /// A snapshot that is not installed; changed by who has `installing` alone.
    partial: Mutex<Option<PartialRow>>,
}

impl ShardTables {
    pub(crate) fn current(&self) -> RwLockReadGuard<'_, Current> {
        self.current.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn current_mut(&self) -> RwLockWriteGuard<'_, Current> {
        self.current.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Up to where the log was applied.
    pub(crate) fn applied(&self) -> Option<AppliedMark> {
        self.applied.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_applied(&self, mark: AppliedMark) {
        *self.applied.lock().unwrap_or_else(PoisonError::into_inner) = Some(mark);
    }

    /// Up to where a crash keeps the rows.
    pub(crate) fn durable(&self) -> Option<LogPosition> {
        *self.durable.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The snapshot that is not installed.
    pub(crate) fn partial(&self) -> Option<PartialRow> {
        self.partial.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_partial(&self, row: Option<PartialRow>) {
        *self.partial.lock().unwrap_or_else(PoisonError::into_inner) = row;
    }

    fn publish(&self, position: Option<LogPosition>) {
        let mut durable = self.durable.lock().unwrap_or_else(PoisonError::into_inner);
        if position.map(|(_, index)| index) > durable.map(|(_, index)| index) {
            *durable = position;
        }
    }
}

/// The tables of the node.
pub(crate) struct Tables {
    pub(crate) engine: Arc<dyn Engine>,
    shards: Mutex<BTreeMap<ShardId, Arc<ShardTables>>>,
    next_keyspace: Mutex<Keyspace>,
    /// Held during a flush, so that marks are published in order.
    flushing: Mutex<()>,
    /// State bytes written since the last flush.
    unflushed: AtomicU64,
    fatal: FatalHook,
    stats: Arc<Stats>,
}

impl Tables {
    pub(crate) fn new(engine: Arc<dyn Engine>, next: Keyspace, fatal: FatalHook, stats: Arc<Stats>) -> Self {
        Self {
            engine,
            shards: Mutex::default(),
            next_keyspace: Mutex::new(next),
            flushing: Mutex::new(()),
            unflushed: AtomicU64::new(0),
            fatal,
            stats,
        }
    }

    fn shards(&self) -> MutexGuard<'_, BTreeMap<ShardId, Arc<ShardTables>>> {
        self.shards.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// State bytes written since the last flush.
    pub(crate) fn unflushed(&self) -> u64 {
        self.unflushed.load(Ordering::Relaxed)
    }

    /// Takes over a shard that the directory has. All of it is durable.
    pub(crate) fn adopt(&self, id: ShardId, listed: Listed) {
        let durable = listed.mark.as_ref().map(AppliedMark::position);
        let current = Current { row: listed.row, gone: false };
        let tables = ShardTables {
            id,
            current: RwLock::new(current),
            applied: Mutex::new(listed.mark),
            durable: Mutex::new(durable),
            writing: Mutex::new(()),
            installing: AtomicBool::new(false),
            partial: Mutex::default(),
        };
        self.shards().insert(id, Arc::new(tables));
    }

    pub(crate) fn shard(&self, id: ShardId) -> Option<Arc<ShardTables>> {
        self.shards().get(&id).cloned()
    }

    /// Makes a shard without rows.
    pub(crate) fn create(&self, id: ShardId) -> Result<Arc<ShardTables>, StoreError> {
        let row = ShardRow { keyspace: self.new_keyspace()?, removed: false, installed: None };
        self.write(vec![WriteOp::Put(directory::shard_key(id).into(), row.encode().into())])?;
        self.adopt(id, Listed { row, mark: None, logged: 0 });
        Ok(self.shard(id).expect("it was just adopted"))
    }

    pub(crate) fn new_keyspace(&self) -> Result<Keyspace, StoreError> {
        let mut next = self.next_keyspace.lock().unwrap_or_else(PoisonError::into_inner);
        let keyspace = *next;
        *next = keyspace.checked_add(1).expect("four thousand million generations are enough");
        self.write(vec![WriteOp::Put(directory::next_key().into(), next.to_be_bytes().to_vec().into())])?;
        Ok(keyspace)
    }

    /// Writes a batch; a failure is fatal.
    pub(crate) fn write(&self, ops: Vec<WriteOp>) -> Result<(), StoreError> {
        let bytes: usize = ops.iter().map(op_bytes).sum();
        at(Point::StateWrite).and_then(|()| self.engine.write(WriteBatch { ops })).map_err(|e| self.failed(e))?;
        self.unflushed.fetch_add(bytes as u64, Ordering::Relaxed);
        Stats::add(&self.stats.state_bytes_written, bytes as u64);
        Ok(())
    }

    pub(super) fn failed(&self, error: EngineError) -> StoreError {
        (self.fatal)(&format!("the state engine failed: {error}"));
        StoreError::Engine(error)
    }

    /// Writes rows of a snapshot that is not installed together with how far it has come.
    pub(crate) fn write_partial(
        &self,
        shard: &ShardTables,
        mut rows: Vec<WriteOp>,
        row: &PartialRow,
    ) -> Result<(), StoreError> {
        rows.push(WriteOp::Put(directory::partial_key(shard.id).into(), row.encode().into()));
        // Until it is written nobody can remove the shard, and with it what is known of the snapshot.
        let current = shard.current();
        if current.gone {
            return Err(StoreError::ShardGone);
        }
        self.write(rows)?;
        shard.set_partial(Some(row.clone()));
        Ok(())
    }

    /// Writes changes and the mark together.
    pub(crate) fn commit(
        &self,
        shard: &ShardTables,
        front: &Front,
        changes: Vec<Change>,
        mark: AppliedMark,
    ) -> Result<(), StoreError> {
        let _one = shard.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let keyspace = {
            let current = shard.current();
            if current.gone {
                return Err(StoreError::ShardGone);
            }
            current.row.keyspace
        };
        let before = shard.applied().map(|m| m.index);
        assert!(before <= Some(mark.index), "applied goes back from {before:?} to {}", mark.index);
        let mut ops = ops(keyspace, changes);
        let row = directory::mark_row(&mark, front.synced().min(mark.index));
        ops.push(WriteOp::Put(directory::mark_key(shard.id).into(), row.into()));
        self.write(ops)?;
        failpoint::pass(Point::StateCommitted);
        // After the write: a flush that sees the mark covers the rows.
        shard.set_applied(mark);
        Ok(())
    }

    /// Makes everything written so far durable, and says so.
    pub(crate) fn flush(&self) -> Result<(), StoreError> {
        let _one = self.flushing.lock().unwrap_or_else(PoisonError::into_inner);
        self.flush_now()
    }

    /// Makes a shard's rows durable up to this entry, unless they are: one flush serves all shards that wait for one.
    pub(crate) fn flush_to(&self, shard: &ShardTables, position: LogPosition) -> Result<(), StoreError> {
        let _one = self.flushing.lock().unwrap_or_else(PoisonError::into_inner);
        if shard.durable() >= Some(position) { Ok(()) } else { self.flush_now() }
    }

    /// Has the engine give back what deleted rows take.
    pub(crate) fn tidy(&self) -> Result<(), StoreError> {
        self.engine.tidy().map_err(|e| self.failed(e))
    }

    /// One at a time.
    fn flush_now(&self) -> Result<(), StoreError> {
        let shards: Vec<_> = self.shards().values().cloned().collect();
        let marks: Vec<_> = shards.iter().map(|s| s.applied().map(|mark| mark.position())).collect();
        let before = self.unflushed();
        at(Point::StateFlush).and_then(|()| self.engine.flush()).map_err(|e| self.failed(e))?;
        failpoint::pass(Point::StateFlushed);
        for (position, shard) in marks.into_iter().zip(shards) {
            shard.publish(position);
        }
        self.unflushed.fetch_sub(before, Ordering::Relaxed);
        Stats::add(&self.stats.flushes, 1);
        Ok(())
    }

    /// Puts a new generation in the place of the current one, durably; the old one's keyspace.
    pub(crate) fn switch(
        &self,
        shard: &ShardTables,
        keyspace: Keyspace,
        mark: AppliedMark,
        front: &Front,
    ) -> Result<Keyspace, StoreError> {
        let _one = shard.writing.lock().unwrap_or_else(PoisonError::into_inner);
        self.flush()?;
        let position = mark.position();
        failpoint::pass(Point::SnapshotSwitch);
        let row = ShardRow { keyspace, removed: false, installed: Some(position) };
        let old = {
            let mut current = shard.current_mut();
            if current.gone {
                return Err(StoreError::ShardGone);
            }
            let logged = front.synced().min(mark.index);
            self.write(vec![
                WriteOp::Put(directory::shard_key(shard.id).into(), row.encode().into()),
                WriteOp::Put(directory::mark_key(shard.id).into(), directory::mark_row(&mark, logged).into()),
                WriteOp::Delete(directory::partial_key(shard.id).into()),
            ])?;
            shard.set_partial(None);
            let old = current.row.keyspace;
            current.row = row;
            // Before the lock goes: nobody sees the new rows with the old mark.
            shard.set_applied(mark);
            old
        };
        self.flush()?;
        failpoint::pass(Point::SnapshotSwitched);
        Ok(old)
    }

    /// Marks a shard as going, durably; its handles fail from here on.
    pub(crate) fn begin_remove(&self, shard: &ShardTables) -> Result<(), StoreError> {
        {
            let mut current = shard.current_mut();
            current.gone = true;
            let row = ShardRow { removed: true, ..current.row };
            self.write(vec![WriteOp::Put(directory::shard_key(shard.id).into(), row.encode().into())])?;
        }
        self.shards().remove(&shard.id);
        self.flush()
    }

    /// Drops the rows of a shard that was marked as going and is out of the log, and those of a snapshot that was for it.
    pub(crate) fn finish_remove(
        &self,
        id: ShardId,
        keyspace: Keyspace,
        partial: Option<Keyspace>,
    ) -> Result<(), StoreError> {
        failpoint::pass(Point::ShardRemoved);
        let mut ops = drop_keyspace(keyspace);
        ops.push(WriteOp::Delete(directory::shard_key(id).into()));
        ops.push(WriteOp::Delete(directory::mark_key(id).into()));
        ops.push(WriteOp::Delete(directory::partial_key(id).into()));
        ops.extend(partial.into_iter().flat_map(drop_keyspace));
        self.write(ops)
    }

    /// Takes over snapshots that can go on, and drops keyspaces that no shard uses: what an interrupted install or removal left.
    pub(crate) fn sweep(&self) -> Result<(), StoreError> {
        for (id, row) in directory::partials(self.engine.as_ref())? {
            let wanted =
                |shard: &Arc<ShardTables>| shard.applied().is_none_or(|applied| applied.index < row.mark.index);
            match self.shard(id).filter(wanted) {
                Some(shard) => shard.set_partial(Some(row)),
                None => self.write(vec![WriteOp::Delete(directory::partial_key(id).into())])?,
            }
        }
        let shards: Vec<_> = self.shards().values().cloned().collect();
        let partials = shards.iter().filter_map(|shard| shard.partial()).map(|row| row.keyspace);
        let used: Vec<Keyspace> = shards.iter().map(|s| s.current().row.keyspace).chain(partials).collect();
        let next = *self.next_keyspace.lock().unwrap_or_else(PoisonError::into_inner);
        for keyspace in (1..next).filter(|k| !used.contains(k)) {
            let mut any = false;
            let (from, to) = (directory::keyspace_start(keyspace), directory::keyspace_start(keyspace + 1));
            self.engine.scan(&from, &to, false, &mut |_, _| {
                any = true;
                false
            })?;
            if any {
                self.write(drop_keyspace(keyspace))?;
            }
        }
        Ok(())
    }
}

/// Changes as steps of the engine, in key order: neighbours cost the engine far less than strangers. Their keys stand in one piece
/// of memory.
fn ops(keyspace: Keyspace, changes: Vec<Change>) -> Vec<WriteOp> {
    // Most keys differ within their first bytes, which are compared as one number.
    let rank = |change: &Change| {
        let mut first = [0; 8];
        first[0] = change.table as u8;
        first[1..].iter_mut().zip(&change.key[..]).for_each(|(to, from)| *to = *from);
        u64::from_be_bytes(first)
    };
    let mut order: Vec<(u64, Change)> = changes.into_iter().map(|change| (rank(&change), change)).collect();
    order.sort_unstable_by(|(a, one), (b, other)| a.cmp(b).then_with(|| one.key.cmp(&other.key)));
    let mut keys = Vec::with_capacity(order.iter().map(|(_, change)| directory::PREFIX + change.key.len()).sum());
    for (_, change) in &order {
        directory::put_row_key(&mut keys, keyspace, change.table as u8, &change.key);
    }
    let mut keys = Bytes::from(keys);
    let mut ops = Vec::with_capacity(order.len() + 1);
    for (_, change) in order {
        let key = keys.split_to(directory::PREFIX + change.key.len());
        ops.push(match change.value {
            Some(value) => WriteOp::Put(key, value),
            None => WriteOp::Delete(key),
        });
    }
    ops
}

/// A fail point of the engine's own kind.
fn at(point: Point) -> Result<(), EngineError> {
    failpoint::io(point).map_err(|error| EngineError(error.to_string()))
}

fn op_bytes(op: &WriteOp) -> usize {
    match op {
        WriteOp::Put(key, value) => key.len() + value.len(),
        WriteOp::Delete(key) => key.len(),
        WriteOp::DeleteRange(from, to) => from.len() + to.len(),
    }
}

pub(crate) fn drop_keyspace(keyspace: Keyspace) -> Vec<WriteOp> {
    let (from, to) = (directory::keyspace_start(keyspace), directory::keyspace_start(keyspace + 1));
    vec![WriteOp::DeleteRange(from.into(), to.into())]
}
