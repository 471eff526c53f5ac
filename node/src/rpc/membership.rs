//! What a shard's leader does and says about who belongs to the shard, asked by other nodes.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use hansard_domain::{NodeId, ShardId};
use hansard_proto::{
    cluster::v1::{self as wire, adjust_shard_request::Change},
    reason, status,
};
use tonic::{Code, Status};

use crate::{
    raft::NodeInfo,
    shard::{MembershipError, Replica},
    state::Node,
};

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
            let wanted = || is_wanted(node, shard, &ids, epoch);
            replica.change_membership(voters.into_values().collect(), wanted).await
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
