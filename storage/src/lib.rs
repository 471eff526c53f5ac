//! The node's storage: one log for all shards, tables of bytes per shard, snapshots.
//!
//! Storage knows nothing of rooms, people or consensus. It keeps what it is given in tables of bytes
//! ([`ShardRows`], an implementation of [`hansard_domain::Rows`]), and entries and votes in one
//! node-wide segmented log ([`ShardLog`]).
//!
//! The promises, each with a test:
//! * a callback of [`ShardLog::append`] runs after the fsync that covers the entries, never before;
//! * appends, votes, truncations and purges of one shard take effect in the order they were submitted;
//! * the log is purged only up to what a flush of the state made durable;
//! * a damaged directory is refused with [`OpenError::Damaged`] and left as it is;
//! * a storage error is reported, then ends the process through [`FatalHook`]; nothing is retried.

mod codec;
mod entry;
mod error;
#[cfg(test)]
mod golden;
mod identity;
mod mark;
mod open;
mod options;
mod pressure;
mod shard;
mod stats;
mod store;

pub mod disk;
pub mod engine;
#[doc(hidden)]
pub mod fuzzing;
mod log;
mod snapshot;
mod state;

pub use codec::CodecError;
pub use disk::{Disk, DiskFile, RealDisk, SimDisk};
pub use engine::{Engine, EngineError, RocksEngine, RocksOptions, SimEngine, View, WriteBatch, WriteOp};
pub use entry::{EntryError, LogEntry, MAX_ENTRY_BYTES};
pub use error::{OpenError, SnapshotError, StoreError};
pub use identity::Identity;
pub use log::Done;
pub use mark::{AppliedMark, LogBounds, LogPosition, Vote};
pub use options::{CheckState, FatalHook, FreshIdentity, OpenEngine, Options, Seams, WriterMode};
pub use pressure::StorePressure;
pub use shard::{Durable, ShardLog, ShardStore};
pub use snapshot::{CHUNK_BYTES, Partial, SnapshotReader, SnapshotSource, SnapshotWriter, Taken};
pub use state::{RowsView, ShardRows};
pub use stats::{Stats, StatsView};
pub use store::Store;
