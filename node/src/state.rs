//! What the parts of a node share.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use hansard_domain::meta::MetaView;
use hansard_runtime::Health;
use hansard_storage::Store;
use tokio::{sync::watch, time::Instant};

use crate::{
    config::{NodeConfig, Seams},
    error::RunError,
    fanout::Fanout,
    links::{DirectoryHub, Links},
    meta::{Binding, Calls, Fullness, Hosting, Known},
    metrics::NodeMetrics,
    raft::{NodeInfo, Peers},
    shard::{MetaShard, ShardHost},
};

/// See the module.
pub(crate) struct Node {
    pub(crate) config: NodeConfig,
    pub(crate) seams: Seams,
    pub(crate) local: NodeInfo,
    pub(crate) store: Store,
    pub(crate) host: Arc<ShardHost>,
    pub(crate) peers: Arc<Peers>,
    pub(crate) calls: Calls,
    pub(crate) binding: Binding,
    pub(crate) known: Known,
    pub(crate) fullness: Fullness,
    pub(crate) hosting: Hosting,
    /// Held by whoever changes where replicas are, so that an operator and the controller do not undo each other's steps.
    pub(crate) placing: tokio::sync::Mutex<()>,
    pub(crate) fanout: Arc<Fanout>,
    pub(crate) links: Arc<Links>,
    pub(crate) directory: DirectoryHub,
    pub(crate) metrics: NodeMetrics,
    pub(crate) health: Health,
    pub(crate) draining: AtomicBool,
    /// Why the node must not go on.
    pub(crate) misplaced: watch::Sender<Option<RunError>>,
}

impl Node {
    /// 16 random bytes, or fewer.
    pub(crate) fn draw<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.seams.entropy.fill(&mut bytes);
        bytes
    }

    /// Whether this node's replica of meta has a log: the cluster is founded as far as it is concerned.
    pub(crate) fn is_founded(&self) -> bool {
        self.host.meta().is_some_and(|meta| !meta.status().voters.is_empty())
    }

    /// The cluster as `Greet` tells it: none until it is founded.
    pub(crate) fn greeted_cluster(&self) -> Bytes {
        if self.is_founded() { self.binding.to_wire() } else { Bytes::new() }
    }

    /// The replica of meta, opened if need be.
    pub(crate) async fn start_meta(&self) -> Result<MetaShard, String> {
        self.host.start_meta().await.map_err(|error| error.to_string())
    }

    /// Meta's state as applied here.
    pub(crate) fn view(&self) -> Option<Arc<MetaView>> {
        self.host.meta().map(|meta| meta.view().borrow().clone())
    }

    /// Where a node is reached: as meta says, else as it said itself.
    pub(crate) fn lookup(&self, id: u64) -> Option<NodeInfo> {
        let placed = self.view().and_then(|view| view.nodes.get(&id).map(crate::meta::info_of));
        placed.or_else(|| self.known.get(id))
    }

    /// A node that was silent for so long is held to be unreachable.
    pub(crate) fn silence(&self) -> Duration {
        self.config.election + Duration::from_secs(2)
    }

    /// Whether it hears from another node (or is it).
    pub(crate) fn reachable(&self, id: u64) -> bool {
        id == self.local.id || self.known.heard_within(id, self.silence())
    }

    /// Whether a node's disk is nearly full, or was a moment ago: it should lead nothing.
    pub(crate) fn is_full(&self, id: u64) -> bool {
        match id == self.local.id {
            true => self.fullness.look(self.store.accepting(), Instant::now()),
            false => self.known.is_full(id),
        }
    }

    /// Whether it is on its way out.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::SeqCst)
    }
}
