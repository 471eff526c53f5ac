//! All replicas of this node.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use hansard_domain::ShardId;
use hansard_domain::meta::MetaView;
use hansard_runtime::{Clock, Entropy};
use hansard_storage::{ShardStore, Store};
use tokio::sync::watch;

use super::batch::Seams;
use super::error::{HostError, MembershipError};
use super::handle::ShardHandle;
use super::lag;
use super::meta::MetaShard;
use super::pacer::Pacer;
use super::readers::Readers;
use super::replica::Replica;
use crate::raft::blocking::blocking;
use crate::raft::service::{Groups, Stores};
use crate::raft::types::Group;
use crate::raft::{ApplySink, LogStore, Network, NodeInfo, Peers, Progress, StateMachine, Transfers, Tuning};

/// What a host stands on.
pub struct HostSeams {
    /// This node.
    pub local: NodeInfo,
    /// Its store.
    pub store: Store,
    /// Its streams to others.
    pub peers: Arc<Peers>,
    /// The time of day, for stamps.
    pub clock: Arc<dyn Clock>,
    /// Dice, for salts and ids.
    pub entropy: Arc<dyn Entropy>,
    /// Takes what apply produces.
    pub sink: Arc<dyn ApplySink>,
    /// Consensus timing.
    pub tuning: Tuning,
}

/// The replicas of this node. One for each process.
pub struct ShardHost {
    seams: HostSeams,
    /// Of the shards of rooms. Meta has one of its own: it waits for none of them.
    pacer: Arc<Pacer>,
    transfers: Arc<Transfers>,
    readers: Arc<Readers>,
    shards: Mutex<BTreeMap<ShardId, Hosted>>,
    /// One start or stop at a time: each opens or closes a store.
    changing: tokio::sync::Mutex<()>,
    changed: watch::Sender<u64>,
    stopping: watch::Sender<bool>,
}

#[derive(Clone)]
enum Hosted {
    Rooms(ShardHandle),
    Meta(MetaShard),
}

impl Hosted {
    fn replica(&self) -> &Replica {
        match self {
            Hosted::Rooms(shard) => shard,
            Hosted::Meta(meta) => meta,
        }
    }

    async fn transfer_leader(&self, to: u64) -> Result<(), MembershipError> {
        match self {
            Hosted::Rooms(shard) => shard.transfer_leader(to).await,
            Hosted::Meta(meta) => meta.transfer_leader(to).await,
        }
    }
}

impl ShardHost {
    /// A host of no shards yet.
    ///
    /// # Errors
    /// The timing cannot be.
    pub fn new(seams: HostSeams) -> Result<Arc<ShardHost>, HostError> {
        seams.tuning.config("check").map_err(|error| HostError::Tuning(error.to_string()))?;
        let transfers = Transfers::new(seams.tuning.snapshot_bytes_per_second, seams.tuning.snapshot_keep);
        Ok(Arc::new(ShardHost {
            seams,
            pacer: Arc::default(),
            transfers,
            readers: Readers::start(),
            shards: Mutex::default(),
            changing: tokio::sync::Mutex::default(),
            changed: watch::Sender::new(0),
            stopping: watch::Sender::new(false),
        }))
    }

    /// Serves a replica of a shard of rooms: opens its store, creating it if there is none, and takes part in its group; one that
    /// is new waits for a leader to find it, or for [`Replica::initialize`]. Does nothing if it is served already.
    ///
    /// # Errors
    /// The store cannot be read, or the node is shutting down.
    ///
    /// # Panics
    /// For [`ShardId::META`]: that is [`ShardHost::start_meta`].
    pub async fn start(&self, shard: ShardId) -> Result<ShardHandle, HostError> {
        assert!(shard != ShardId::META, "meta is no shard of rooms");
        match self.open(shard).await? {
            Hosted::Rooms(handle) => Ok(handle),
            Hosted::Meta(_) => unreachable!("only META is meta"),
        }
    }

