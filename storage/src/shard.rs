//! One shard of the store: its log, its rows, its snapshots.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake};

use hansard_domain::ShardId;
use hansard_domain::bug::{self, Bug};
use tokio::sync::oneshot;

use crate::entry::LogEntry;
use crate::error::SnapshotError;
use crate::log::{Done, Front, NodeLog};
use crate::mark::{LogBounds, LogPosition, Vote};
use crate::snapshot::{self, Partial, SnapshotReader, SnapshotSource, SnapshotWriter};
use crate::state::ShardRows;

/// A shard. Clones share it.
#[derive(Clone)]
pub struct ShardStore {
    pub(crate) log: Arc<NodeLog>,
    pub(crate) rows: ShardRows,
}

impl ShardStore {
    /// The shard's id.
    pub fn id(&self) -> ShardId {
        self.rows.shard.id
    }

    /// Its part of the log.
    pub fn log(&self) -> ShardLog {
        ShardLog { log: Arc::clone(&self.log), rows: self.rows.clone() }
    }

    /// Its rows.
    pub fn rows(&self) -> ShardRows {
        self.rows.clone()
    }

    /// A snapshot of the rows as they are now; later commits don't change it.
    ///
    /// # Errors
    /// Nothing was applied yet, or the engine failed.
    pub fn snapshot(&self) -> Result<SnapshotReader, SnapshotError> {
        Ok(SnapshotSource::new(self.rows.view()?)?.reader())
    }

    /// Takes a snapshot in beside the rows, from its first chunk on. What is here of another one goes.
    ///
    /// # Errors
    /// Another one is being installed, or the engine failed.
    pub fn install(&self) -> Result<SnapshotWriter, SnapshotError> {
        SnapshotWriter::new(self.clone())
    }

    /// The snapshot of which some chunks are here and that is not installed. It outlives a crash as far as it was flushed.
    pub fn partial(&self) -> Option<Partial> {
        self.rows.shard.partial().map(|row| row.partial())
    }

    /// Goes on with that snapshot after what is here.
    ///
    /// # Errors
    /// It is not what is here, or it is being taken in.
    pub fn resume(&self, partial: Partial) -> Result<SnapshotWriter, SnapshotError> {
        SnapshotWriter::resume(self.clone(), partial)
    }

    /// Drops what is here of that snapshot, unless more of it is being taken in.
    ///
    /// # Errors
    /// The engine failed; the fatal hook was called.
    pub fn abandon(&self, partial: Partial) -> Result<(), SnapshotError> {
        snapshot::abandon(self, partial)
    }
}

/// Resolves once an operation is durable. The operation was queued before this was returned: dropping it cancels
/// nothing.
#[must_use = "the operation is durable only when this resolves"]
pub struct Durable {
    receiver: oneshot::Receiver<io::Result<()>>,
    log: Arc<NodeLog>,
}

fn closed() -> io::Error {
    io::Error::other("the log's writer is gone")
}

impl Durable {
    pub(crate) fn new(log: &Arc<NodeLog>) -> (Done, Self) {
        let (sender, receiver) = oneshot::channel();
        let done = Box::new(move |outcome| {
            // Nobody may be waiting any more; the operation is durable all the same.
            let _ = sender.send(outcome);
        });
        (done, Self { receiver, log: Arc::clone(log) })
    }

    /// Blocks the thread until it is durable; without a writer thread, runs the writer.
    ///
    /// # Errors
    /// The log failed: the outcome is unknown, and the fatal hook was called.
    pub fn wait(mut self) -> io::Result<()> {
        self.log.pump();
        let waker = Arc::new(Unpark(std::thread::current())).into();
        let mut context = Context::from_waker(&waker);
        loop {
            match Pin::new(&mut self).poll(&mut context) {
                Poll::Ready(outcome) => return outcome,
                Poll::Pending => std::thread::park(),
            }
        }
    }
}

/// Wakes a blocked thread.
struct Unpark(std::thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

impl Future for Durable {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.receiver).poll(context).map(|outcome| outcome.unwrap_or_else(|_| Err(closed())))
    }
}

/// A shard's part of the node's log. Operations of one shard take effect in the order of the calls. Clones share it.
#[derive(Clone)]
pub struct ShardLog {
    log: Arc<NodeLog>,
    rows: ShardRows,
}

impl ShardLog {
    fn front(&self) -> &Arc<Front> {
        &self.rows.front
    }

    /// Ends of the log, entries that are not durable yet included.
    pub fn bounds(&self) -> LogBounds {
        self.front().bounds()
    }

    /// The vote saved last.
    pub fn vote(&self) -> Option<Vote> {
        self.front().vote()
    }

    /// Appends entries. They are readable on return; `done` is called on the writer's thread once they are durable,
    /// after everything submitted before. Blocks while the writer's queue is full.
    ///
    /// # Panics
    /// If the entries leave a hole or go back in term, or one is longer than a quarter of a log segment.
    pub fn append(&self, entries: &[LogEntry], done: Done) {
        self.log.append(self.front(), entries, done);
    }

    /// Saves a vote.
    pub fn save_vote(&self, vote: Vote) -> Durable {
        let (done, durable) = Durable::new(&self.log);
        self.log.save_vote(self.front(), vote, done);
        durable
    }

    /// Drops the entries after `last`; all of them if `None`.
    ///
    /// # Panics
    /// If `last` was purged.
    pub fn truncate_after(&self, last: Option<u64>) -> Durable {
        let (done, durable) = Durable::new(&self.log);
        self.log.truncate_after(self.front(), last, done);
        durable
    }

    /// Drops the entries up to `upto`. If the log does not have that entry, all entries go and the log continues
    /// after `upto`.
    ///
    /// # Panics
    /// If the rows are not durable up to there: entries that a restart would need must stay.
    pub fn purge(&self, upto: LogPosition) -> Durable {
        let durable = self.rows.durable();
        assert!(
            durable.is_some_and(|(_, index)| index >= upto.1) || bug::is(Bug::PurgeBeforeFlush),
            "the log of shard {} may not be purged to {}: its rows are durable up to {durable:?}",
            self.front().id,
            upto.1,
        );
        let (done, durable) = Durable::new(&self.log);
        self.log.purge(self.front(), upto, done);
        durable
    }

    /// Entries `from..to`: at least one if there is one at `from`, then as many as fit `max_bytes` of frames. Ends
    /// early where the log does. Reads the disk for entries that are no longer in memory.
    ///
    /// # Errors
    /// The disk failed, or an entry is damaged: stop the node.
    pub fn read(&self, from: u64, to: u64, max_bytes: usize) -> io::Result<Vec<LogEntry>> {
        self.log.read(self.front(), from, to, max_bytes)
    }
}
