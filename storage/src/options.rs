//! What can be configured, with the defaults of production.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hansard_domain::ClusterId;

use crate::disk::{Disk, RealDisk};
use crate::engine::{Engine, RocksEngine, RocksOptions, View};
use crate::error::OpenError;

/// Called once when a write or a sync failed, with what failed. Production logs it and aborts.
pub type FatalHook = Arc<dyn Fn(&str) + Send + Sync>;

/// Looks at a state before anything in it is changed.
pub type CheckState<'a> = dyn FnMut(&dyn View) -> Result<(), OpenError> + 'a;

/// Opens the state engine, once the check has accepted what it holds; until then nothing may change on the disk. Called after the
/// lock was taken and the log was read.
pub type OpenEngine = Box<dyn FnOnce(&mut CheckState<'_>) -> Result<Arc<dyn Engine>, OpenError> + Send>;

/// Ids a new directory gets; drawn by the caller, so that storage needs no dice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FreshIdentity {
    /// Random id of the store.
    pub store: [u8; 16],
    /// Random id of the node, never used before.
    pub node: u64,
}

/// Who runs the log writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriterMode {
    /// Threads of the store's own write the log, prepare segments and flush. Production.
    Thread,
    /// The submitting call writes, syncs and calls back before it returns. No threads: deterministic.
    Inline,
    /// Work waits until [`Store::pump`](crate::Store::pump). No threads: deterministic, with group commit.
    Manual,
}

/// Sizes and limits of a store.
#[derive(Clone, Debug)]
pub struct Options {
    /// The data directory, for messages and for [`Seams::real`].
    pub dir: PathBuf,
    /// Ids for a directory that is new.
    pub fresh: FreshIdentity,
    /// The cluster the directory must belong to, if known. A directory without a cluster is accepted.
    pub cluster: Option<ClusterId>,
    /// Bytes of a log segment, a multiple of 4 KiB.
    pub segment_bytes: u64,
    /// Log size above which entries that pin old segments are written again at the end, in bytes.
    pub log_target_bytes: u64,
    /// Zeroed or used segments kept ready, so that segments need not be made anew.
    pub spare_segments: usize,
    /// Operations that may wait for the writer before submitters block.
    pub queue_operations: usize,
    /// Bytes that may wait for the writer before submitters block.
    pub queue_bytes: usize,
    /// Most bytes that one synced write covers.
    pub batch_bytes: usize,
    /// Memory for recent entries of all shards, in bytes. Entries on their way to the disk come on top.
    pub tail_cache_bytes: usize,
    /// How long the writer is idle before it syncs the tail mark on its own.
    pub idle_mark_after: Duration,
    /// State bytes written since the last flush that start one in the background.
    pub flush_after_bytes: u64,
    /// Log bytes written since the last flush that start one, which bounds the replay at start.
    pub flush_after_log_bytes: u64,
    /// Bytes of the ballast file, freed when the disk is nearly full. 0 means none.
    pub ballast_bytes: u64,
    /// Below this much free space (bytes) the store is not `accepting`.
    pub stop_accepting_below: u64,
    /// Below this much free space (bytes) the ballast is freed.
    pub free_ballast_below: u64,
}

impl Options {
    /// Production's defaults for `dir`.
    pub fn new(dir: impl Into<PathBuf>, fresh: FreshIdentity) -> Self {
        const MIB: u64 = 1 << 20;
        Self {
            dir: dir.into(),
            fresh,
            cluster: None,
            segment_bytes: 64 * MIB,
            log_target_bytes: 1024 * MIB,
            spare_segments: 2,
            queue_operations: 16_384,
            queue_bytes: 64 << 20,
            batch_bytes: 8 << 20,
            tail_cache_bytes: 64 << 20,
            idle_mark_after: Duration::from_millis(5),
            flush_after_bytes: 64 * MIB,
            flush_after_log_bytes: 256 * MIB,
            ballast_bytes: 64 * MIB,
            stop_accepting_below: 512 * MIB,
            free_ballast_below: 192 * MIB,
        }
    }

    /// Small sizes, for tests: 64 KiB segments, no ballast, accepts on any disk.
    pub fn small(dir: impl Into<PathBuf>, fresh: FreshIdentity) -> Self {
        Self {
            segment_bytes: 64 << 10,
            log_target_bytes: 1 << 20,
            batch_bytes: 32 << 10,
            tail_cache_bytes: 64 << 10,
            flush_after_bytes: 1 << 20,
            flush_after_log_bytes: 1 << 20,
            ballast_bytes: 0,
            stop_accepting_below: 0,
            free_ballast_below: 0,
            ..Self::new(dir, fresh)
        }
    }
}

/// What the store stands on.
pub struct Seams {
    /// Files of the log, lock and identity.
    pub disk: Arc<dyn Disk>,
    /// Opens the engine of the tables.
    pub engine: OpenEngine,
    /// Who runs the writer.
    pub writer: WriterMode,
    /// Called when a write or a sync failed.
    pub fatal: FatalHook,
}

impl Seams {
    /// Production: the file system, RocksDB in `state/`, threads, abort on a storage error.
    pub fn real(options: &Options, rocks: RocksOptions) -> Self {
        let state = options.dir.join("state");
        Self {
            disk: Arc::new(RealDisk::new(&options.dir)),
            engine: Box::new(move |check| Ok(Arc::new(RocksEngine::open_checked(&state, &rocks, check)?))),
            writer: WriterMode::Thread,
            fatal: Arc::new(abort),
        }
    }
}

/// What an operator does when it happens again and again.
const ADVICE: &str = "check the disk and start the node again; if it ends again, keep its directory, and start it with an empty one under \
     a new node id";

/// Ends the process: after a failed write or sync nothing that memory says can be trusted to be on disk.
fn abort(what: &str) {
    tracing::error!(what, advice = ADVICE, "storage failed, the process ends");
    eprintln!("hansard: storage failed, the process ends: {what}; {ADVICE}");
    std::process::abort();
}
