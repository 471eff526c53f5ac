//! Carries placement out, on the node that leads meta: one step at a time, each of which may be repeated. What is to be done
//! follows from meta's state alone, so another leader goes on where this one stopped.

use std::{sync::Arc, time::Duration};

use hansard_domain::{
    NodeId, ShardId,
    meta::{MetaAction, MetaOutcome, MetaView, ShardPlace},
};
use hansard_proto::{
    cluster::v1::{self as wire, adjust_shard_request::Change},
    convert::bytes,
};

use super::{
    commands::{self, Next},
    members,
    proposing::propose,
    shards::{adjust, infos, is_member},
};
use crate::{raft::NodeInfo, shard::MetaShard, state::Node};

/// Between two looks at what is to be done.
const ROUND: Duration = Duration::from_millis(300);

/// And between two steps: a node that is filled or emptied takes one for each of its shards.
const BREATH: Duration = Duration::from_millis(20);

/// How long a shard's leader is looked for, to make a step.
const SEARCH: Duration = Duration::from_secs(8);

/// And to compare its voters.
const AUDIT: Duration = Duration::from_secs(1);

/// Runs until it is aborted; idles while another node leads meta.
pub(super) async fn control(node: Arc<Node>) {
    let (mut turn, mut pause) = (0, ROUND);
    loop {
        tokio::time::sleep(pause).await;
        pause = ROUND;
        let Some(meta) = node.host.meta() else { continue };
        let _alone = node.placing.lock().await;
        if !meta.leadership().borrow().serving || node.is_draining() {
            continue;
        }
        let view = || meta.view().borrow().clone();
        let done = if view().cluster.is_none() {
            found(&node, &meta).await.map(|()| true)
        } else {
            turn += 1;
            audit(&node, &view(), turn).await;
            // The audit may have taken long, and nodes may have come or gone.
            step(&node, &meta, &view()).await
        };
        match done {
            Ok(true) => pause = BREATH,
            Ok(false) => {}
            Err(why) => {
                tracing::warn!(why, "a step of the cluster's upkeep did not succeed; it is tried again");
                pause = ROUND * 2;
            }
        }
    }
}

/// Puts the first state into meta: the cluster's id, its nodes, and shards spread over them.
async fn found(node: &Arc<Node>, meta: &MetaShard) -> Result<(), String> {
    let cluster = node.binding.cluster().ok_or("this node leads meta without a cluster")?;
    let shards = (0..node.config.shards).map(|_| ShardId::from_bytes(node.draw())).collect();
    put(node, commands::found(cluster, shards, meta.status().voters)).await?;
    tracing::info!(%cluster, shards = node.config.shards, "the cluster is founded");
    Ok(())
}

/// Makes one shard's voters what placement says, one in each turn: a controller that stopped in the middle of a move may have
/// left others, or its change may come to pass now. Whoever is out of reach could not catch up: the next step replaces it.
async fn audit(node: &Arc<Node>, view: &MetaView, turn: usize) {
    let Some(place) = view.shards.get(turn % view.shards.len().max(1)) else { return };
    if !place.voters.iter().all(|voter| node.reachable(*voter)) {
        return;
    }
    // A shard without a leader has its turn again.
    if let Err(why) = make_so(node, view, place, AUDIT).await {
        tracing::debug!(shard = %place.shard, why, "a shard's voters could not be compared with its placement");
    }
}

async fn make_so(node: &Arc<Node>, view: &MetaView, place: &ShardPlace, search: Duration) -> Result<(), String> {
    let nodes = infos(view, &place.voters)?;
    let change = Change::Voters(wire::VoterChange { nodes, epoch: place.epoch });
    adjust(node, view, place.shard, change, search).await
}

