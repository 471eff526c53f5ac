//! What every node knows of the cluster.

use std::collections::BTreeMap;

use crate::ids::{ClusterId, NodeId, PersonId, RoomId, ShardId};

/// What a node says of itself.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct NodeInfo {
    /// Random, never used again.
    pub id: NodeId,
    /// Its name, unique among the nodes that are not gone.
    pub name: String,
    /// Its site.
    pub site: String,
    /// Where nodes and routers reach it, host:port.
    pub address: String,
}

/// What a node is doing; the numbers are those of `hansard.v1.NodeState`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum NodeState {
    /// Known, holds no shards yet.
    Standby = 1,
    /// Holds its share.
    Active = 2,
    /// Its replicas are moving away.
    Decommissioning = 3,
    /// Gone for good.
    Decommissioned = 4,
}

/// A node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Node {
    /// Who and where.
    pub info: NodeInfo,
    /// What it is doing.
    pub state: NodeState,
}

/// Where a shard is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ShardPlace {
    /// The shard.
    pub shard: ShardId,
    /// Its voters; the first one is preferred as leader.
    pub voters: Vec<NodeId>,
    /// Grows with every change of this placement.
    pub epoch: u64,
}

/// Where a room is that is not in the shard of its slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MovedRoom {
    /// The shard's ordinal.
    pub shard: u16,
    /// The epoch of the move.
    pub epoch: u64,
}

/// Which tokens of a person are good.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PersonEpoch {
    /// How often the person's tokens were revoked; sessions of an older epoch are cut.
    pub epoch: u64,
    /// Tokens issued before this are revoked, seconds since 1970.
    pub not_before_s: i64,
}

/// The cluster, without its people.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MetaView {
    /// The cluster; none before its founding.
    pub cluster: Option<ClusterId>,
    /// All nodes, those that are gone included.
    pub nodes: BTreeMap<NodeId, Node>,
    /// The room shards, by ordinal.
    pub shards: Vec<ShardPlace>,
    /// The meta group itself.
    pub meta: Option<ShardPlace>,
    /// The shard of each slot, by ordinal: 4,096, or none before the founding.
    pub slots: Vec<u16>,
    /// Rooms that are not in the shard of their slot.
    pub moved: BTreeMap<RoomId, MovedRoom>,
    /// Revoked tokens by id (`jti`), and when they expire, seconds since 1970.
    pub tokens: BTreeMap<String, i64>,
    /// People whose epoch is not 0.
    pub people: BTreeMap<PersonId, PersonEpoch>,
    /// The version of the policy in force.
    pub policy: u64,
    /// Grows with every change of this view.
    pub revision: u64,
}

impl MetaView {
    /// The shard of a room.
    pub fn shard_of(&self, room: RoomId) -> Option<&ShardPlace> {
        let ordinal = match self.moved.get(&room) {
            Some(moved) => moved.shard,
            None => *self.slots.get(usize::from(room.slot()))?,
        };
        self.shards.get(usize::from(ordinal))
    }

    /// The home shard of a person: for claims and refusals.
    pub fn home_of(&self, person: PersonId) -> Option<&ShardPlace> {
        let ordinal = *self.slots.get(usize::from(person.slot()))?;
        self.shards.get(usize::from(ordinal))
    }

    /// Where a shard is, the meta group included.
    pub fn place(&self, shard: ShardId) -> Option<&ShardPlace> {
        self.places().find(|place| place.shard == shard)
    }

    /// All shards, the meta group first.
    pub fn places(&self) -> impl Iterator<Item = &ShardPlace> {
        self.meta.iter().chain(&self.shards)
    }

    /// A person's epoch; 0 for those who never were revoked.
    pub fn epoch_of(&self, person: PersonId) -> PersonEpoch {
        self.people.get(&person).copied().unwrap_or_default()
    }

    /// Whether a token is revoked, by its id.
    pub fn is_revoked(&self, token: &str) -> bool {
        self.tokens.contains_key(token)
    }

    /// How many replicas vote on this node.
    pub fn voters_on(&self, node: NodeId) -> usize {
        self.places().filter(|place| place.voters.contains(&node)).count()
    }
}
