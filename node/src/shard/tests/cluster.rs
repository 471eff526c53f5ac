//! Nodes that host one shard, and what tests do with them.

use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use hansard_domain::{Action, ClusterId, Content, Outcome, PersonId, RequestId, RoomId, ShardId, Visibility};
use hansard_proto::cluster::v1 as wire;
use hansard_proto::cluster::v1::peer_service_server::{PeerService, PeerServiceServer};
use hansard_runtime::net::incoming;
use hansard_runtime::{OsEntropy, SystemClock};
use hansard_storage::ShardStore;
use tonic::{Request, Response, Status, Streaming};

use super::net::MemNet;
use crate::raft::handshake::{self, Handshake};
use crate::raft::service::{self, Groups, Stores};
use crate::raft::test_store::{Kind, TestStore};
use crate::raft::types::Group;
use crate::raft::{Detector, Dial, MAX_MESSAGE_BYTES, NoSink, NodeInfo, Peers, Transfers, Tuning};
use crate::shard::{HostSeams, Leadership, ProposeRequest, ReplicaStatus, ShardHandle, ShardHost};

pub(super) const SHARD: ShardId = ShardId::from_bytes([0x5a; 16]);
pub(super) const ROOM: RoomId = RoomId::from_bytes([0x70; 16]);
pub(super) const ANN: PersonId = PersonId::from_bytes([0xa0; 16]);
pub(super) const BEN: PersonId = PersonId::from_bytes([0xb0; 16]);
/// Longer than any election or catch-up takes on a busy machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

pub(super) struct TestNode {
    pub(super) info: NodeInfo,
    place: TestStore,
    peers: Option<Arc<Peers>>,
    host: Option<Arc<ShardHost>>,
    server: Option<tokio::task::JoinHandle<()>>,
}

impl TestNode {
    pub(super) fn host(&self) -> &Arc<ShardHost> {
        self.host.as_ref().expect("the node runs")
    }

    pub(super) fn shard(&self) -> ShardHandle {
        self.host().get(SHARD).expect("the node hosts the shard")
    }

    /// Whether it holds another node lost.
    pub(super) fn lost(&self, other: &NodeInfo) -> bool {
        self.peers.as_ref().expect("the node runs").detector().lost(other.id)
    }

