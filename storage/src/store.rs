//! The store of a node.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use hansard_domain::{ClusterId, ShardId};
use hansard_failpoint::{self as failpoint, Point};

use crate::disk::{Disk, DiskLock};
use crate::engine::{RocksOptions, WriteOp};
use crate::error::{OpenError, SnapshotError, StoreError};
use crate::identity::Identity;
use crate::log::NodeLog;
use crate::open::{self, Opened};
use crate::options::{FatalHook, Options, Seams, WriterMode};
use crate::pressure::{Space, StorePressure};
use crate::shard::{Durable, ShardStore};
use crate::snapshot::Partial;
use crate::state::ShardRows;
use crate::state::directory;
use crate::state::tables::Tables;
use crate::stats::Stats;

/// How often the background thread looks at free space and at what waits for a flush.
const TICK: Duration = Duration::from_millis(500);

/// How many times it looks until it looks at what deleted rows take.
const TIDY_EVERY: u32 = 60;

pub(crate) struct Inner {
    pub(crate) identity: Mutex<Identity>,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) log: Arc<NodeLog>,
    pub(crate) tables: Arc<Tables>,
    pub(crate) shards: Mutex<BTreeMap<ShardId, ShardStore>>,
    pub(crate) space: Arc<Space>,
    pub(crate) stats: Arc<Stats>,
    pub(crate) fatal: FatalHook,
    pub(crate) flush_after_bytes: u64,
    pub(crate) flush_after_log_bytes: u64,
    /// Log bytes written at the last flush.
    pub(crate) flushed_at: Mutex<u64>,
    pub(crate) background: Mutex<Option<Background>>,
    /// Given up last.
    pub(crate) _lock: Box<dyn DiskLock>,
}

/// The thread that flushes and watches the disk.
pub(crate) struct Background {
    stop: Arc<(Mutex<bool>, Condvar)>,
    thread: JoinHandle<()>,
}

/// A node's data directory, open. Clones share it; the last one to go closes it (without a flush: the log brings back
/// what was not flushed). Handles to shards don't keep it open: their logs take nothing more once it is closed.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Store {
    /// Opens the directory, or makes it. Blocks: reads the whole log.
    ///
    /// # Errors
    /// It is in use, of another cluster, of a newer format, or damaged; see [`OpenError`].
    pub fn open(options: Options, seams: Seams) -> Result<Self, OpenError> {
        let mode = seams.writer;
        let Opened { inner } = open::open(&options, seams)?;
        let inner = Arc::new(inner);
        if mode == WriterMode::Thread {
            let background = Background::start(&inner).map_err(OpenError::io("starting the flush thread"))?;
            *locked(&inner.background) = Some(background);
        }
        Ok(Self { inner })
    }

    /// Opens the directory on the file system with RocksDB, threads, and an abort on storage errors.
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    pub fn open_real(options: Options, rocks: RocksOptions) -> Result<Self, OpenError> {
        let seams = Seams::real(&options, rocks);
        Self::open(options, seams)
    }

    /// Whose directory it is.
    pub fn identity(&self) -> Identity {
        *locked(&self.inner.identity)
    }

    /// Joins the directory to a cluster, durably, once.
    ///
    /// # Errors
    /// Storage failed; the fatal hook was called.
    ///
    /// # Panics
    /// If it belongs to another cluster already.
    pub fn set_cluster(&self, cluster: ClusterId) -> Result<(), StoreError> {
        let mut identity = locked(&self.inner.identity);
        if let Some(known) = identity.cluster {
            assert!(known == cluster, "this directory belongs to cluster {known}, it can't join {cluster}");
            return Ok(());
        }
        let joined = Identity { cluster: Some(cluster), ..*identity };
        // The file first: a state that names a cluster which the file does not know counts as damage.
        joined.write(self.inner.disk.as_ref()).map_err(|error| {
            let what = format!("IDENTITY could not be written: {error}");
            (self.inner.fatal)(&what);
            StoreError::Log(what)
        })?;
        failpoint::pass(Point::ClusterBound);
        let row = directory::store_row(joined.store, joined.cluster);
        self.inner.tables.write(vec![WriteOp::Put(directory::store_key().into(), row.into())])?;
        self.inner.tables.flush()?;
        *identity = joined;
        Ok(())
    }

    /// The shards on this node.
    pub fn shards(&self) -> Vec<ShardId> {
        locked(&self.inner.shards).keys().copied().collect()
    }

    /// A shard, made if it is new. A new shard is durable with its first durable operation.
    ///
    /// # Errors
    /// The engine failed.
    pub fn shard(&self, id: ShardId) -> Result<ShardStore, StoreError> {
        let mut shards = locked(&self.inner.shards);
        if let Some(shard) = shards.get(&id) {
            return Ok(shard.clone());
        }
        let shard = self.inner.tables.create(id)?;
        failpoint::pass(Point::ShardCreated);
        let rows = ShardRows { tables: Arc::clone(&self.inner.tables), shard, front: self.inner.log.create(id) };
        let store = ShardStore { log: Arc::clone(&self.inner.log), rows };
        shards.insert(id, store.clone());
        Ok(store)
    }

    /// Drops a shard's log and rows. Handles to it fail from then on. Blocks. A shard that is not there is no error.
    ///
    /// # Errors
    /// Storage failed; the removal goes on at the next start.
    pub fn remove_shard(&self, id: ShardId) -> Result<(), StoreError> {
        let mut shards = locked(&self.inner.shards);
        let Some(shard) = shards.remove(&id) else {
            return Ok(());
        };
        let keyspace = shard.rows.shard.current().row.keyspace;
        self.inner.tables.begin_remove(&shard.rows.shard)?;
        failpoint::pass(Point::ShardRemoving);
        let (done, removed) = Durable::new(&self.inner.log);
        self.inner.log.remove(&shard.rows.front, done);
        removed.wait().map_err(|e| StoreError::Log(e.to_string()))?;
        let partial = shard.rows.shard.partial().map(|row| row.keyspace);
        self.inner.tables.finish_remove(id, keyspace, partial)
    }

    /// The snapshots of which some chunks are here and that are not installed.
    pub fn partials(&self) -> BTreeMap<ShardId, Partial> {
        let shards = locked(&self.inner.shards);
        shards.iter().filter_map(|(id, shard)| shard.partial().map(|partial| (*id, partial))).collect()
    }

    /// Drops what is here of a snapshot, unless more of it is being taken in.
    ///
    /// # Errors
    /// The engine failed; the fatal hook was called.
    pub fn abandon(&self, id: ShardId, partial: Partial) -> Result<(), SnapshotError> {
        let shard = locked(&self.inner.shards).get(&id).cloned();
        shard.map_or(Ok(()), |shard| shard.abandon(partial))
    }

    /// Makes everything committed so far durable. Blocks.
    ///
    /// # Errors
    /// The engine failed; the fatal hook was called.
    pub fn flush(&self) -> Result<(), StoreError> {
        self.inner.flush()
    }

    /// Flushes if enough was written since the last flush. The background thread does so by itself; without threads,
    /// call it now and then.
    ///
    /// # Errors
    /// The engine failed; the fatal hook was called.
    pub fn flush_if_due(&self) -> Result<bool, StoreError> {
        self.inner.flush_if_due()
    }

    /// Runs what waits for the writer, in manual mode.
    pub fn pump(&self) {
        self.inner.log.pump();
    }

    /// Syncs the log's tail mark, as an idle writer does by itself. Without threads.
    pub fn sync_mark(&self) {
        self.inner.log.sync_mark();
    }

    /// Whether new proposals may be taken; false when the disk is nearly full.
    pub fn accepting(&self) -> bool {
        self.inner.space.pressure().accepting
    }

    /// The disk at the last probe.
    pub fn pressure(&self) -> StorePressure {
        self.inner.space.pressure()
    }

    /// Looks at the free space now. The background thread does so by itself.
    pub fn probe_space(&self) {
        self.inner.space.probe();
    }

    /// The shards that keep the log longer than so many bytes, in whole segments: each with its last entry that is older. Once
    /// these are purged, the log is short enough.
    pub fn log_beyond(&self, bytes: u64) -> Vec<(ShardId, u64)> {
        self.inner.log.beyond(bytes)
    }

    /// Counters.
    pub fn stats(&self) -> Arc<Stats> {
        self.inner.log.observe();
        Arc::clone(&self.inner.stats)
    }

    /// Writes what waits, flushes, and closes the log: later operations fail.
    ///
    /// # Errors
    /// The log or the engine failed.
    pub fn close(&self) -> Result<(), StoreError> {
        self.inner.stop_background();
        self.inner.log.close();
        if let Some(failure) = self.inner.log.failure() {
            return Err(StoreError::Log(failure));
        }
        self.inner.flush()
    }
}

