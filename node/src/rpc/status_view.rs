//! The cluster, as a quorum of meta confirms it or as this node knows it.

use std::sync::Arc;

use bytes::Bytes;
use hansard_domain::{
    NodeId, ShardId,
    meta::{MetaView, ShardPlace},
};
use hansard_proto::{cluster::v1 as wire, convert::bytes, rpc::Status};

use super::reply;
use crate::{
    meta::{info_of, leaders},
    state::Node,
};

/// See the module.
pub(super) async fn status(node: &Arc<Node>, wanted: &wire::ReadStatus) -> Result<wire::Status, Status> {
    let meta = node.host.meta().ok_or_else(|| reply::not_leader(None))?;
    if wanted.confirmed {
        meta.read_index().await.map_err(reply::reading)?;
    }
    let view = meta.view().borrow().clone();
    Ok(known(node, &view))
}

fn known(node: &Arc<Node>, view: &MetaView) -> wire::Status {
    let nodes = view.nodes.values().map(|row| wire::NodeStatus {
        node: Some(info_of(row).into()),
        state: row.state as u32,
        reachable: node.reachable(row.info.id),
    });
    let leaders = leaders(node);
    let led = |place: &ShardPlace| leaders.get(&place.shard).copied().unwrap_or_default();
    wire::Status {
        cluster: node.binding.to_wire(),
        nodes: nodes.collect(),
        shards: view.places().map(|place| shard(node, name_of(view, place.shard), place, led(place))).collect(),
        revision: view.revision,
    }
}

/// "meta", or the shard's ordinal.
pub(super) fn name_of(view: &MetaView, shard: ShardId) -> String {
    let ordinal = view.shards.iter().position(|place| place.shard == shard);
    ordinal.map_or_else(|| "meta".to_owned(), |ordinal| ordinal.to_string())
}

/// `led`: in which term, and by whom; zeros if that is not known.
fn shard(node: &Arc<Node>, name: String, place: &ShardPlace, led: (u64, NodeId)) -> wire::ShardStatus {
    let id = place.shard;
    let mut status = wire::ShardStatus {
        shard: bytes(id),
        name,
        voters: place.voters.clone(),
        learners: Vec::new(),
        leader: led.1,
        term: led.0,
        epoch: place.epoch,
        hosted: false,
        applied_index: 0,
        record_size: 0,
        record_root: Bytes::new(),
    };
    if let Some(replica) = node.host.replica(id) {
        let now = replica.status();
        status.hosted = true;
        if id == ShardId::META {
            status.voters = now.voters.iter().map(|voter| voter.id).collect();
        }
        status.learners = now.learners.iter().map(|learner| learner.id).collect();
        status.term = now.leadership.term;
        status.applied_index = now.applied_index;
        status.record_size = now.record.size;
        status.record_root = Bytes::copy_from_slice(&now.record.root);
    }
    status
}
