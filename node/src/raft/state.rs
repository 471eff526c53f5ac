//! The state machine adapter: entries in, one commit of rows for all that wait, then answers and events.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{FutureExt, Stream, StreamExt};
use hansard_domain::ShardId;
use hansard_domain::meta::MetaView;
use hansard_failpoint::{self as failpoint, Point};
use hansard_storage::{AppliedMark, ShardRows, ShardStore};
use openraft::storage::{ApplyResponder, EntryResponder, RaftStateMachine};
use tokio::sync::watch;

use super::blocking::blocking;
use super::log::invalid;
use super::machine::{Machine, MachineError};
use super::membership;
use super::progress::Progress;
use super::proposal::{Decoded, Outcomes};
use super::shelf::Shelf;
use super::sink::ApplySink;
use super::snapshot::{SnapshotBuilder, SnapshotHandle, meta_of};
use super::types::{LogId, Payload, Snapshot, SnapshotMeta, StoredMembership, Types, log_id, parts};

/// Entries that are committed together at most: bounds the memory of a long catch-up.
const MAX_ENTRIES_PER_COMMIT: usize = 64;
/// Bytes of batches that are committed together at most.
const MAX_BYTES_PER_COMMIT: usize = 4 * 1024 * 1024;

/// One shard's state, owned by its apply task.
pub struct StateMachine {
    shard: ShardId,
    store: ShardStore,
    rows: ShardRows,
    machine: Machine,
    applied: Option<LogId>,
    membership: StoredMembership,
    membership_bytes: Bytes,
    view: watch::Sender<Arc<MetaView>>,
    sink: Arc<dyn ApplySink>,
    progress: Arc<Progress>,
    shelf: Arc<Shelf>,
    cache_bytes: usize,
}

/// Entries on their way into one commit.
#[derive(Default)]
struct Group {
    batches: Vec<Decoded>,
    bytes: usize,
    spans: Vec<tracing::Span>,
    /// In the order of the log; whether the entry has a batch, and who waits.
    entries: Vec<(bool, Option<ApplyResponder<Types>>)>,
    last: Option<LogId>,
    membership: Option<StoredMembership>,
}

impl Group {
    fn is_full(&self) -> bool {
        self.entries.len() >= MAX_ENTRIES_PER_COMMIT || self.bytes >= MAX_BYTES_PER_COMMIT
    }
}

impl StateMachine {
    /// The state that `store` holds: after a restart, what its last flush made durable. Rows that are used again and again are
    /// kept in so many bytes of memory.
    pub fn load(
        store: ShardStore,
        view: watch::Sender<Arc<MetaView>>,
        sink: Arc<dyn ApplySink>,
        progress: Arc<Progress>,
        cache_bytes: usize,
    ) -> Result<StateMachine, StartError> {
        let shard = store.id();
        let rows = store.rows();
        let machine = Machine::load(shard, &rows, &view, cache_bytes)?;
        let empty = membership::encode_stored(&StoredMembership::default()).into();
        let mut state = StateMachine {
            shard,
            store,
            rows,
            machine,
            applied: None,
            membership: StoredMembership::default(),
            membership_bytes: empty,
            view,
            sink,
            progress,
            shelf: Shelf::new(),
            cache_bytes,
        };
        state.adopt_mark()?;
        Ok(state)
    }

    /// Takes over the applied mark that the rows carry.
    fn adopt_mark(&mut self) -> Result<(), StartError> {
        if let Some(mark) = self.rows.applied() {
            self.membership = membership::decode_stored(&mark.membership)?;
            self.membership_bytes = mark.membership;
            self.applied = Some(log_id(mark.term, mark.index));
            self.progress.advance(mark.term, mark.index, self.machine.record());
        }
        Ok(())
    }

    fn take(&self, (entry, responder): EntryResponder<Types>, group: &mut Group) -> io::Result<()> {
        let position = entry.position();
        let has_batch = match entry.into_payload() {
            Payload::Blank => false,
            Payload::Membership(members) => {
                group.membership = Some(StoredMembership::new(Some(position), members));
                false
            }
            Payload::Normal(proposal) => {
                group.bytes += proposal.payload.len();
                group.spans.extend(proposal.spans);
                let decoded = match proposal.decoded {
                    Some(decoded) => decoded,
                    None => self.machine.decode(&proposal.payload).map_err(invalid)?,
                };
                group.batches.push(decoded);
                true
            }
        };
        group.entries.push((has_batch, responder));
        group.last = Some(position);
        Ok(())
    }

