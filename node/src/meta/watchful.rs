//! Who is there, and whether this node can do its work.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use hansard_domain::ShardId;

use super::{bootstrap::greet, info_of, proposing::register};
use crate::{raft::NodeInfo, state::Node};

/// Between two greetings of a node, and how long an answer may take: a dead node must not delay the news of others.
const GREETINGS: Duration = Duration::from_millis(700);

/// How often readiness is looked at.
const READINESS: Duration = Duration::from_millis(200);

/// A replica so many entries behind the newest in its log has caught up.
const BEHIND: u64 = 64;

/// Greets all nodes that meta knows, to know which are reachable; says so to meta when this node's address has changed.
/// Runs until it is aborted.
pub(crate) async fn greet_others(node: Arc<Node>) {
    loop {
        tokio::time::sleep(GREETINGS).await;
        let Some(view) = node.view().filter(|view| view.cluster.is_some()) else { continue };
        let others = view.nodes.values().filter(|row| row.info.id != node.local.id).map(info_of);
        join_all(others.map(|other| greet_one(&node, other))).await;
        if let Some(row) = view.nodes.get(&node.local.id) {
            let listed = &row.info;
            let moved = listed.address != node.local.address || listed.site != node.local.site;
            if moved && let Err(error) = register(&node).await {
                tracing::warn!(%error, "meta did not take this node's new address yet");
            }
        }
    }
}

async fn greet_one(node: &Node, other: NodeInfo) {
    if let Ok(Some(greeting)) = tokio::time::timeout(GREETINGS, greet(node, &other.address)).await {
        node.known.heard(greeting.node.id);
    }
}

/// Keeps readiness up to date: part of the cluster, every hosted replica with a leader and caught up. Runs until it is
/// aborted.
pub(crate) async fn watch_readiness(node: Arc<Node>) {
    loop {
        node.health.set_ready(is_ready(&node));
        tokio::time::sleep(READINESS).await;
    }
}

fn is_ready(node: &Node) -> bool {
    let Some(view) = node.view() else { return false };
    if view.cluster.is_none() || node.is_draining() {
        return false;
    }
    let placed = view.shards.iter().filter(|place| place.voters.contains(&node.local.id)).map(|place| place.shard);
    placed.chain([ShardId::META]).all(|shard| {
        node.host
            .replica(shard)
            .is_some_and(|replica| replica.status().leadership.leader.is_some() && !replica.is_behind(BEHIND))
    })
}
