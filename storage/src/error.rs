//! Errors that say what to do.

use std::io;
use std::path::PathBuf;

use hansard_domain::ClusterId;

use crate::codec::CodecError;
use crate::engine::EngineError;

/// Why a data directory was not opened. Nothing in it was changed, except by `Io` in a directory that was new.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process holds the directory.
    #[error("{} is in use by another process: stop it first, or give this node a data directory of its own", .0.display())]
    Locked(PathBuf),
    /// Written by a newer program.
    #[error("{what} has format version {found}, this program knows up to {known}: start the newer program")]
    NewerFormat {
        /// What was read.
        what: &'static str,
        /// Its version.
        found: u8,
        /// The newest version this program reads.
        known: u8,
    },
    /// Written by a program that is too old.
    #[error("{what} has format version {found}, this program knows from {oldest} on: start the program that wrote it")]
    OlderFormat {
        /// What was read.
        what: &'static str,
        /// Its version.
        found: u8,
        /// The oldest version this program reads.
        oldest: u8,
    },
    /// The directory belongs to another cluster.
    #[error("this directory belongs to cluster {found}, not to {expected}: give this node the right data directory")]
    ForeignCluster {
        /// The cluster in the directory.
        found: ClusterId,
        /// The cluster that was asked for.
        expected: ClusterId,
    },
    /// What the directory says was durable is not there, or is not what was written.
    #[error("damaged data: {what} in {place}. {advice}")]
    Damaged {
        /// What is wrong.
        what: String,
        /// File and offset, or the part of the store.
        place: String,
        /// What the operator should do.
        advice: &'static str,
    },
    /// An option that can't work.
    #[error("bad storage option: {0}")]
    BadOption(String),
    /// The file system failed.
    #[error("{what}: {source}; check the disk, its permissions and its free space")]
    Io {
        /// What was tried.
        what: String,
        /// How it failed.
        source: io::Error,
    },
    /// The state engine failed to open or to read.
    #[error("the state could not be opened: {0}; keep the directory, and start this node anew under a new id")]
    Engine(#[from] EngineError),
}

/// Advice for damage: the replica is not lost for others, and its data may be the last copy.
pub(crate) const KEEP_AND_REJOIN: &str = "Nothing was changed. Keep this directory; where the cluster has a quorum without \
     this node, start it with an empty directory under a new node id; else restore the missing files or ask for help";

impl OpenError {
    pub(crate) fn damaged(what: impl Into<String>, place: impl Into<String>) -> Self {
        Self::Damaged { what: what.into(), place: place.into(), advice: KEEP_AND_REJOIN }
    }

    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}

/// Why a read or a write of the state failed. Writes that fail have called the fatal hook before.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The engine failed.
    #[error("the state engine failed: {0}")]
    Engine(#[from] EngineError),
    /// Stored bytes of storage's own rows can't be read.
    #[error("a row of the directory is unreadable: {0}; restart the node, and replace it if that does not help")]
    Row(#[from] CodecError),
    /// The shard was removed from this node.
    #[error("the shard is not on this node any more")]
    ShardGone,
    /// The log failed before; the process is about to end.
    #[error("the log failed: {0}")]
    Log(String),
    /// Another snapshot is being installed into this shard.
    #[error("a snapshot is being installed into this shard: wait for it to end")]
    Installing,
}

/// Why a snapshot could not be read or installed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SnapshotError {
    /// Storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A chunk is not one of this format.
    #[error("chunk {number} is unreadable: {source}; fetch the snapshot again")]
    Chunk {
        /// The number expected.
        number: u32,
        /// What is wrong with it.
        source: CodecError,
    },
    /// Chunks or rows came out of order.
    #[error("chunk {expected} was expected, {found} came; fetch the snapshot again")]
    Order {
        /// The number expected.
        expected: u32,
        /// The number found.
        found: u32,
    },
    /// The snapshot does not end as it should.
    #[error("the snapshot is incomplete or has too much; fetch it again")]
    Incomplete,
    /// Nothing, or something else, is kept of it.
    #[error("so much of this snapshot is not here: ask again what is")]
    NotKept,
    /// The shard is already past it.
    #[error("the snapshot ends at {offered}, the shard has applied {applied}: it is not needed")]
    Old {
        /// Index of the last applied entry.
        applied: u64,
        /// Index of the snapshot.
        offered: u64,
    },
    /// Nothing was applied yet, so there is nothing to take a snapshot of.
    #[error("the shard is empty; apply an entry first")]
    Empty,
    /// A row that does not fit a chunk.
    #[error("a row of {0} bytes does not fit a snapshot chunk")]
    RowTooLong(usize),
}