impl Inner {
    fn flush(&self) -> Result<(), StoreError> {
        let written = self.stats.log_bytes_written.load(Ordering::Relaxed);
        self.tables.flush()?;
        *locked(&self.flushed_at) = written;
        Ok(())
    }

    fn flush_if_due(&self) -> Result<bool, StoreError> {
        let log = self.stats.log_bytes_written.load(Ordering::Relaxed) - *locked(&self.flushed_at);
        let state = self.tables.unflushed();
        let due = state > 0 && (state >= self.flush_after_bytes || log >= self.flush_after_log_bytes);
        if due {
            self.flush()?;
        }
        Ok(due)
    }

    fn stop_background(&self) {
        let Some(background) = locked(&self.background).take() else {
            return;
        };
        *locked(&background.stop.0) = true;
        background.stop.1.notify_all();
        if background.thread.thread().id() != std::thread::current().id() {
            // A panic there was reported by the thread itself.
            let _ = background.thread.join();
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stop_background();
        self.log.close();
    }
}

impl Background {
    fn start(inner: &Arc<Inner>) -> std::io::Result<Self> {
        let stop = Arc::new((Mutex::new(false), Condvar::new()));
        let (theirs, weak) = (Arc::clone(&stop), Arc::downgrade(inner));
        let thread = std::thread::Builder::new().name("store-flush".into()).spawn(move || {
            for look in 0_u32.. {
                let stopped = locked(&theirs.0);
                let (stopped, _) = theirs.1.wait_timeout(stopped, TICK).unwrap_or_else(PoisonError::into_inner);
                if *stopped {
                    return;
                }
                drop(stopped);
                let Some(inner) = weak.upgrade() else { return };
                inner.space.probe();
                inner.log.observe();
                inner.log.sync_witness();
                // A failure has called the fatal hook.
                if inner.flush_if_due().is_err() || look % TIDY_EVERY == 0 && inner.tables.tidy().is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { stop, thread })
    }
}