    /// Applies a group, commits its rows with its mark, and only then answers and tells.
    fn commit(&mut self, group: Group) -> io::Result<()> {
        let Some(last) = group.last else { return Ok(()) };
        let (term, index) = parts(&last);
        let entries = group.entries.len();
        let apply = |commit| tracing::debug_span!(parent: commit, "apply", shard = %self.shard, index, entries);
        let _applies: Vec<tracing::Span> = group.spans.iter().map(apply).collect();
        let had_batches = !group.batches.is_empty();
        let effects = self.machine.apply(&self.rows, group.batches).map_err(invalid)?;
        if let Some(stored) = group.membership {
            self.membership_bytes = membership::encode_stored(&stored).into();
            self.membership = stored;
        }
        let mark = AppliedMark { term, index, membership: self.membership_bytes.clone() };
        self.rows.commit(effects.changes, mark).map_err(io::Error::other)?;
        self.applied = Some(last);
        if had_batches {
            self.machine.committed();
        }
        self.progress.advance(term, index, self.machine.record());
        failpoint::pass(Point::Applied);
        let mut outcomes = effects.outcomes.into_iter();
        for (has_batch, responder) in group.entries {
            let outcome = if has_batch { outcomes.next().expect("each batch has outcomes") } else { Outcomes::None };
            if let Some(responder) = responder {
                responder.send(outcome);
            }
        }
        if !effects.applied.news.is_empty() {
            self.sink.applied(self.shard, &effects.applied);
        }
        Ok(())
    }
}

/// Why a replica cannot start from what its store holds.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The rows or the entries.
    #[error(transparent)]
    Machine(#[from] MachineError),
    /// The membership beside the mark.
    #[error("the applied mark's membership: {0}")]
    Membership(#[from] super::entry::PayloadError),
}

impl RaftStateMachine<Types> for StateMachine {
    type SnapshotData = SnapshotHandle;
    type SnapshotBuilder = SnapshotBuilder;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), io::Error> {
        Ok((self.applied, self.membership.clone()))
    }

    async fn apply<S>(&mut self, mut entries: S) -> Result<(), io::Error>
    where
        S: Stream<Item = Result<EntryResponder<Types>, io::Error>> + Unpin + Send,
    {
        let mut group = Group::default();
        loop {
            // Whatever is ready goes into the commit; nothing waits for more.
            let item = match entries.next().now_or_never() {
                Some(item) => item,
                None => {
                    self.commit(std::mem::take(&mut group))?;
                    entries.next().await
                }
            };
            let Some(item) = item else { break };
            self.take(item?, &mut group)?;
            if group.is_full() {
                self.commit(std::mem::take(&mut group))?;
                tokio::task::yield_now().await;
            }
        }
        self.commit(group)
    }

    async fn get_snapshot_builder(&mut self) -> SnapshotBuilder {
        SnapshotBuilder::new(self.store.clone(), self.shelf.held())
    }

    async fn install_snapshot(&mut self, meta: &SnapshotMeta, snapshot: SnapshotHandle) -> Result<(), io::Error> {
        let mark = blocking(|| snapshot.install(&self.store)).map_err(io::Error::other)?;
        if Some(log_id(mark.term, mark.index)) != meta.last_log_id {
            return Err(io::Error::other("the snapshot's rows are not of the entry that its head names"));
        }
        self.rows = self.store.rows();
        let machine = Machine::load(self.shard, &self.rows, &self.view, self.cache_bytes);
        self.machine = machine.map_err(io::Error::other)?;
        self.adopt_mark().map_err(io::Error::other)?;
        self.sink.replaced(self.shard);
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot>, io::Error> {
        if self.applied.is_none() {
            return Ok(None);
        }
        let outgoing = self.shelf.current(&self.store).map_err(io::Error::other)?;
        let meta = meta_of(Some(outgoing.source.mark()))?;
        Ok(Some(Snapshot { meta, snapshot: SnapshotHandle::Outgoing(outgoing) }))
    }
}
