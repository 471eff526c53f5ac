//! The two state machines behind one face: a shard of rooms, and meta.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use hansard_domain::bug::{self, Bug};
use hansard_domain::meta::{Meta, MetaBatch, MetaView};
use hansard_domain::tree::Frontier;
use hansard_domain::{Batch, Change, Shard, ShardId};
use hansard_storage::{ShardRows, StoreError};
use tokio::sync::watch;

use super::entry::batch_of;
use super::proposal::{Decoded, Outcomes};
use super::sink::Applied;

/// A shard's rules and what they keep in memory.
pub enum Machine {
    /// Rooms.
    Rooms(Box<Shard>),
    /// Nodes, placement, people; its view is published after each commit.
    Meta(Box<Meta>, watch::Sender<Arc<MetaView>>),
}

/// What several entries' commands did.
pub struct Effects {
    /// Rows to change.
    pub changes: Vec<Change>,
    /// What those who follow rooms may want to know.
    pub applied: Applied,
    /// Outcomes of each batch, in order.
    pub outcomes: Vec<Outcomes>,
}

/// Why a batch was not applied. Both end the replica: a replica that skips an entry is no replica.
#[derive(Debug, thiserror::Error)]
pub enum MachineError {
    /// The rows cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An entry is no batch of this kind of shard.
    #[error("a committed entry cannot be decoded: {0}; keep the data directory and upgrade or report this")]
    Batch(String),
}

/// The record of a shard: what must be equal on all replicas at the same applied index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecordHead {
    /// Leaves.
    pub size: u64,
    /// Root of the Merkle tree over them.
    pub root: [u8; 32],
}

impl Machine {
    /// Loads the rules' state from the rows, with so many bytes for rows that are kept in memory. `view` is told what meta's rows
    /// say; rooms do not use it.
    pub fn load(
        id: ShardId,
        rows: &ShardRows,
        view: &watch::Sender<Arc<MetaView>>,
        cache_bytes: usize,
    ) -> Result<Machine, MachineError> {
        if id == ShardId::META {
            let meta = Meta::load(rows)?;
            view.send_replace(Arc::new(meta.view().clone()));
            Ok(Machine::Meta(Box::new(meta), view.clone()))
        } else {
            let (rooms, members) = cached_rows(cache_bytes);
            Ok(Machine::Rooms(Box::new(Shard::load_with_caches(id, rows, rooms, members)?)))
        }
    }

    /// The batch in `payload`.
    pub fn decode(&self, payload: &Bytes) -> Result<Decoded, MachineError> {
        let bytes = batch_of(payload);
        let text = |error: &dyn std::error::Error| MachineError::Batch(error.to_string());
        Ok(match self {
            Machine::Rooms(_) => Decoded::Room(Arc::new(Batch::decode(&bytes).map_err(|e| text(&e))?)),
            Machine::Meta(..) => Decoded::Meta(Arc::new(MetaBatch::decode(&bytes).map_err(|e| text(&e))?)),
        })
    }

    /// Applies the batches in order, as one step. Rows depend on the batches alone, so replicas may take other steps and stay
    /// equal.
    pub fn apply(&mut self, rows: &ShardRows, batches: Vec<Decoded>) -> Result<Effects, MachineError> {
        match self {
            Machine::Rooms(shard) => {
                let mut parts = batches.into_iter().map(room_batch).collect::<Result<Vec<_>, _>>()?;
                if bug::is(Bug::ApplyReadsClock) {
                    parts.iter_mut().for_each(stamp_here);
                }
                let counts: Vec<usize> = parts.iter().map(|batch| batch.commands.len()).collect();
                let applied = shard.apply(rows, &parts.iter().map(Arc::as_ref).collect::<Vec<_>>())?;
                let outcomes = split(applied.outcomes, &counts).into_iter().map(Outcomes::Room).collect();
                let (changes, news) = (applied.changes, applied.news);
                Ok(Effects { changes, applied: Applied { batches: parts, news }, outcomes })
            }
            Machine::Meta(meta, _) => {
                let parts = batches.into_iter().map(meta_batch).collect::<Result<Vec<_>, _>>()?;
                let counts: Vec<usize> = parts.iter().map(|batch| batch.commands.len()).collect();
                let applied = meta.apply(rows, &parts.iter().map(Arc::as_ref).collect::<Vec<_>>())?;
                let outcomes = split(applied.outcomes, &counts).into_iter().map(Outcomes::Meta).collect();
                Ok(Effects { changes: applied.changes, applied: Applied::default(), outcomes })
            }
        }
    }

    /// Publishes what the last commit changed.
    pub fn committed(&self) {
        if let Machine::Meta(meta, view) = self {
            view.send_replace(Arc::new(meta.view().clone()));
        }
    }

    /// The record's tree after the last apply.
    pub fn record(&self) -> &Frontier {
        match self {
            Machine::Rooms(shard) => shard.record(),
            Machine::Meta(meta, _) => meta.record(),
        }
    }
}

/// Bytes of a room, of a member, or of a person's newest request in memory, their places in tables included.
const CACHED_ROW_BYTES: usize = 200;

/// Rooms and members that so many bytes hold. A room has several members who talk; each of them is a member row, and a newest
/// request.
fn cached_rows(bytes: usize) -> (usize, usize) {
    let rooms = bytes / CACHED_ROW_BYTES / 9;
    (rooms, 4 * rooms)
}

/// A bug for tests: see [`Bug::ApplyReadsClock`].
fn stamp_here(batch: &mut Arc<Batch>) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Arc::make_mut(batch).commands.iter_mut().for_each(|command| command.stamp_us = now.as_micros() as i64);
}

fn room_batch(decoded: Decoded) -> Result<Arc<Batch>, MachineError> {
    match decoded {
        Decoded::Room(batch) => Ok(batch),
        Decoded::Meta(_) => Err(MachineError::Batch("a meta batch in a shard of rooms".to_owned())),
    }
}

fn meta_batch(decoded: Decoded) -> Result<Arc<MetaBatch>, MachineError> {
    match decoded {
        Decoded::Meta(batch) => Ok(batch),
        Decoded::Room(_) => Err(MachineError::Batch("a batch for rooms in meta".to_owned())),
    }
}

fn split<T>(outcomes: Vec<T>, counts: &[usize]) -> Vec<Vec<T>> {
    assert_eq!(outcomes.len(), counts.iter().sum::<usize>(), "each command has one outcome");
    let mut outcomes = outcomes.into_iter();
    counts.iter().map(|&count| outcomes.by_ref().take(count).collect()).collect()
}
