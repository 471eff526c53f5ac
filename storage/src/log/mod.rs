//! The node's log: one file sequence, one writer, one sync for all shards.

mod checksums;
pub(crate) mod format;
mod front;
mod ledger;
mod pace;
mod queue;
mod read;
pub(crate) mod record;
mod recover;
mod segments;
mod survey;
mod witness;
mod writer;

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hansard_domain::ShardId;
use hansard_domain::bug::{self, Bug};

use crate::disk::DiskFile;
use crate::options::{FatalHook, WriterMode};
use crate::stats::Stats;
use pace::Pace;
use queue::{Drained, Op, Queue};
use record::Record;
use witness::Witness;
use writer::Writer;

pub(crate) use front::Front;
pub(crate) use ledger::Ledger;
pub use queue::Done;
pub(crate) use recover::{LogConfig, scan};

/// What the writer, the submitters and the readers share.
pub(crate) struct Shared {
    queue: Queue,
    ledger: Mutex<ledger::Ledger>,
    files: Mutex<BTreeMap<u64, Arc<dyn DiskFile>>>,
    fronts: Mutex<BTreeMap<u32, Arc<Front>>>,
    segments: segments::Segments,
    failed: OnceLock<String>,
    fatal: FatalHook,
    stats: Arc<Stats>,
    batch_bytes: usize,
    cache_bytes: u64,
    segment_bytes: u64,
    target_bytes: u64,
    witness: Witness,
}

fn locked<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn ledger(&self) -> MutexGuard<'_, ledger::Ledger> {
        locked(&self.ledger)
    }

    fn front(&self, number: u32) -> Option<Arc<Front>> {
        locked(&self.fronts).get(&number).cloned()
    }

    fn cached_bytes(&self) -> u64 {
        self.stats.tail_cache_bytes.load(Ordering::Relaxed)
    }

    fn uncache(&self, bytes: usize) {
        self.stats.tail_cache_bytes.fetch_sub(bytes as u64, Ordering::Relaxed);
    }

    /// Most entries the writer remembers as cached: small ones cost more than their bytes.
    fn cached_entries_limit(&self) -> usize {
        (self.cache_bytes / 64) as usize + 1
    }

    fn log_bytes(&self) -> u64 {
        self.stats.log_bytes.load(Ordering::Relaxed)
    }

    fn count_segments(&self, files: &BTreeMap<u64, Arc<dyn DiskFile>>) {
        Stats::set(&self.stats.log_bytes, files.values().map(|f| f.len()).sum());
    }

    fn add_segment(&self, number: u64, file: &Arc<dyn DiskFile>) {
        let mut files = locked(&self.files);
        files.insert(number, Arc::clone(file));
        self.count_segments(&files);
    }

    fn drop_segments(&self, below: u64) {
        let mut files = locked(&self.files);
        *files = files.split_off(&below);
        self.count_segments(&files);
    }

    /// The end of the log's life: nothing more is taken, everybody who waits is told, then the hook.
    fn fail(&self, error: &io::Error, dones: Vec<Done>) {
        let what = format!("the log failed: {error}");
        let first = self.failed.set(what.clone()).is_ok();
        self.queue.close();
        for done in dones {
            done(Err(io::Error::new(error.kind(), what.clone())));
        }
        while let Drained::Ops(ops) = self.queue.drain(usize::MAX, Some(Duration::ZERO), None) {
            for done in ops.into_iter().filter_map(|op| op.done) {
                done(Err(io::Error::new(error.kind(), what.clone())));
            }
        }
        if first && !bug::is(Bug::GoOnAfterDiskError) {
            (self.fatal)(&what);
        }
    }

    fn submit(&self, op: Op) {
        if let Err(op) = self.queue.push(op) {
            let what = self.failed.get().cloned().unwrap_or_else(|| "the store is closed".into());
            if let Some(done) = op.done {
                done(Err(io::Error::other(what)));
            }
        }
    }
}