    /// Serves this node's replica of meta, as [`ShardHost::start`] does for others.
    ///
    /// # Errors
    /// As for `start`.
    pub async fn start_meta(&self) -> Result<MetaShard, HostError> {
        match self.open(ShardId::META).await? {
            Hosted::Meta(meta) => Ok(meta),
            Hosted::Rooms(_) => unreachable!("META is meta"),
        }
    }

    /// Serves every shard that the store holds: after a restart.
    ///
    /// # Errors
    /// One of them cannot be read.
    pub async fn start_stored(&self) -> Result<(), HostError> {
        for shard in self.seams.store.shards() {
            self.open(shard).await?;
        }
        Ok(())
    }

    /// Stops serving a shard; its data stays.
    ///
    /// # Errors
    /// None at present: a shard that is not served is stopped.
    pub async fn stop(&self, shard: ShardId) -> Result<(), HostError> {
        let _one = self.changing.lock().await;
        self.close(shard).await;
        Ok(())
    }

    /// Stops serving a shard and deletes its data. For a replica that has left its group.
    ///
    /// # Errors
    /// The data cannot be deleted.
    pub async fn remove(&self, shard: ShardId) -> Result<(), HostError> {
        let _one = self.changing.lock().await;
        self.close(shard).await;
        blocking(|| self.seams.store.remove_shard(shard)).map_err(|source| HostError::Store { shard, source })
    }

    /// Hands leaderships over where somebody can take them, stops all shards and makes their state durable.
    pub async fn shutdown(&self) {
        self.stopping.send_replace(true);
        let replicas = self.all();
        futures_util::future::join_all(replicas.iter().map(hand_over)).await;
        let _one = self.changing.lock().await;
        for shard in self.shards() {
            self.close(shard).await;
        }
        self.seams.peers.close();
        if let Err(error) = blocking(|| self.seams.store.flush()) {
            tracing::error!(%error, "the last flush failed; the log holds what it would have kept");
        }
    }

    /// A shard of rooms that is served here.
    pub fn get(&self, shard: ShardId) -> Option<ShardHandle> {
        match self.hosted(shard)? {
            Hosted::Rooms(handle) => Some(handle),
            Hosted::Meta(_) => None,
        }
    }

    /// Meta, if it is served here.
    pub fn meta(&self) -> Option<MetaShard> {
        match self.hosted(ShardId::META)? {
            Hosted::Meta(meta) => Some(meta),
            Hosted::Rooms(_) => None,
        }
    }

    /// Any shard that is served here.
    pub fn replica(&self, shard: ShardId) -> Option<Replica> {
        self.hosted(shard).map(|hosted| hosted.replica().clone())
    }

    /// Hands the leadership of a shard that this node leads to a voter that is up to date, and waits until somebody else leads.
    /// What was counted of refusals is recorded first.
    ///
    /// # Errors
    /// Not the leader, not a voter, or nobody took over within three election timeouts (this node may lead again then).
    pub async fn transfer_leader(&self, shard: ShardId, to: u64) -> Result<(), MembershipError> {
        match self.hosted(shard) {
            Some(hosted) => hosted.transfer_leader(to).await,
            None => Err(MembershipError::NotLeader { leader: None }),
        }
    }

    /// The shards that are served here, meta first.
    pub fn shards(&self) -> Vec<ShardId> {
        self.shards.lock().expect("no holder panics").keys().copied().collect()
    }

    /// What keeps the log too long: shards, and the last entry of each that is beyond.
    pub(super) fn log_beyond(&self) -> Vec<(ShardId, u64)> {
        self.seams.store.log_beyond(self.seams.tuning.log_bytes)
    }

    /// Changes whenever a shard is started or stopped.
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    fn hosted(&self, shard: ShardId) -> Option<Hosted> {
        self.shards.lock().expect("no holder panics").get(&shard).cloned()
    }

    fn all(&self) -> Vec<Hosted> {
        self.shards.lock().expect("no holder panics").values().cloned().collect()
    }

