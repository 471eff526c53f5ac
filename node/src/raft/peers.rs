//! The other nodes: one consensus stream to each, for all shards.
//!
//! A request is matched to its answer by id. While the stream is down, requests fail at once; it is opened again in the
//! background, at growing intervals. While it stands, signs of life go over it: nodes are watched, not shards.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use hansard_domain::ShardId;
use hansard_proto::cluster::v1 as wire;
use hansard_proto::cluster::v1::peer_service_client::PeerServiceClient;
use hansard_runtime::net::{Role, Tls, Transport, channel};
use tokio::sync::Notify;
use tokio::sync::oneshot::error::RecvError;
use tokio::time::error::Elapsed;
use tokio::time::{Instant, MissedTickBehavior};
use tonic::transport::Channel;

use super::detector::{Detector, SILENT_BEATS};
use super::handshake::Handshake;
use super::link::{Link, Receipt};
use super::node_info::NodeInfo;

/// The first pause before a lost stream is opened again; doubled up to [`MAX_PAUSE`].
const MIN_PAUSE: Duration = Duration::from_millis(50);
/// The longest pause: a node that comes back is found within a second.
const MAX_PAUSE: Duration = Duration::from_secs(1);
/// How long an append may wait for its turn on the stream: what may wait before it leaves in half of that on the slowest link.
const MAX_QUEUED: Duration = Duration::from_secs(30);
/// Largest message on a consensus stream, bytes: an append of 1 MiB of entries, one entry above it, and what wraps them.
pub const MAX_MESSAGE_BYTES: usize = 4 * 1024 * 1024;

/// How to reach other nodes.
#[derive(Clone)]
pub struct Dial {
    /// Makes connections.
    pub transport: Arc<dyn Transport>,
    /// This node's identity, where links are encrypted.
    pub tls: Option<Arc<Tls>>,
    /// What streams say first.
    pub handshake: Handshake,
}

/// Why a request got no answer.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// No stream stands, or it broke. The request may have arrived.
    #[error("no link to node {node}")]
    Down {
        /// The node.
        node: u64,
    },
    /// No answer in time. The request may have arrived.
    #[error("no answer from node {node} in {after:?}")]
    Late {
        /// The node.
        node: u64,
        /// How long was waited.
        after: Duration,
    },
    /// The node does not serve the shard. Nothing was done.
    #[error("node {node} does not serve the shard: {reason}")]
    Unavailable {
        /// The node.
        node: u64,
        /// What it said.
        reason: String,
    },
}

/// The streams to all other nodes of this one.
pub struct Peers {
    local: NodeInfo,
    dial: Dial,
    detector: Arc<Detector>,
    /// Between two signs of life.
    beat: Duration,
    peers: Mutex<HashMap<u64, Arc<Peer>>>,
}

impl Peers {
    /// No streams yet: the first use of a node opens one. A node that says nothing for `silence` is held to be lost, by this one and,
    /// where they are set alike, by the others: this one says something three times in such a while.
    pub fn new(local: NodeInfo, dial: Dial, silence: Duration) -> Arc<Peers> {
        let (detector, beat) = (Detector::start(silence), silence / SILENT_BEATS);
        Arc::new(Peers { local, dial, detector, beat, peers: Mutex::default() })
    }

    /// This node.
    pub fn local(&self) -> &NodeInfo {
        &self.local
    }

    /// Which nodes are lost.
    pub fn detector(&self) -> &Arc<Detector> {
        &self.detector
    }

    /// Tells where a node is now; memberships may hold an older address. The stream moves there.
    pub fn update(&self, node: NodeInfo) {
        if node.id == self.local.id {
            return;
        }
        let known = self.peers.lock().expect("no holder panics").get(&node.id).cloned();
        match known {
            Some(peer) => peer.move_to(node),
            None => drop(self.peer(&node)),
        }
    }

