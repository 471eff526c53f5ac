//! What a shard's leader does and says about who belongs to the shard, asked by other nodes.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use hansard_domain::{
    NodeId, ShardId,
    meta::{Node as NodeRow, NodeState},
};
use hansard_proto::{
    cluster::v1::{self as wire, adjust_shard_request::Change},
    reason, status,
};
use tokio::time::Instant;
use tonic::{Code, Status};

use crate::{
    raft::NodeInfo,
    shard::{MembershipError, Replica},
    state::Node,
};

/// How long a new replica that says nothing is waited for: a node that only starts again is back before.
const PATIENCE: Duration = Duration::from_secs(10);

/// Changes a shard that this node leads. `Some(leader)`: it does not, and that one may (0: nobody known).
pub(crate) async fn adjust(node: &Arc<Node>, shard: ShardId, change: Change) -> Result<Option<NodeId>, Status> {
    let Some(replica) = node.host.replica(shard) else { return Ok(Some(0)) };
    let now = *replica.leadership().borrow();
    if let Change::Leader(to) = &change
        && now.leader == Some(*to)
    {
        return Ok(None);
    }
    if !now.serving {
        return Ok(Some(other_leader(node, &replica)));
    }
    let done = match change {
        Change::Leader(to) => node.host.transfer_leader(shard, to).await,
        Change::Voters(wire::VoterChange { nodes, epoch }) => {
            let voters: BTreeMap<NodeId, NodeInfo> = nodes.into_iter().map(|info| (info.id, info.into())).collect();
            let ids: BTreeSet<NodeId> = voters.keys().copied().collect();
            let present: BTreeSet<NodeId> = replica.status().voters.iter().map(|voter| voter.id).collect();
            let (fresh, begun) = (ids.difference(&present).copied().collect::<Vec<_>>(), Instant::now());
            let objection = || match is_wanted(node, shard, &ids, epoch) && !is_leaving(node, &fresh) {
                true => silent(node, &fresh, begun),
                false => Some(MembershipError::Outdated),
            };
            replica.change_membership(voters.into_values().collect(), objection).await
        }
    };
    done.map(|()| None).map_err(|error| failed(&error))
}

/// The members of a shard that this node leads, voters or not. `Err`: it does not, and that one may (0: nobody known).
pub(crate) async fn members(node: &Arc<Node>, shard: ShardId) -> Result<Result<BTreeSet<NodeId>, NodeId>, Status> {
    let Some(replica) = node.host.replica(shard) else { return Ok(Err(0)) };
    if !replica.leadership().borrow().serving {
        return Ok(Err(other_leader(node, &replica)));
    }
    replica.committed_members().await.map(Ok).map_err(|error| failed(&error))
}

/// Whether nothing that this node knows of the shard's placement speaks against these voters: a change that waits long may be
/// overtaken by another, of a newer controller.
fn is_wanted(node: &Node, shard: ShardId, voters: &BTreeSet<NodeId>, epoch: u64) -> bool {
    let Some(view) = node.view() else { return true };
    let Some(place) = view.place(shard) else { return true };
    place.epoch < epoch || (place.epoch == epoch && place.voters.iter().copied().collect::<BTreeSet<_>>() == *voters)
}

/// Whether one of these is on its way out of the cluster, or has gone.
fn is_leaving(node: &Node, fresh: &[NodeId]) -> bool {
    let Some(view) = node.view() else { return false };
    let leaves = |row: &NodeRow| matches!(row.state, NodeState::Decommissioning | NodeState::Decommissioned);
    fresh.iter().any(|id| view.nodes.get(id).is_some_and(leaves))
}

/// One of these was not heard from for so long, while somebody waited, that it need not be waited for.
fn silent(node: &Node, fresh: &[NodeId], begun: Instant) -> Option<MembershipError> {
    let silent = |id: &&NodeId| begun.elapsed() > PATIENCE && !node.known.heard_within(**id, PATIENCE);
    fresh.iter().find(silent).map(|id| MembershipError::Silent { node: *id, after: PATIENCE })
}

fn other_leader(node: &Node, replica: &Replica) -> NodeId {
    let leader = replica.leadership().borrow().leader;
    leader.filter(|leader| *leader != node.local.id).unwrap_or(0)
}

fn failed(error: &MembershipError) -> Status {
    status::to_tonic(&status::retryable(
        Code::Unavailable,
        reason::OUTCOME_UNKNOWN,
        error.to_string(),
        status::DEFAULT_RETRY,
    ))
}