    async fn open(&self, shard: ShardId) -> Result<Hosted, HostError> {
        if let Some(hosted) = self.hosted(shard) {
            return Ok(hosted);
        }
        let _one = self.changing.lock().await;
        if let Some(hosted) = self.hosted(shard) {
            return Ok(hosted);
        }
        if *self.stopping.borrow() {
            return Err(HostError::ShuttingDown);
        }
        let store = blocking(|| self.seams.store.shard(shard)).map_err(|source| HostError::Store { shard, source })?;
        let hosted = self.join(shard, store).await?;
        self.shards.lock().expect("no holder panics").insert(shard, hosted.clone());
        self.changed.send_modify(|count| *count += 1);
        Ok(hosted)
    }

    /// Starts this node's part in the shard's group.
    async fn join(&self, shard: ShardId, store: ShardStore) -> Result<Hosted, HostError> {
        let HostSeams { local, peers, clock, entropy, sink, tuning, .. } = &self.seams;
        let config = tuning.config(&shard.to_string()).map_err(|error| HostError::Tuning(error.to_string()))?;
        let progress = Arc::new(Progress::default());
        let (view_told, view) = watch::channel(Arc::new(MetaView::default()));
        let cache = tuning.shard_cache_bytes;
        let loaded = blocking(|| StateMachine::load(store.clone(), view_told, sink.clone(), progress.clone(), cache));
        let machine = loaded.map_err(|source| HostError::State { shard, source })?;
        let log = LogStore::new(store.log(), tuning.append_bytes);
        let (transfers, window) = (self.transfers.of_shard(store.log()), tuning.appends_in_flight);
        let network = Network::new(shard, peers.clone(), transfers, window, tuning.request_timeout);
        let group = Group::new(local.id, config, network, log, machine).await;
        let group = group.map_err(|error| HostError::Group { shard, reason: error.to_string() })?;
        let (detector, readers) = (peers.detector().clone(), self.readers.clone());
        let replica = Replica::start(shard, group, store, progress, detector, readers, tuning.clone());
        let seams = Seams { clock: clock.clone(), entropy: entropy.clone() };
        Ok(if shard == ShardId::META {
            Hosted::Meta(MetaShard::start(replica, seams, view))
        } else {
            Hosted::Rooms(ShardHandle::start(replica, seams, self.seams.store.clone(), self.pacer.clone()))
        })
    }

    async fn close(&self, shard: ShardId) {
        let hosted = self.shards.lock().expect("no holder panics").remove(&shard);
        let Some(hosted) = hosted else { return };
        self.changed.send_modify(|count| *count += 1);
        if hosted.replica().inner.group.shutdown().await.is_err() {
            tracing::warn!(%shard, "the shard's group ended before it was stopped");
        }
    }
}

/// Hands a leadership to any other voter, if this node has it.
async fn hand_over(hosted: &Hosted) {
    let replica = hosted.replica();
    let status = replica.status();
    let me = replica.node();
    if status.leadership.leader != Some(me) {
        return;
    }
    if let Hosted::Rooms(shard) = hosted {
        // Also where nobody is left to take over.
        shard.record_counts().await;
    }
    let mut others: Vec<u64> = status.voters.iter().map(|node| node.id).filter(|&id| id != me).collect();
    others.sort_by_key(|other| lag::missing(&replica.inner.group, *other));
    for other in others {
        match hosted.transfer_leader(other).await {
            Ok(()) => return,
            Err(error) => tracing::info!(shard = %replica.id(), to = other, %error, "leadership was not handed over"),
        }
    }
}

impl Groups for ShardHost {
    fn group(&self, shard: ShardId) -> Option<Group> {
        let shards = self.shards.lock().expect("no holder panics");
        shards.get(&shard).map(|hosted| hosted.replica().inner.group.clone())
    }
}

impl Stores for ShardHost {
    fn store(&self, shard: ShardId) -> Option<ShardStore> {
        let shards = self.shards.lock().expect("no holder panics");
        shards.get(&shard).map(|hosted| hosted.replica().inner.store.clone())
    }

    fn transfers(&self) -> Arc<Transfers> {
        self.transfers.clone()
    }
}
