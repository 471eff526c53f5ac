//! What every replica of a shard has, whatever its state machine: reads, leadership, membership, status.

use std::sync::Arc;
use std::time::Duration;

use hansard_domain::ShardId;
use hansard_storage::{ShardRows, ShardStore, StoreError};
use openraft::async_runtime::watch::WatchReceiver;
use tokio::sync::{mpsc, oneshot, watch};

use super::error::ReadError;
use super::freshness::Freshness;
use super::lag::{self, Lag};
use super::leadership::{self, Leadership};
use super::readers::Readers;
use super::reads::{self, Reader, Unconfirmed};
use super::succession::Succession;
use crate::raft::types::Group;
use crate::raft::{CLOSE, Detector, NodeInfo, Progress, RecordHead, Tuning};

/// How long apply may take to come as far as the leader's, for a reader who puts up with some age: beyond it the leader answers sooner.
const CATCHING_UP: Duration = Duration::from_millis(500);

/// This node's replica of a shard. Clones are handles to the same replica.
#[derive(Clone)]
pub struct Replica {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) id: ShardId,
    pub(super) group: Group,
    pub(super) store: ShardStore,
    pub(super) progress: Arc<Progress>,
    pub(super) tuning: Tuning,
    leadership: watch::Receiver<Leadership>,
    reads: mpsc::Sender<Reader>,
    readers: Arc<Readers>,
    freshness: Freshness,
}

/// A replica at a moment.
#[derive(Clone, Debug)]
pub struct ReplicaStatus {
    /// The shard.
    pub shard: ShardId,
    /// Voters of the effective membership; of both halves while it is joint.
    pub voters: Vec<NodeInfo>,
    /// Members without a vote.
    pub learners: Vec<NodeInfo>,
    /// Who leads.
    pub leadership: Leadership,
    /// Index of the last entry in the log; 0 if there is none.
    pub last_index: u64,
    /// Index of the last applied entry; 0 if there is none.
    pub applied_index: u64,
    /// The record after it.
    pub record: RecordHead,
}

impl Replica {
    pub(super) fn start(
        id: ShardId,
        group: Group,
        store: ShardStore,
        progress: Arc<Progress>,
        detector: Arc<Detector>,
        readers: Arc<Readers>,
        tuning: Tuning,
    ) -> Replica {
        let (told, leadership) = watch::channel(Leadership::default());
        let (reads, queue) = mpsc::channel(reads::QUEUED);
        let span = tracing::debug_span!("shard", %id);
        let keep = leadership::keep(group.clone(), progress.clone(), tuning.heartbeat, tuning.election_max, told);
        tokio::spawn(tracing::Instrument::instrument(keep, span));
        let succession = Succession { shard: id, group: group.clone(), detector, turn: tuning.heartbeat };
        tokio::spawn(succession.keep());
        tokio::spawn(reads::confirm(group.clone(), progress.clone(), queue));
        Replica {
            inner: Arc::new(Inner {
                id,
                group,
                store,
                progress,
                tuning,
                leadership,
                reads,
                readers,
                freshness: Freshness::default(),
            }),
        }
    }

    /// The shard.
    pub fn id(&self) -> ShardId {
        self.inner.id
    }

    /// This node.
    pub fn node(&self) -> u64 {
        *self.inner.group.node_id()
    }

    /// Who leads, now and from now on.
    pub fn leadership(&self) -> watch::Receiver<Leadership> {
        self.inner.leadership.clone()
    }

    /// Whether this node is the leader, as far as it knows.
    pub fn is_leader(&self) -> bool {
        self.leads().leader == Some(self.node())
    }

    pub(super) fn leads(&self) -> Leadership {
        *self.inner.leadership.borrow()
    }

    /// The rows, as far as they are applied here.
    pub fn rows(&self) -> ShardRows {
        self.inner.store.rows()
    }

    /// How far apply has come.
    pub fn progress(&self) -> &Progress {
        &self.inner.progress
    }