    /// Whether a consensus stream to the node stands.
    pub fn reachable(&self, node: u64) -> bool {
        node == self.local.id
            || self.peers.lock().expect("no holder panics").get(&node).is_some_and(|p| p.link().is_some())
    }

    /// A channel to a node for the other calls of its services; it connects when it is used.
    pub fn channel(&self, node: &NodeInfo) -> std::io::Result<Channel> {
        channel(self.dial.transport.clone(), &node.address, self.dial.tls.clone(), Role::Node)
    }

    /// Closes every stream.
    pub fn close(&self) {
        for (_, peer) in self.peers.lock().expect("no holder panics").drain() {
            peer.close();
        }
    }

    /// The peer, its stream being opened if this is its first use.
    pub(super) fn peer(&self, node: &NodeInfo) -> Arc<Peer> {
        let mut peers = self.peers.lock().expect("no holder panics");
        let peer = peers.entry(node.id).or_insert_with(|| {
            let peer = Arc::new(Peer::new(self.local.id, node.clone(), self.dial.clone()));
            tokio::spawn(keep_connected(peer.clone(), self.detector.clone(), self.beat));
            peer
        });
        peer.clone()
    }
}

/// One other node.
pub(super) struct Peer {
    local: u64,
    id: u64,
    node: Mutex<NodeInfo>,
    dial: Dial,
    link: RwLock<Option<Arc<Link>>>,
    /// Wakes the connecting task: the address changed, or the peer is closed.
    changed: Notify,
    closed: AtomicBool,
}

impl Peer {
    fn new(local: u64, node: NodeInfo, dial: Dial) -> Peer {
        let (id, node, closed) = (node.id, Mutex::new(node), AtomicBool::new(false));
        Peer { local, id, node, dial, link: RwLock::default(), changed: Notify::new(), closed }
    }

    /// Where it is, as far as is known.
    pub(super) fn node(&self) -> NodeInfo {
        self.node.lock().expect("no holder panics").clone()
    }

    pub(super) fn channel(&self) -> std::io::Result<Channel> {
        channel(self.dial.transport.clone(), &self.node().address, self.dial.tls.clone(), Role::Node)
    }

    /// A streaming call to it, with the handshake's headers.
    pub(super) fn request<T>(&self, message: T) -> tonic::Request<T> {
        self.dial.handshake.request(self.local, self.id, message)
    }

    fn link(&self) -> Option<Arc<Link>> {
        self.link.read().expect("no holder panics").clone()
    }

    fn move_to(&self, node: NodeInfo) {
        let mut known = self.node.lock().expect("no holder panics");
        let moved = known.address != node.address;
        *known = node;
        drop(known);
        if moved {
            self.changed.notify_one();
        }
    }

    fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.changed.notify_one();
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Sends a request; the answer is awaited apart, so that appends can be pipelined in the order of these calls. An append that
    /// waits for others has its time once it is on its way.
    pub(super) async fn send(
        &self,
        shard: ShardId,
        call: wire::consensus_request::Call,
        within: Duration,
    ) -> Result<Pending, PeerError> {
        let link = self.link().ok_or(PeerError::Down { node: self.id })?;
        let urgent = link.is_urgent(shard, &call);
        let began = Instant::now();
        let deadline = began + if urgent { within } else { MAX_QUEUED };
        let queued = tokio::time::timeout_at(deadline, link.send(shard, call, urgent)).await;
        let receipt = queued.map_err(|_| PeerError::Late { node: self.id, after: began.elapsed() })?;
        let receipt = receipt.ok_or(PeerError::Down { node: self.id })?;
        Ok(Pending { node: self.id, began, within, deadline, receipt, result: None })
    }

    /// Sends a request and awaits its answer.
    pub(super) async fn call(
        &self,
        shard: ShardId,
        call: wire::consensus_request::Call,
        within: Duration,
    ) -> Result<wire::consensus_response::Answer, PeerError> {
        self.send(shard, call, within).await?.answer().await
    }
}

