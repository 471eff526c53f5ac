//! Carries placement out, on the node that leads meta: one step at a time, each of which may be repeated. What is to be done
//! follows from meta's state alone, so another leader goes on where this one stopped.

use std::{sync::Arc, time::Duration};

use hansard_domain::{
    NodeId, ShardId,
    meta::{MetaAction, MetaOutcome, MetaView},
};
use hansard_proto::{
    cluster::v1::{self as wire, adjust_shard_request::Change},
    convert::bytes,
};
use tokio::time::Instant;

use super::{
    commands::{self, Next},
    info_of, members,
    proposing::propose,
};
use crate::{raft::NodeInfo, shard::MetaShard, state::Node};

/// Between two looks at what is to be done.
const ROUND: Duration = Duration::from_millis(300);

/// How long one step may take: a new replica catches up meanwhile. It is asked for again after that, and goes on.
const STEP: Duration = Duration::from_secs(60);

/// How long a shard's leader is looked for.
const SEARCH: Duration = Duration::from_secs(8);

/// Runs until it is aborted; idles while another node leads meta.
pub(super) async fn control(node: Arc<Node>) {
    let mut audited = 0;
    loop {
        tokio::time::sleep(ROUND).await;
        let Some(meta) = node.host.meta() else { continue };
        let led = *meta.leadership().borrow();
        if !led.serving || node.is_draining() {
            continue;
        }
        let view = meta.view().borrow().clone();
        let done = if view.cluster.is_none() {
            found(&node, &meta).await
        } else if audited != led.term {
            audited = led.term;
            audit(&node, &view).await
        } else {
            step(&node, &meta, &view).await
        };
        if let Err(why) = done {
            tracing::warn!(why, "a step of the cluster's upkeep did not succeed; it is tried again");
            tokio::time::sleep(ROUND).await;
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

/// Makes every shard's voters what placement says: a leader of meta that stopped in the middle of a move may have left others.
async fn audit(node: &Arc<Node>, view: &MetaView) -> Result<(), String> {
    for place in &view.shards {
        let wanted = infos(view, &place.voters)?;
        let change = Change::Voters(wire::VoterChange { nodes: wanted });
        // A shard that has no leader now is left to the next step that concerns it.
        if let Err(why) = adjust(node, view, place.shard, change).await {
            tracing::warn!(shard = %place.shard, why, "a shard's voters could not be compared with its placement");
        }
    }
    Ok(())
}

async fn step(node: &Arc<Node>, meta: &MetaShard, view: &MetaView) -> Result<(), String> {
    if members::step(node, meta, view).await? {
        return Ok(());
    }
    match commands::next_step(view, |id| node.reachable(id)) {
        None => Ok(()),
        Some(Next::Voters(ShardId::META, voters)) => members::move_meta(node, meta, view, &voters).await,
        Some(Next::Voters(shard, voters)) => move_shard(node, view, shard, voters).await,
        Some(Next::Retire(id)) => {
            put(node, MetaAction::RetireNode(id)).await?;
            tracing::info!(node = id, "a node is decommissioned; it may be switched off");
            Ok(())
        }
    }
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
        let heir = place.voters.iter().find(|id| **id != leader && voters.contains(id) && node.reachable(**id));
        if let Some(heir) = heir {
            adjust(node, view, shard, Change::Leader(*heir)).await?;
        }
    }
    adjust(node, view, shard, Change::Voters(wire::VoterChange { nodes: wanted })).await?;
    put(node, MetaAction::SetPlacement { shard, voters, epoch: place.epoch + 1 }).await
}

/// An operator moves one replica.
pub(crate) async fn move_replica(
    node: &Arc<Node>,
    view: &MetaView,
    shard: ShardId,
    from: u64,
    to: u64,
) -> Result<(), String> {
    let place = view.place(shard).ok_or("there is no such shard")?;
    if !place.voters.contains(&from) || place.voters.contains(&to) {
        return Err("the replica is not on the first node, or there is one on the second already".to_owned());
    }
    let voters: Vec<NodeId> = place.voters.iter().map(|id| if *id == from { to } else { *id }).collect();
    match node.host.meta() {
        Some(meta) if shard == ShardId::META => members::move_meta(node, &meta, view, &voters).await,
        _ => move_shard(node, view, shard, voters).await,
    }
}

/// An operator hands a leadership over.
pub(crate) async fn transfer_leader(node: &Arc<Node>, view: &MetaView, shard: ShardId, to: u64) -> Result<(), String> {
    adjust(node, view, shard, Change::Leader(to)).await
}

fn infos(view: &MetaView, ids: &[u64]) -> Result<Vec<wire::NodeInfo>, String> {
    let find = |id: &u64| view.nodes.get(id).map(|row| info_of(row).into()).ok_or(format!("node {id} is not known"));
    ids.iter().map(find).collect()
}

/// Asks the shard's leader for a change, wherever it is.
async fn adjust(node: &Arc<Node>, view: &MetaView, shard: ShardId, change: Change) -> Result<(), String> {
    let until = Instant::now() + SEARCH;
    let mut hint = node.directory.leader(shard).map(|(_, leader)| leader);
    let voters = match view.place(shard) {
        Some(place) => place.voters.clone(),
        None => node
            .host
            .replica(shard)
            .map(|replica| replica.status().voters)
            .unwrap_or_default()
            .iter()
            .map(|v| v.id)
            .collect(),
    };
    loop {
        let mut why = String::new();
        for target in hint.take().into_iter().chain(voters.iter().copied()) {
            match adjust_at(node, target, shard, change.clone()).await {
                Ok(None) => return Ok(()),
                Ok(Some(0)) => {}
                Ok(Some(leader)) => {
                    hint = Some(leader);
                    break;
                }
                Err(error) => why = error,
            }
        }
        if Instant::now() > until {
            return Err(format!("shard {shard} has no leader that does it: {why}"));
        }
        tokio::time::sleep(ROUND).await;
    }
}

/// `Some(leader)`: it is not done, and that node may do it; 0 if nobody is known.
async fn adjust_at(node: &Arc<Node>, target: u64, shard: ShardId, change: Change) -> Result<Option<u64>, String> {
    if target == node.local.id {
        let done = tokio::time::timeout(STEP, crate::rpc::adjust(node, shard, change)).await;
        return done.map_err(|_| "no answer in time".to_owned())?.map_err(|status| status.message().to_owned());
    }
    let info = node.lookup(target).ok_or_else(|| format!("node {target} is not known"))?;
    let request =
        wire::AdjustShardRequest { shard: bytes(shard), cluster: node.binding.to_wire(), change: Some(change) };
    let mut client = node.calls.client(&info.address).map_err(|error| error.to_string())?;
    let answer = tokio::time::timeout(STEP, client.adjust_shard(request)).await;
    let answer = answer.map_err(|_| format!("{info} did not answer in time"))?;
    let answer = answer.map_err(|status| format!("{info}: {}", status.message()))?.into_inner();
    Ok(if answer.done { None } else { Some(answer.leader) })
}

/// Changes meta's state.
pub(super) async fn put(node: &Arc<Node>, action: MetaAction) -> Result<(), String> {
    match propose(node, commands::by_system(node, action)).await {
        Ok(MetaOutcome::Refused(refusal)) => Err(refusal.to_string()),
        Ok(_) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}
