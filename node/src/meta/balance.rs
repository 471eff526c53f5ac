//! Gives leaderships to the nodes that placement prefers, gently: this node hands over what it has too much of, one at a
//! time, when nothing has changed for a while. If its disk is nearly full, it hands over all that others can take, one in each
//! round: messages to what it leads are refused.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use hansard_domain::{
    NodeId, ShardId,
    meta::{MetaView, NodeState},
    placement::next_handover,
};

use super::leaders;
use crate::state::Node;

/// Between two looks.
const ROUND: Duration = Duration::from_millis(1_000);

/// So many rounds without any change of leaders make a cluster stable.
const STABLE: u32 = 5;

/// Runs until it is aborted.
pub(super) async fn balance(node: Arc<Node>) {
    let me = node.local.id;
    let mut before = BTreeMap::new();
    let (mut stable, mut tries) = (0, 0);
    loop {
        tokio::time::sleep(ROUND).await;
        let full = node.is_full(me);
        let Some(view) = node.view().filter(|view| view.cluster.is_some()) else { continue };
        let now: BTreeMap<ShardId, NodeId> =
            leaders(&node).into_iter().map(|(shard, (_, leader))| (shard, leader)).collect();
        stable = if now == before { stable + 1 } else { 0 };
        before = now;
        if node.is_draining() || !(full || stable >= STABLE) {
            continue;
        }
        let may_lead = |id| node.reachable(id) && !node.is_full(id);
        let next = match full {
            true => way_out(&view, &before, me, tries, may_lead),
            // Every node comes to the same answer; the one that leads the shard acts.
            false => next_handover(&view, &before, may_lead).filter(|(shard, _)| before.get(shard) == Some(&me)),
        };
        let Some((shard, heir)) = next else { continue };
        match node.host.transfer_leader(shard, heir).await {
            Ok(()) => tracing::info!(%shard, heir, full, "handed a leadership over"),
            Err(error) => tracing::debug!(%shard, heir, full, %error, "a leadership was not handed over"),
        }
        (stable, tries) = (0, tries + 1);
    }
}

/// What a node that should lead nothing hands over next, and to whom; another in each try, as one may fail again and again.
fn way_out(
    view: &MetaView,
    leaders: &BTreeMap<ShardId, NodeId>,
    me: NodeId,
    tries: usize,
    may_lead: impl Fn(NodeId) -> bool,
) -> Option<(ShardId, NodeId)> {
    let is_heir = |id: NodeId| {
        let active = view.nodes.get(&id).is_some_and(|node| node.state == NodeState::Active);
        id != me && active && may_lead(id)
    };
    let mut ways = Vec::new();
    for place in view.places().filter(|place| leaders.get(&place.shard) == Some(&me)) {
        ways.extend(place.voters.iter().filter(|voter| is_heir(**voter)).map(|voter| (place.shard, *voter)));
    }
    ways.get(tries % ways.len().max(1)).copied()
}
