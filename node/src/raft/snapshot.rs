//! Snapshots: a flush and a mark where they are built, rows only where they are sent.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hansard_domain::bug::{self, Bug};
use hansard_failpoint::{self as failpoint, Point};
use hansard_storage::{AppliedMark, ShardStore, SnapshotError, SnapshotWriter};
use openraft::storage::RaftSnapshotBuilder;
use tokio::sync::watch;

use super::blocking::blocking;
use super::log::invalid;
use super::membership;
use super::shelf::Outgoing;
use super::types::{Snapshot, SnapshotMeta, Types, log_id};

/// A snapshot's rows.
pub enum SnapshotHandle {
    /// Built here: the rows are read from a pinned view when they are sent.
    Outgoing(Arc<Outgoing>),
    /// Received whole; becomes the shard's state when it is installed.
    Incoming(Box<SnapshotWriter>),
    /// Built here, and not to be sent: what it holds is durable.
    Marked,
}

impl SnapshotHandle {
    /// Makes it the state of `store`, whole or not at all; its mark. May wait for the disk.
    pub(super) fn install(self, store: &ShardStore) -> Result<AppliedMark, SnapshotError> {
        match self {
            SnapshotHandle::Incoming(writer) => writer.finish(),
            SnapshotHandle::Outgoing(outgoing) => {
                let mut reader = outgoing.source.reader();
                let mut writer = store.install()?;
                while let Some(chunk) = reader.next_chunk()? {
                    writer.write(&chunk)?;
                }
                writer.finish()
            }
            SnapshotHandle::Marked => Err(SnapshotError::Empty),
        }
    }
}

/// The meta of the state at `mark`; of the empty state for none.
pub(super) fn meta_of(mark: Option<&AppliedMark>) -> io::Result<SnapshotMeta> {
    let Some(mark) = mark else { return Ok(SnapshotMeta::default()) };
    let last_membership = membership::decode_stored(&mark.membership).map_err(invalid)?;
    Ok(SnapshotMeta { last_log_id: Some(log_id(mark.term, mark.index)), last_membership })
}

/// How long the log waits at most for snapshots that are being sent. A quarter of an hour: at 24 MiB/s a node sends 21 GiB
/// meanwhile, and a log that takes 10 MB/s grows by 9 GB. A snapshot that takes longer is followed by another one.
const LOG_WAITS: Duration = Duration::from_secs(900);

/// Builds a snapshot: makes what is applied durable, so that the log below it may go. Copies nothing.
pub struct SnapshotBuilder {
    store: ShardStore,
    mark: Option<AppliedMark>,
    held: watch::Receiver<usize>,
}

impl SnapshotBuilder {
    /// Of the state as it is applied now. Consensus hears of it when no older snapshot is `held` any more, to be sent: it would
    /// purge the log that follows that one.
    pub(super) fn new(store: ShardStore, held: watch::Receiver<usize>) -> SnapshotBuilder {
        let mark = store.rows().applied();
        SnapshotBuilder { store, mark, held }
    }
}

impl RaftSnapshotBuilder<Types> for SnapshotBuilder {
    type SnapshotData = SnapshotHandle;

    async fn build_snapshot(&mut self) -> Result<Snapshot, io::Error> {
        let rows = self.store.rows();
        if let Some(mark) = &self.mark.as_ref().filter(|_| !bug::is(Bug::PurgeBeforeFlush)) {
            blocking(|| rows.flush_to(mark.position())).map_err(io::Error::other)?;
            assert!(rows.durable() >= Some(mark.position()), "a flush covers what was applied before it");
        }
        // In either case the log may go: it was long enough, or the state machine is gone.
        let _ = tokio::time::timeout(LOG_WAITS, self.held.wait_for(|held| *held == 0)).await;
        failpoint::pass(Point::SnapshotBuilt);
        Ok(Snapshot { meta: meta_of(self.mark.as_ref())?, snapshot: SnapshotHandle::Marked })
    }
}