/// The log, opened.
pub(crate) struct NodeLog {
    shared: Arc<Shared>,
    mode: WriterMode,
    /// The writer itself, unless a thread has it.
    writer: Mutex<Option<Writer>>,
    /// The next shard number; held while one is given out, so that numbers reach the log in order.
    next_shard: Mutex<u32>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl NodeLog {
    fn start(shared: Arc<Shared>, writer: Writer, mode: WriterMode, idle: Duration) -> io::Result<Self> {
        let next_shard = Mutex::new(shared.ledger().next_shard.max(1));
        let threads = Mutex::new(Vec::new());
        let log = Self { shared: Arc::clone(&shared), mode, writer: Mutex::new(None), next_shard, threads };
        if mode != WriterMode::Thread {
            *locked(&log.writer) = Some(writer);
            return Ok(log);
        }
        let preparer = Arc::clone(&shared);
        let prepare = move || preparer.segments.work();
        let write = move || write_loop(&shared, writer, idle);
        locked(&log.threads).push(std::thread::Builder::new().name("log-segments".into()).spawn(prepare)?);
        locked(&log.threads).push(std::thread::Builder::new().name("log-writer".into()).spawn(write)?);
        Ok(log)
    }

    /// Runs what waits, unless a thread does, or this call is inside a callback of such a run.
    pub(crate) fn pump(&self) {
        if self.mode == WriterMode::Thread {
            return;
        }
        let Ok(mut guard) = self.writer.try_lock() else {
            return;
        };
        let Some(writer) = guard.as_mut() else { return };
        while let Drained::Ops(ops) = self.shared.queue.drain(self.shared.batch_bytes, Some(Duration::ZERO), None) {
            writer.run(ops);
        }
    }

    /// Syncs the tail mark, unless a thread does.
    pub(crate) fn sync_mark(&self) {
        if let Ok(mut guard) = self.writer.try_lock()
            && let Some(writer) = guard.as_mut()
        {
            writer.idle();
        }
    }

    /// Gives a new shard its number.
    pub(crate) fn create(&self, id: ShardId) -> Arc<Front> {
        let mut next = locked(&self.next_shard);
        let number = *next;
        *next += 1;
        let front = Arc::new(Front::new(number, id));
        locked(&self.shared.fronts).insert(number, Arc::clone(&front));
        self.shared.submit(Op::new(number, vec![Record::Create(id)], None));
        drop(next);
        self.pump_inline();
        front
    }

    /// The shards of the log.
    pub(crate) fn fronts(&self) -> Vec<Arc<Front>> {
        locked(&self.shared.fronts).values().cloned().collect()
    }

    /// Why the log does not work any more.
    pub(crate) fn failure(&self) -> Option<String> {
        self.shared.failed.get().cloned()
    }

    /// The shards with live entries that are older than the newest whole segments of so many bytes, and the last such entry of
    /// each.
    pub(crate) fn beyond(&self, bytes: u64) -> Vec<(ShardId, u64)> {
        let oldest_kept = {
            let files = locked(&self.shared.files);
            let mut kept = 0;
            let whole = files.iter().rev().take_while(|(_, file)| {
                kept += file.len();
                kept <= bytes
            });
            // The one that is written to is kept in any case.
            whole.last().or(files.last_key_value()).map(|(segment, _)| *segment)
        };
        oldest_kept.map_or_else(Vec::new, |segment| self.shared.ledger().before(segment))
    }

    /// Operations and bytes that wait, into the statistics.
    pub(crate) fn observe(&self) {
        let (ops, bytes) = self.shared.queue.depth();
        Stats::set(&self.shared.stats.queue_depth, ops as u64);
        Stats::set(&self.shared.stats.queue_bytes, bytes as u64);
    }

    /// Makes the witness durable, beside the writer. A failure ends the log.
    pub(crate) fn sync_witness(&self) {
        if let Err(error) = self.shared.witness.sync() {
            self.shared.fail(&error, Vec::new());
        }
    }

    /// Writes what waits and the tail mark, and ends the threads. Later operations fail.
    pub(crate) fn close(&self) {
        self.pump();
        self.shared.queue.close();
        if let Some(mut writer) = locked(&self.writer).take() {
            writer.last_mark();
        }
        self.shared.segments.stop();
        for thread in locked(&self.threads).drain(..) {
            // A panic there was reported by the thread itself.
            let _ = thread.join();
        }
    }
}

fn write_loop(shared: &Shared, mut writer: Writer, idle: Duration) {
    let mut pace = Pace::default();
    loop {
        let patience = writer.mark_is_stale().then_some(idle);
        match shared.queue.drain(shared.batch_bytes, patience, pace.next()) {
            Drained::Ops(ops) => {
                pace.begin(Instant::now(), ops.iter().map(Op::size).sum());
                writer.run(ops);
            }
            Drained::Idle => writer.idle(),
            Drained::Closed => break,
        }
    }
    writer.last_mark();
}