/// A request whose answer is awaited.
pub(super) struct Pending {
    node: u64,
    began: Instant,
    within: Duration,
    deadline: Instant,
    receipt: Receipt,
    result: Option<Result<wire::consensus_response::Answer, PeerError>>,
}

impl Pending {
    /// Waits until there is an answer or its time is over. Cancel safe.
    pub(super) async fn ready(&mut self) {
        if self.result.is_none() {
            self.result = Some(match self.response().await {
                Err(_) => Err(PeerError::Late { node: self.node, after: self.began.elapsed() }),
                Ok(Err(_)) => Err(PeerError::Down { node: self.node }),
                Ok(Ok(response)) => self.read(response),
            });
        }
    }

    /// Waits until it has left, then for its response.
    async fn response(&mut self) -> Result<Result<wire::ConsensusResponse, RecvError>, Elapsed> {
        if let Some(leaves) = &mut self.receipt.leaves {
            // Not told: the link has ended, which the answer tells, too.
            if let Ok(arrives) = tokio::time::timeout_at(self.deadline, leaves).await? {
                self.deadline = arrives + self.within;
            }
            self.receipt.leaves = None;
        }
        tokio::time::timeout_at(self.deadline, &mut self.receipt.answer).await
    }

    /// The answer.
    pub(super) async fn answer(mut self) -> Result<wire::consensus_response::Answer, PeerError> {
        self.ready().await;
        self.result.expect("it is ready")
    }

    fn read(&self, response: wire::ConsensusResponse) -> Result<wire::consensus_response::Answer, PeerError> {
        use wire::consensus_response::Answer;
        let reason = match response.answer {
            Some(Answer::Unavailable(reason)) => reason,
            Some(answer) => return Ok(answer),
            None => "an empty answer".to_owned(),
        };
        Err(PeerError::Unavailable { node: self.node, reason })
    }
}

/// Keeps a stream to the peer open until it is closed.
async fn keep_connected(peer: Arc<Peer>, detector: Arc<Detector>, beat: Duration) {
    let mut pause = MIN_PAUSE;
    while !peer.is_closed() {
        match run_link(&peer, &detector, beat).await {
            Ok(()) => pause = MIN_PAUSE,
            Err(error) => {
                tracing::debug!(node = peer.id, %error, "no consensus link");
                detector.not_connected(peer.id, &error);
                let woken = tokio::time::timeout(pause, peer.changed.notified()).await.is_ok();
                pause = if woken { MIN_PAUSE } else { (pause * 2).min(MAX_PAUSE) };
            }
        }
    }
}

/// Opens a stream, gives signs of life and reads answers until it ends. `Ok` if it had been open.
async fn run_link(peer: &Arc<Peer>, detector: &Detector, beat: Duration) -> Result<(), tonic::Status> {
    let channel = peer.channel().map_err(|error| tonic::Status::invalid_argument(error.to_string()))?;
    let mut client = PeerServiceClient::new(channel)
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES);
    let (link, requests) = Link::new();
    let mut answers = client.consensus(peer.request(requests)).await?.into_inner();
    tracing::info!(node = peer.id, address = %peer.node().address, "consensus link is up");
    *peer.link.write().expect("no holder panics") = Some(link.clone());
    detector.connected(peer.id);
    let signs = detector.signs(peer.id);
    let mut clock = tokio::time::interval(beat);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let ended = loop {
        tokio::select! {
            answer = answers.message() => match answer {
                Ok(Some(answer)) => {
                    signs.heard();
                    link.answered(answer);
                }
                Ok(None) => break None,
                Err(status) => break Some(status),
            },
            () = peer.changed.notified() => break None,
            _ = clock.tick() => link.beat(),
        }
    };
    *peer.link.write().expect("no holder panics") = None;
    link.abandon();
    tracing::info!(node = peer.id, error = ended.map(|status| status.to_string()), "consensus link is down");
    Ok(())
}