    /// Waits until every write that was acknowledged before the call is in the rows here, a quorum having confirmed that this
    /// replica leads. Many readers share one confirmation.
    ///
    /// # Errors
    /// Not the leader, no quorum within the election timeout, too many readers, or stopped. Nothing was read.
    pub async fn read_index(&self) -> Result<(), ReadError> {
        let (confirmed, wait) = oneshot::channel();
        self.inner.reads.try_send(confirmed).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => ReadError::Overloaded,
            mpsc::error::TrySendError::Closed(_) => ReadError::Stopped,
        })?;
        wait.await.unwrap_or(Err(Unconfirmed::Stopped)).map_err(ReadError::from)
    }

    /// Reads the rows, linearizably.
    ///
    /// # Errors
    /// Those of [`Replica::read_index`], and what `read` says.
    pub async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&ShardRows) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, ReadError> {
        self.read_index().await?;
        self.read_applied(read).await
    }

    /// How old the rows here are at most, if that is no more than `max`, leader or not: they have all that was acknowledged so long
    /// before the answer. If need be, `ask` is awaited, for the index up to which a leader that a quorum has confirmed
    /// since has applied, and then that apply has come as far here.
    ///
    /// # Errors
    /// Older, as far as is known.
    pub async fn age_within(
        &self,
        max: Duration,
        ask: impl Future<Output = Option<u64>>,
    ) -> Result<Duration, ReadError> {
        let confirm = async {
            let Some(index) = ask.await else { return false };
            let mut applied = self.inner.progress.applied();
            let reached = applied.wait_for(|(_, applied)| *applied >= index);
            matches!(tokio::time::timeout(CATCHING_UP, reached).await, Ok(Ok(_)))
        };
        let leader = self.leads().leader.filter(|leader| *leader != self.node());
        self.inner.freshness.within(max, confirm).await.ok_or(ReadError::NotLeader { leader })
    }

    /// Reads the rows as they are applied here, leader or not. Waits for the node's other readers, and maybe for the disk.
    ///
    /// # Errors
    /// What `read` says.
    pub async fn read_applied<T: Send + 'static>(
        &self,
        read: impl FnOnce(&ShardRows) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, ReadError> {
        let rows = self.rows();
        let read = self.inner.readers.run(move || read(&rows)).await;
        Ok(read.ok_or(ReadError::Stopped)??)
    }

    /// The replica now.
    pub fn status(&self) -> ReplicaStatus {
        let (voters, learners) = self.members();
        ReplicaStatus {
            shard: self.id(),
            voters,
            learners,
            leadership: self.leads(),
            last_index: lag::last_index(&self.inner.group),
            applied_index: self.inner.progress.applied().borrow().1,
            record: self.inner.progress.record(),
        }
    }

    /// Whether it has not applied all but `entries` of what the shard has committed, or has not heard yet what it has: its own log
    /// does not tell, which is short as long as it catches up.
    pub fn is_behind(&self, entries: u64) -> bool {
        lag::is_behind(&self.inner.group, self.inner.progress.applied().borrow().1, entries)
    }

    /// Whether a follower of this leader has all but the last few entries: it may vote, and take the leadership over.
    pub fn keeps_up(&self, follower: u64) -> bool {
        lag::missing(&self.inner.group, follower).is_some_and(|missing| missing <= CLOSE)
    }

    /// How far it is behind, and its followers behind it.
    pub fn lag(&self) -> Lag {
        lag::of(&self.inner.group, self.inner.progress.applied().borrow().1)
    }

    pub(super) fn members(&self) -> (Vec<NodeInfo>, Vec<NodeInfo>) {
        let server = self.inner.group.server_metrics();
        let members = server.borrow_watched().membership_config.clone();
        let voters: Vec<u64> = members.voter_ids().collect();
        let nodes = members.nodes().map(|(id, member)| member.node(*id));
        nodes.partition(|node| voters.binary_search(&node.id).is_ok())
    }

    /// Waits until the leadership is as wanted.
    ///
    /// # Errors
    /// `Err` after `within`, or when the shard stops.
    pub async fn wait_leadership(
        &self,
        within: Duration,
        wanted: impl FnMut(&Leadership) -> bool,
    ) -> Result<Leadership, ReadError> {
        let mut leadership = self.leadership();
        match tokio::time::timeout(within, leadership.wait_for(wanted)).await {
            Ok(Ok(seen)) => Ok(*seen),
            Ok(Err(_)) => Err(ReadError::Stopped),
            Err(_) => Err(ReadError::NoQuorum),
        }
    }
}
