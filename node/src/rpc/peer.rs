//! `PeerService`.

use std::{pin::Pin, sync::Arc};

use bytes::Bytes;
use futures_util::Stream;
use hansard_domain::{PersonId, ShardId, meta::MetaCommand};
use hansard_proto::{
    cluster::v1::{self as wire, peer_service_server::PeerService},
    convert::bytes,
    status,
};
use hansard_runtime::net::Role;
use tonic::{Request, Response, Status, Streaming};

use super::{handshake, membership, nearby, refused, reply};
use crate::{
    raft::service,
    shard::{ProposeError, ReadError},
    state::Node,
};

/// See the module.
pub(crate) struct Peer(pub(crate) Arc<Node>);

type Answers = Pin<Box<dyn Stream<Item = Result<wire::ConsensusResponse, Status>> + Send>>;

impl Peer {
    fn admit<T>(&self, request: &Request<T>) -> Result<(), Status> {
        Ok(handshake::role(request.extensions(), Role::Node)?)
    }
}

#[tonic::async_trait]
impl PeerService for Peer {
    type ConsensusStream = Answers;

    async fn greet(&self, request: Request<wire::GreetRequest>) -> Result<Response<wire::GreetResponse>, Status> {
        self.admit(&request)?;
        let node = &self.0;
        if let Some(asker) = request.into_inner().node {
            let id = asker.id;
            node.known.note(asker.into());
            node.known.heard(id);
        }
        let mut known = node.known.all();
        known.retain(|other| other.id != node.local.id);
        known.push(node.local.clone());
        let led = node.directory.leaders().into_iter().filter(|(_, (_, leader))| *leader == node.local.id);
        let led = led.map(|(shard, (term, _))| wire::LedShard { shard: bytes(shard), term });
        Ok(Response::new(wire::GreetResponse {
            node: Some(node.local.clone().into()),
            cluster: node.greeted_cluster(),
            protocol: super::PROTOCOL,
            bootstrap_expect: node.config.bootstrap_expect,
            known: known.into_iter().map(Into::into).collect(),
            full: node.is_full(node.local.id),
            leads: led.collect(),
        }))
    }

    async fn consensus(
        &self,
        request: Request<Streaming<wire::ConsensusRequest>>,
    ) -> Result<Response<Answers>, Status> {
        self.admit(&request)?;
        let from = handshake::stream(request.metadata(), &self.0.binding, self.0.local.id)?;
        let standing = self.0.peers.detector().opened(from);
        let answers = service::consensus(self.0.host.clone(), standing, request.into_inner());
        Ok(Response::new(Box::pin(answers)))
    }

    async fn install_snapshot(
        &self,
        request: Request<Streaming<wire::InstallSnapshotRequest>>,
    ) -> Result<Response<wire::InstallSnapshotResponse>, Status> {
        self.admit(&request)?;
        handshake::stream(request.metadata(), &self.0.binding, self.0.local.id)?;
        let installed = service::install_snapshot(self.0.host.clone(), request.into_inner()).await?;
        Ok(Response::new(installed))
    }

    async fn offer_snapshot(
        &self,
        request: Request<wire::OfferSnapshotRequest>,
    ) -> Result<Response<wire::OfferSnapshotResponse>, Status> {
        self.admit(&request)?;
        handshake::stream(request.metadata(), &self.0.binding, self.0.local.id)?;
        Ok(Response::new(service::offer_snapshot(&*self.0.host, request.into_inner())?))
    }

    async fn host_shard(
        &self,
        request: Request<wire::HostShardRequest>,
    ) -> Result<Response<wire::HostShardResponse>, Status> {
        self.admit(&request)?;
        let request = request.into_inner();
        let shard = shard_id(&request.shard)?;
        let node = &self.0;
        if shard == ShardId::META && !node.is_founded() {
            let cluster = hansard_domain::ClusterId::from_slice(&request.cluster);
            node.binding.offer(cluster.map_err(|_| Status::invalid_argument("cluster must have 16 bytes"))?)?;
            node.start_meta().await.map_err(Status::unavailable)?;
            return Ok(Response::new(wire::HostShardResponse {}));
        }
        node.binding.admit(&request.cluster)?;
        node.hosting.ask(shard);
        if shard == ShardId::META {
            node.start_meta().await.map_err(Status::unavailable)?;
        } else {
            node.host.start(shard).await.map_err(|error| Status::unavailable(error.to_string()))?;
        }
        Ok(Response::new(wire::HostShardResponse {}))
    }

