//! Meta's commands and rows, as the rest of the node uses them.

use hansard_domain::{
    ClusterId, NodeId, PersonId, RequestId, Salt, ShardId,
    meta::{MetaAction, MetaCommand, MetaView, Node as NodeRow, NodeInfo as Listed, NodeState},
    placement::{self, Step},
};

use crate::{raft::NodeInfo, state::Node};

/// The epoch of a placement that was never changed.
pub(crate) const FIRST_EPOCH: u64 = 1;

/// A node as memberships and the wire have it.
pub(crate) fn info_of(row: &NodeRow) -> NodeInfo {
    let Listed { id, name, site, address } = row.info.clone();
    NodeInfo { id, name, site, address }
}

/// A node as meta has it.
pub(super) fn listed(info: NodeInfo) -> Listed {
    let NodeInfo { id, name, site, address } = info;
    Listed { id, name, site, address }
}

/// The cluster's own command.
pub(crate) fn by_system(node: &Node, action: MetaAction) -> MetaCommand {
    command(node, PersonId::SYSTEM, RequestId::from_bytes(node.draw()), action)
}

/// Somebody's command, stamped and salted here.
pub(crate) fn command(node: &Node, actor: PersonId, request: RequestId, action: MetaAction) -> MetaCommand {
    MetaCommand {
        request,
        actor,
        stamp_us: node.seams.clock.now_us(),
        policy: node.view().map_or(0, |view| view.policy),
        rule: 0,
        salt: Salt(node.draw()),
        action,
    }
}

/// Whether the node is not gone.
pub(super) fn is_present(row: &NodeRow) -> bool {
    row.state != NodeState::Decommissioned
}

/// Nodes that hold their share.
pub(super) fn active(view: &MetaView) -> impl Iterator<Item = &NodeRow> {
    view.nodes.values().filter(|row| row.state == NodeState::Active)
}

/// The next step of placement, as voters.
pub(super) fn next_step(view: &MetaView, reachable: impl Fn(NodeId) -> bool) -> Option<Next> {
    let voters = |shard: ShardId| view.place(shard).map(|place| place.voters.clone()).unwrap_or_default();
    Some(match placement::next_step(view, reachable)? {
        Step::MoveReplica { shard, from, to } => {
            Next::Voters(shard, voters(shard).into_iter().map(|id| if id == from { to } else { id }).collect())
        }
        Step::AddReplica { shard, to } => Next::Voters(shard, voters(shard).into_iter().chain([to]).collect()),
        Step::RemoveReplica { shard, from } => {
            Next::Voters(shard, voters(shard).into_iter().filter(|id| *id != from).collect())
        }
        Step::Retire(node) => Next::Retire(node),
    })
}

/// What placement wants next.
pub(super) enum Next {
    /// A shard shall have these voters.
    Voters(ShardId, Vec<NodeId>),
    /// A node has nothing left, and is gone for good.
    Retire(NodeId),
}

/// The founding of a cluster by these nodes.
pub(super) fn found(cluster: ClusterId, shards: Vec<ShardId>, nodes: Vec<NodeInfo>) -> MetaAction {
    let meta = nodes.iter().map(|node| node.id).collect();
    let nodes: Vec<Listed> = nodes.into_iter().map(listed).collect();
    let places = placement::initial(&nodes, shards.len());
    MetaAction::Found { cluster, nodes, meta, shards: shards.into_iter().zip(places).collect() }
}
