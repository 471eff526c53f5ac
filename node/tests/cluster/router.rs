//! As much of a router as the tests need: links to all nodes, and calls that find their leader.

use std::{collections::BTreeMap, time::Duration};

use hansard_domain::{Action, Content, PersonId, RequestId, RoomId, ShardId, Visibility};
use hansard_proto::{
    cluster::v1::{self as wire, NodeInfo, node_call::Call, node_reply::Outcome},
    convert,
    rpc::Status,
    status,
};
use hansard_runtime::{Entropy, OsEntropy};
use tokio::{sync::Mutex, time::Instant};

use crate::{harness::Cluster, link::Link};

/// How long a call is tried again.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

pub(crate) struct Router {
    addresses: Vec<String>,
    links: Mutex<BTreeMap<String, std::sync::Arc<Link>>>,
}

pub(crate) fn draw() -> [u8; 16] {
    let mut bytes = [0; 16];
    OsEntropy.fill(&mut bytes);
    bytes
}

pub(crate) fn principal(person: PersonId) -> Option<wire::Principal> {
    Some(wire::Principal { person: convert::bytes(person), epoch: 0, operator: false })
}

pub(crate) fn operator(person: PersonId) -> Option<wire::Principal> {
    Some(wire::Principal { person: convert::bytes(person), epoch: 0, operator: true })
}

pub(crate) fn text(text: &str) -> bytes::Bytes {
    Content { text: Some(text.to_owned()), ..Content::default() }.encode()
}

impl Router {
    pub(crate) fn new(cluster: &Cluster) -> Self {
        let addresses = cluster.configs.iter().map(|config| config.listen.clone()).collect();
        Self { addresses, links: Mutex::default() }
    }

    /// The link to an address, opened anew when it broke.
    pub(crate) async fn link(&self, address: &str) -> Option<std::sync::Arc<Link>> {
        let mut links = self.links.lock().await;
        if let Some(link) = links.get(address).filter(|link| link.is_open()) {
            return Some(link.clone());
        }
        let opened = tokio::time::timeout(Duration::from_secs(2), Link::open(address)).await;
        let link = std::sync::Arc::new(opened.ok()?.ok()?);
        links.insert(address.to_owned(), link.clone());
        Some(link)
    }

    async fn all(&self) -> Vec<std::sync::Arc<Link>> {
        let mut links = Vec::new();
        for address in &self.addresses {
            links.extend(self.link(address).await);
        }
        links
    }

    pub(crate) async fn placement(&self) -> wire::Placement {
        let until = Instant::now() + PATIENCE;
        loop {
            let mut newest: Option<(u64, wire::Placement)> = None;
            for link in self.all().await {
                let directory = link.directory.lock().unwrap();
                if let Some(placement) = &directory.placement
                    && newest.as_ref().is_none_or(|(revision, _)| directory.revision > *revision)
                {
                    newest = Some((directory.revision, placement.clone()));
                }
            }
            match newest {
                Some((_, placement)) if !placement.shards.is_empty() => return placement,
                _ => assert!(Instant::now() < until, "no node tells the placement"),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    pub(crate) fn shard_in(placement: &wire::Placement, slot: u16) -> (ShardId, u64) {
        let place = &placement.shards[placement.slots[usize::from(slot)] as usize];
        (ShardId::from_slice(&place.shard).unwrap(), place.epoch)
    }

    pub(crate) async fn shard_of(&self, room: RoomId) -> ShardId {
        Self::shard_in(&self.placement().await, room.slot()).0
    }

    /// Who leads a shard, by the newest term that anybody tells.
    pub(crate) async fn leader(&self, shard: ShardId) -> Option<NodeInfo> {
        let wanted = convert::bytes(shard);
        let mut newest: Option<(u64, u64)> = None;
        for link in self.all().await {
            let directory = link.directory.lock().unwrap();
            let told = directory.leaders.iter().find(|leader| leader.shard == wanted);
            newest = newest.max(told.map(|leader| (leader.term, leader.node)));
        }
        let (_, id) = newest?;
        self.placement().await.nodes.into_iter().find(|node| node.id == id)
    }

    /// Calls the leader of a shard until there is an answer that is neither unknown nor "elsewhere".
    pub(crate) async fn call(
        &self,
        shard: ShardId,
        principal: Option<wire::Principal>,
        call: Call,
    ) -> Result<Outcome, Status> {
        let until = Instant::now() + PATIENCE;
        loop {
            let placement = self.placement().await;
            let place = placement.shards.iter().find(|place| place.shard == convert::bytes(shard));
            let epoch = place.map_or(0, |place| place.epoch);
            let mut last = status::unknown_outcome("no leader");
            if let Some(leader) = self.leader(shard).await
                && let Some(link) = self.link(&leader.address).await
            {
                match link.call(shard, epoch, principal.clone(), call.clone()).await {
                    Err(error) if status::is_unknown_outcome(&error) => last = error,
                    answer => return answer,
                }
            }
            if Instant::now() > until {
                return Err(last);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub(crate) async fn propose(
        &self,
        person: PersonId,
        request: RequestId,
        action: Action,
        content: bytes::Bytes,
    ) -> Result<wire::Proposed, Status> {
        let shard = self.shard_of(action.room().unwrap()).await;
        let call = convert::propose(request, &action, content).unwrap();
        match self.call(shard, principal(person), Call::Propose(call)).await? {
            Outcome::Proposed(proposed) => Ok(proposed),
            other => panic!("not an answer to a proposal: {other:?}"),
        }
    }

    /// A public room of this person's.
    pub(crate) async fn create_room(&self, person: PersonId) -> RoomId {
        let room = RoomId::from_bytes(draw());
        let content = Content { name: Some("a room".to_owned()), ..Content::default() }.encode();
        let action = Action::CreateRoom { room, visibility: Visibility::Public, peer: None };
        let created = self.propose(person, RequestId::from_bytes(draw()), action, content).await.unwrap();
        assert_eq!(created.seq, 1);
        room
    }

    pub(crate) async fn say(&self, person: PersonId, room: RoomId, said: &str) -> u64 {
        let request = RequestId::from_bytes(draw());
        self.propose(person, request, Action::SendMessage { room }, text(said)).await.unwrap().seq
    }

    /// An operator's command, at meta's leader.
    pub(crate) async fn operate(&self, command: wire::operate::Command) -> Result<Outcome, Status> {
        let command = wire::Operate { request_id: draw().to_vec().into(), command: Some(command) };
        self.call(ShardId::META, operator(PersonId::from_bytes([9; 16])), Call::Operate(command)).await
    }

    /// What the node at an address knows of the cluster.
    pub(crate) async fn status(&self, address: &str) -> Option<wire::Status> {
        self.read_status(address, false).await?.ok()
    }

    /// The cluster, from the node at an address; none if it is not linked.
    pub(crate) async fn read_status(&self, address: &str, confirmed: bool) -> Option<Result<wire::Status, Status>> {
        let link = self.link(address).await?;
        let person = principal(PersonId::from_bytes([9; 16]));
        let asked = Call::ReadStatus(wire::ReadStatus { confirmed });
        Some(link.call(ShardId::META, 0, person, asked).await.map(|answer| match answer {
            Outcome::StatusView(status) => status,
            other => panic!("no status: {other:?}"),
        }))
    }

    pub(crate) fn learn_of(&mut self, address: String) {
        self.addresses.push(address);
    }
}