/// Does what is to be done next; whether there was anything.
async fn step(node: &Arc<Node>, meta: &MetaShard, view: &MetaView) -> Result<bool, String> {
    if members::step(node, meta, view).await? {
        return Ok(true);
    }
    let done = match commands::next_step(view, |id| node.reachable(id)) {
        None => return Ok(false),
        Some(Next::Voters(ShardId::META, voters)) => members::move_meta(node, meta, view, &voters).await.map(drop),
        Some(Next::Voters(shard, voters)) => move_shard(node, view, shard, voters).await,
        Some(Next::Retire(id)) => {
            // Placement knows it no more. Does any shard? Whoever votes must not be switched off.
            for place in &view.shards {
                if is_member(node, view, place.shard, id).await? {
                    make_so(node, view, place, SEARCH).await?;
                }
            }
            put(node, MetaAction::RetireNode(id)).await?;
            tracing::info!(node = id, "a node is decommissioned; it may be switched off");
            Ok(())
        }
    };
    done.map(|()| true)
}

/// Gives a shard these voters, then says so in meta. Messages flow meanwhile.
async fn move_shard(node: &Arc<Node>, view: &MetaView, shard: ShardId, voters: Vec<u64>) -> Result<(), String> {
    let place = view.place(shard).ok_or("the shard is not placed")?;
    let cluster = node.binding.to_wire();
    let wanted = infos(view, &voters)?;
    for fresh in wanted.iter().filter(|info| !place.voters.contains(&info.id)) {
        let request = wire::HostShardRequest { shard: bytes(shard), cluster: cluster.clone() };
        tracing::info!(%shard, to = fresh.id, "moving a replica");
        node.calls.host_shard(&NodeInfo::from(fresh.clone()), request).await?;
    }
    let leader = node.directory.leader(shard).map(|(_, leader)| leader);
    if let Some(leader) = leader.filter(|leader| !voters.contains(leader)) {
        let heirs = place.voters.iter().filter(|id| **id != leader && voters.contains(id) && node.reachable(**id));
        let mut handed = Ok(());
        for heir in heirs {
            // One that has yet to catch up is refused, and another may not be.
            handed = adjust(node, view, shard, Change::Leader(*heir), Duration::ZERO).await;
            if handed.is_ok() {
                break;
            }
        }
        handed?;
    }
    let epoch = place.epoch + 1;
    adjust(node, view, shard, Change::Voters(wire::VoterChange { nodes: wanted, epoch }), SEARCH).await?;
    put(node, MetaAction::SetPlacement { shard, voters, epoch }).await
}

/// An operator moves one replica.
pub(crate) async fn move_replica(
    node: &Arc<Node>,
    meta: &MetaShard,
    shard: ShardId,
    from: u64,
    to: u64,
) -> Result<(), String> {
    let _alone = node.placing.lock().await;
    // The wait for a step of the controller's may have been long.
    if !meta.leadership().borrow().serving {
        return Err("this node does not lead meta any more; ask again".to_owned());
    }
    let view = meta.view().borrow().clone();
    let place = view.place(shard).ok_or("there is no such shard")?;
    if !place.voters.contains(&from) && place.voters.contains(&to) {
        // By an attempt before this one.
        return Ok(());
    }
    if !place.voters.contains(&from) || place.voters.contains(&to) {
        return Err("the replica is not on the first node, or there is one on the second already".to_owned());
    }
    let voters: Vec<NodeId> = place.voters.iter().map(|id| if *id == from { to } else { *id }).collect();
    if shard != ShardId::META {
        return move_shard(node, &view, shard, voters).await;
    }
    match members::move_meta(node, meta, &view, &voters).await? {
        true => Ok(()),
        false => Err("meta's leader was to go, so it has handed over first; ask again".to_owned()),
    }
}

/// An operator hands a leadership over.
pub(crate) async fn transfer_leader(node: &Arc<Node>, view: &MetaView, shard: ShardId, to: u64) -> Result<(), String> {
    adjust(node, view, shard, Change::Leader(to), SEARCH).await
}

/// Changes meta's state.
pub(super) async fn put(node: &Arc<Node>, action: MetaAction) -> Result<(), String> {
    match propose(node, commands::by_system(node, action)).await {
        Ok(MetaOutcome::Refused(refusal)) => Err(refusal.to_string()),
        Ok(_) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}
