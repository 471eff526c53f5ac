//! Tables of bytes per shard.

pub(crate) mod directory;
pub(crate) mod tables;

use std::sync::Arc;

use bytes::Bytes;
use hansard_domain::bug::{self, Bug};
use hansard_domain::{Change, Rows, ShardId, Table};

use crate::engine::{EngineError, View};
use crate::error::StoreError;
use crate::log::Front;
use crate::mark::{AppliedMark, LogPosition};
use directory::{Keyspace, PREFIX, row_key};
use tables::{ShardTables, Tables};

/// The rows of one shard. Clones share them.
#[derive(Clone)]
pub struct ShardRows {
    pub(crate) tables: Arc<Tables>,
    pub(crate) shard: Arc<ShardTables>,
    pub(crate) front: Arc<Front>,
}

impl ShardRows {
    /// Writes changes and the mark in one atomic batch. Readable on return, durable after a flush; until then the log
    /// brings them back.
    ///
    /// # Errors
    /// The engine failed (the fatal hook was called), or the shard was removed.
    ///
    /// # Panics
    /// If the mark goes back.
    pub fn commit(&self, changes: Vec<Change>, mark: AppliedMark) -> Result<(), StoreError> {
        self.tables.commit(&self.shard, &self.front, changes, mark)
    }

    /// Up to where the log was applied.
    pub fn applied(&self) -> Option<AppliedMark> {
        self.shard.applied()
    }

    /// Up to where a crash keeps the rows: what the log may be purged to.
    pub fn durable(&self) -> Option<LogPosition> {
        self.shard.durable()
    }

    /// Makes everything committed so far, by all shards, durable. Blocks for as long as the disk takes.
    ///
    /// # Errors
    /// The engine failed; the fatal hook was called.
    pub fn flush(&self) -> Result<(), StoreError> {
        self.tables.flush()
    }

    /// Makes what was committed up to this position durable, unless it is. Blocks for as long as the disk takes.
    ///
    /// # Errors
    /// The engine failed; the fatal hook was called.
    pub fn flush_to(&self, position: LogPosition) -> Result<(), StoreError> {
        self.tables.flush_to(&self.shard, position)
    }

    /// The rows as they are now, whatever is committed later.
    ///
    /// # Errors
    /// The engine failed, or the shard was removed.
    pub fn view(&self) -> Result<RowsView, StoreError> {
        RowsView::new(Arc::clone(&self.tables), self.shard.id)
    }
}

/// A table's keys from `from` to `to`, as keys of the engine.
fn range(keyspace: Keyspace, table: Table, from: &[u8], to: &[u8]) -> (Vec<u8>, Vec<u8>) {
    (row_key(keyspace, table as u8, from), row_key(keyspace, table as u8, to))
}

/// A scan that failed has visited some of the rows: only its status tells.
fn whole(tables: &Tables, scanned: Result<(), EngineError>) -> Result<(), StoreError> {
    match scanned {
        Err(_) if bug::is(Bug::IteratorStatusIgnored) => Ok(()),
        scanned => scanned.map_err(|error| tables.failed(error)),
    }
}

impl Rows for ShardRows {
    type Error = StoreError;

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        let current = self.shard.current();
        if current.gone {
            return Err(StoreError::ShardGone);
        }
        let row = self.tables.engine.get(&row_key(current.row.keyspace, table as u8, key));
        row.map_err(|error| self.tables.failed(error))
    }

    fn scan(
        &self,
        table: Table,
        from: &[u8],
        to: &[u8],
        reverse: bool,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), StoreError> {
        let current = self.shard.current();
        if current.gone {
            return Err(StoreError::ShardGone);
        }
        let (from, to) = range(current.row.keyspace, table, from, to);
        let scanned = self.tables.engine.scan(&from, &to, reverse, &mut |key, value| visit(&key[PREFIX..], value));
        whole(&self.tables, scanned)
    }
}

/// The rows of one shard at one moment.
pub struct RowsView {
    tables: Arc<Tables>,
    view: Box<dyn View>,
    keyspace: Keyspace,
    mark: Option<AppliedMark>,
}

impl RowsView {
    /// Keyspace and mark come from the same moment as the rows.
    fn new(tables: Arc<Tables>, shard: ShardId) -> Result<Self, StoreError> {
        let view = tables.engine.view();
        let listed = directory::find(view.as_ref(), shard)?.ok_or(StoreError::ShardGone)?;
        if listed.row.removed {
            return Err(StoreError::ShardGone);
        }
        Ok(Self { tables, view, keyspace: listed.row.keyspace, mark: listed.mark })
    }

    /// Up to where the log was applied then.
    pub fn applied(&self) -> Option<&AppliedMark> {
        self.mark.as_ref()
    }

    /// All rows from `(table, key)` on (included), in order, with the table's number.
    pub(crate) fn from(&self, start: &[u8], visit: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<(), StoreError> {
        let mut from = directory::keyspace_start(self.keyspace);
        from.extend_from_slice(start);
        let to = directory::keyspace_start(self.keyspace + 1);
        let scanned = self.view.scan(&from, &to, false, &mut |key, value| visit(&key[PREFIX - 1..], value));
        whole(&self.tables, scanned)
    }
}

impl Rows for RowsView {
    type Error = StoreError;

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        let row = self.view.get(&row_key(self.keyspace, table as u8, key));
        row.map_err(|error| self.tables.failed(error))
    }

    fn scan(
        &self,
        table: Table,
        from: &[u8],
        to: &[u8],
        reverse: bool,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), StoreError> {
        let (from, to) = range(self.keyspace, table, from, to);
        let scanned = self.view.scan(&from, &to, reverse, &mut |key, value| visit(&key[PREFIX..], value));
        whole(&self.tables, scanned)
    }
}