    async fn propose_meta(
        &self,
        request: Request<wire::ProposeMetaRequest>,
    ) -> Result<Response<wire::ProposeMetaResponse>, Status> {
        self.admit(&request)?;
        let request = request.into_inner();
        self.0.binding.admit(&request.cluster)?;
        let mut command =
            MetaCommand::decode(&request.command).map_err(|error| Status::invalid_argument(error.to_string()))?;
        let nothing =
            |leader: Option<u64>| wire::ProposeMetaResponse { leader: leader.unwrap_or(0), outcome: Bytes::new() };
        let Some(meta) = self.0.host.meta() else { return Ok(Response::new(nothing(None))) };
        command.stamp_us = self.0.seams.clock.now_us();
        match meta.propose(command).await {
            Ok(outcome) => Ok(Response::new(wire::ProposeMetaResponse {
                leader: self.0.local.id,
                outcome: Bytes::from(outcome.encode()),
            })),
            Err(ProposeError::NotLeader { leader }) => Ok(Response::new(nothing(leader))),
            Err(error) => Err(status::to_tonic(&status::unknown_outcome(error.to_string()))),
        }
    }

    async fn adjust_shard(
        &self,
        request: Request<wire::AdjustShardRequest>,
    ) -> Result<Response<wire::AdjustShardResponse>, Status> {
        self.admit(&request)?;
        let request = request.into_inner();
        self.0.binding.admit(&request.cluster)?;
        let shard = shard_id(&request.shard)?;
        let change = request.change.ok_or_else(|| Status::invalid_argument("no change is asked for"))?;
        let elsewhere = membership::adjust(&self.0, shard, change).await?;
        Ok(Response::new(wire::AdjustShardResponse { done: elsewhere.is_none(), leader: elsewhere.unwrap_or(0) }))
    }

    async fn shard_members(
        &self,
        request: Request<wire::ShardMembersRequest>,
    ) -> Result<Response<wire::ShardMembersResponse>, Status> {
        self.admit(&request)?;
        let request = request.into_inner();
        self.0.binding.admit(&request.cluster)?;
        let found = membership::members(&self.0, shard_id(&request.shard)?).await?;
        Ok(Response::new(match found {
            Ok(nodes) => wire::ShardMembersResponse { done: true, leader: 0, nodes: nodes.into_iter().collect() },
            Err(leader) => wire::ShardMembersResponse { done: false, leader, nodes: Vec::new() },
        }))
    }

    async fn read_index(
        &self,
        request: Request<wire::ReadIndexRequest>,
    ) -> Result<Response<wire::ReadIndexResponse>, Status> {
        self.admit(&request)?;
        let request = request.into_inner();
        self.0.binding.admit(&request.cluster)?;
        let elsewhere =
            |leader: Option<u64>| wire::ReadIndexResponse { leader: leader.unwrap_or(0), ..Default::default() };
        let Some(replica) = self.0.host.replica(shard_id(&request.shard)?) else {
            return Ok(Response::new(elsewhere(None)));
        };
        Ok(Response::new(match nearby::index(&replica).await {
            Ok(index) => wire::ReadIndexResponse { done: true, leader: 0, index },
            Err(ReadError::NotLeader { leader }) => elsewhere(leader),
            Err(_) => elsewhere(None),
        }))
    }

    async fn note_refusal(
        &self,
        request: Request<wire::NoteRefusalRequest>,
    ) -> Result<Response<wire::NoteRefusalResponse>, Status> {
        self.admit(&request)?;
        let request = request.into_inner();
        self.0.binding.admit(&request.cluster)?;
        let shard = shard_id(&request.shard)?;
        let person = PersonId::from_slice(&request.person);
        let person = person.map_err(|_| Status::invalid_argument("a person's id has 16 bytes"))?;
        let elsewhere = refused::note_here(&self.0, shard, person, refused::of_reason(&request.reason)).await;
        let elsewhere = elsewhere.map_err(|error| status::to_tonic(&reply::proposing(error)))?;
        Ok(Response::new(wire::NoteRefusalResponse { done: elsewhere.is_none(), leader: elsewhere.unwrap_or(0) }))
    }
}

fn shard_id(wire: &[u8]) -> Result<ShardId, Status> {
    ShardId::from_slice(wire).map_err(|_| Status::invalid_argument("a shard's id has 16 bytes"))
}