    /// Waits until it holds another node lost, or no longer does.
    pub(super) async fn holds_lost(&self, other: &NodeInfo, lost: bool) {
        let until = tokio::time::Instant::now() + PATIENCE;
        while self.lost(other) != lost {
            assert!(tokio::time::Instant::now() < until, "node {} is not seen to be lost: {lost}", other.id);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn is_up(&self) -> bool {
        self.host.is_some()
    }
}

pub(super) struct Cluster {
    pub(super) net: MemNet,
    pub(super) nodes: Vec<TestNode>,
    tuning: Tuning,
}

pub(super) fn tuning() -> Tuning {
    Tuning::from_millis(100, 600)
}

impl Cluster {
    /// A cluster of so many running nodes, none of which hosts anything.
    pub(super) async fn idle(count: u64, kind: Kind, tuning: Tuning) -> Cluster {
        let net = MemNet::default();
        let mut nodes = Vec::new();
        for id in 1..=count {
            let info = NodeInfo { id, name: format!("n{id}"), site: format!("s{id}"), address: format!("n{id}:1") };
            nodes.push(TestNode { info, place: TestStore::of_node(id, kind), peers: None, host: None, server: None });
        }
        let mut cluster = Cluster { net, nodes, tuning };
        for index in 0..cluster.nodes.len() {
            cluster.boot(index).await;
        }
        cluster.introduce().await;
        cluster
    }

    /// Waits until all nodes are linked to each other: the first election needs no second try.
    async fn introduce(&self) {
        let until = tokio::time::Instant::now() + PATIENCE;
        for here in self.nodes.iter().filter_map(|node| node.peers.as_ref()) {
            for there in &self.nodes {
                here.update(there.info.clone());
                while !here.reachable(there.info.id) {
                    assert!(tokio::time::Instant::now() < until, "node {} is not linked in time", there.info.id);
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
        }
    }

    /// Three nodes that host the shard, which has a leader, and a room in it.
    pub(super) async fn with_room(kind: Kind, tuning: Tuning) -> Cluster {
        let cluster = Cluster::idle(3, kind, tuning).await;
        for node in &cluster.nodes {
            node.host().start(SHARD).await.expect("the shard starts");
        }
        cluster.nodes[0].shard().initialize(cluster.infos(&[0, 1, 2])).await.expect("the shard is founded");
        let room = create(ROOM, ANN, 1);
        assert!(matches!(cluster.submit(&room).await, Outcome::Committed { seq: 1, .. }));
        cluster
    }

    pub(super) fn infos(&self, indexes: &[usize]) -> Vec<NodeInfo> {
        indexes.iter().map(|&index| self.nodes[index].info.clone()).collect()
    }

    /// Starts a node on what its disk holds.
    pub(super) async fn boot(&mut self, index: usize) {
        let node = &mut self.nodes[index];
        let store = node.place.open();
        let handshake = Handshake::default();
        handshake.set(ClusterId::from_bytes([1; 16]));
        let transport = self.net.of(&node.info.address);
        let dial = Dial { transport: transport.clone(), tls: None, handshake };
        let peers = Peers::new(node.info.clone(), dial, self.tuning.silence);
        let host = ShardHost::new(HostSeams {
            local: node.info.clone(),
            store,
            peers: peers.clone(),
            clock: Arc::new(SystemClock),
            entropy: Arc::new(OsEntropy),
            sink: Arc::new(NoSink),
            tuning: self.tuning.clone(),
        });
        let host = host.expect("a host");
        let listener = transport.listen(&node.info.address).await.expect("listens");
        let (transfers, detector) = (host.transfers(), peers.detector().clone());
        let door = Arc::new(Door { host: Arc::downgrade(&host), transfers, detector });
        let server = PeerServiceServer::new(Serves(door)).max_decoding_message_size(MAX_MESSAGE_BYTES);
        let serving =
            tonic::transport::Server::builder().add_service(server).serve_with_incoming(incoming(listener, None));
        node.server = Some(tokio::spawn(async move { drop(serving.await) }));
        host.start_stored().await.expect("stored shards start");
        (node.host, node.peers) = (Some(host), Some(peers));
    }

    /// Ends a node as a power cut does: nothing is handed over, nothing flushed.
    pub(super) async fn kill(&mut self, index: usize) {
        self.net.cut(&self.nodes[index].info.address);
        self.take_down(index).await;
    }

    /// Ends a node's process, while its machine goes on.
    pub(super) async fn end(&mut self, index: usize) {
        self.net.end(&self.nodes[index].info.address);
        self.take_down(index).await;
    }

    async fn take_down(&mut self, index: usize) {
        let node = &mut self.nodes[index];
        node.server.take().expect("it runs").abort();
        node.peers.take().expect("it runs").close();
        let host = node.host.take().expect("it runs");
        node.place.crash();
        for shard in host.shards() {
            host.stop(shard).await.expect("stops");
        }
        drop(host);
        node.place.wait_closed().await;
    }

    /// Brings a killed node back.
    pub(super) async fn revive(&mut self, index: usize) {
        self.net.heal(&self.nodes[index].info.address);
        self.boot(index).await;
    }

    /// The node that serves the shard, once there is one.
    pub(super) async fn leader(&self) -> usize {
        self.leader_but(usize::MAX).await
    }

    /// The node that serves the shard and is another than this.
    pub(super) async fn leader_but(&self, not: usize) -> usize {
        let until = tokio::time::Instant::now() + PATIENCE;
        while tokio::time::Instant::now() < until {
            for (index, node) in self.nodes.iter().enumerate().filter(|(index, node)| *index != not && node.is_up()) {
                if node.host().get(SHARD).is_some_and(|shard| shard.leadership().borrow().serving) {
                    return index;
                }
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("no leader in time: {:?}", self.leaderships());
    }

    fn leaderships(&self) -> Vec<Option<Leadership>> {
        let of = |node: &TestNode| node.host.as_ref()?.get(SHARD).map(|shard| *shard.leadership().borrow());
        self.nodes.iter().map(of).collect()
    }

    /// Submits until there is an outcome, with one id, wherever the leader is.
    pub(super) async fn submit(&self, request: &ProposeRequest) -> Outcome {
        let until = tokio::time::Instant::now() + PATIENCE;
        loop {
            let leader = self.leader().await;
            match self.nodes[leader].shard().submit(request.clone()).await {
                Ok(outcome) => return outcome,
                Err(_) => {
                    assert!(tokio::time::Instant::now() < until, "no outcome in time");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        }
    }

    /// Waits until all running hosts of the shard have applied the same, and returns it: their records must be equal.
    pub(super) async fn settled(&self) -> ReplicaStatus {
        let until = tokio::time::Instant::now() + PATIENCE;
        loop {
            let up = self.nodes.iter().filter(|node| node.is_up());
            let all: Vec<ReplicaStatus> =
                up.filter_map(|node| node.host().get(SHARD)).map(|shard| shard.status()).collect();
            let (first, rest) = all.split_first().expect("somebody hosts the shard");
            if rest
                .iter()
                .all(|other| other.applied_index == first.applied_index && other.last_index == first.last_index)
                && first.applied_index == first.last_index
            {
                for other in rest {
                    assert_eq!(other.record, first.record, "replicas at one index have one record");
                }
                return first.clone();
            }
            assert!(tokio::time::Instant::now() < until, "replicas do not settle: {all:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

pub(super) fn request(actor: PersonId, id: u64, action: Action, content: &Content) -> ProposeRequest {
    let request = RequestId::from_bytes((u128::from(id) + 1).to_be_bytes());
    ProposeRequest { actor, request, action, content: content.encode() }
}

pub(super) fn create(room: RoomId, actor: PersonId, id: u64) -> ProposeRequest {
    let content = Content { name: Some("room".to_owned()), ..Content::default() };
    request(actor, id, Action::CreateRoom { room, visibility: Visibility::Private, peer: None }, &content)
}

pub(super) fn say(id: u64, text: &str) -> ProposeRequest {
    request(ANN, id, Action::SendMessage { room: ROOM }, &Content::text(text))
}

pub(super) fn seq(outcome: Outcome) -> u64 {
    match outcome {
        Outcome::Committed { seq, .. } => seq,
        Outcome::Refused(refusal) => panic!("refused: {refusal}"),
    }
}

/// What connections hold of a host: a process that is killed takes its connections with it, a test's host must not be kept by
/// them.
struct Door {
    host: Weak<ShardHost>,
    transfers: Arc<Transfers>,
    detector: Arc<Detector>,
}

impl Groups for Door {
    fn group(&self, shard: ShardId) -> Option<Group> {
        self.host.upgrade()?.group(shard)
    }
}

impl Stores for Door {
    fn store(&self, shard: ShardId) -> Option<ShardStore> {
        self.host.upgrade()?.store(shard)
    }

    fn transfers(&self) -> Arc<Transfers> {
        self.transfers.clone()
    }
}

/// The peer service's consensus part.
struct Serves(Arc<Door>);

type Answers = Pin<Box<dyn Stream<Item = Result<wire::ConsensusResponse, Status>> + Send>>;

#[tonic::async_trait]
impl PeerService for Serves {
    type ConsensusStream = Answers;

    async fn consensus(
        &self,
        request: Request<Streaming<wire::ConsensusRequest>>,
    ) -> Result<Response<Answers>, Status> {
        let from = handshake::node(request.metadata(), handshake::FROM).expect("peers name themselves");
        let standing = self.0.detector.opened(from);
        Ok(Response::new(Box::pin(service::consensus(self.0.clone(), standing, request.into_inner()))))
    }

    async fn install_snapshot(
        &self,
        request: Request<Streaming<wire::InstallSnapshotRequest>>,
    ) -> Result<Response<wire::InstallSnapshotResponse>, Status> {
        service::install_snapshot(self.0.clone(), request.into_inner()).await.map(Response::new)
    }

    async fn offer_snapshot(
        &self,
        request: Request<wire::OfferSnapshotRequest>,
    ) -> Result<Response<wire::OfferSnapshotResponse>, Status> {
        service::offer_snapshot(&*self.0, request.into_inner()).map(Response::new)
    }

    async fn greet(&self, _: Request<wire::GreetRequest>) -> Result<Response<wire::GreetResponse>, Status> {
        Err(Status::unavailable("tests do not greet"))
    }

    async fn host_shard(
        &self,
        _: Request<wire::HostShardRequest>,
    ) -> Result<Response<wire::HostShardResponse>, Status> {
        Err(Status::unavailable("tests host by hand"))
    }

    async fn propose_meta(
        &self,
        _: Request<wire::ProposeMetaRequest>,
    ) -> Result<Response<wire::ProposeMetaResponse>, Status> {
        Err(Status::unavailable("tests propose by hand"))
    }

    async fn adjust_shard(
        &self,
        _: Request<wire::AdjustShardRequest>,
    ) -> Result<Response<wire::AdjustShardResponse>, Status> {
        Err(Status::unavailable("tests adjust by hand"))
    }

    async fn shard_members(
        &self,
        _: Request<wire::ShardMembersRequest>,
    ) -> Result<Response<wire::ShardMembersResponse>, Status> {
        Err(Status::unavailable("tests ask replicas themselves"))
    }

    async fn read_index(
        &self,
        _: Request<wire::ReadIndexRequest>,
    ) -> Result<Response<wire::ReadIndexResponse>, Status> {
        Err(Status::unavailable("tests ask by hand"))
    }

    async fn note_refusal(
        &self,
        _: Request<wire::NoteRefusalRequest>,
    ) -> Result<Response<wire::NoteRefusalResponse>, Status> {
        Err(Status::unavailable("tests refuse where the shard is led"))
    }
}

/// Content's bytes, for requests that differ in nothing else.
pub(super) fn text(text: &str) -> Bytes {
    Content::text(text).encode()
}
