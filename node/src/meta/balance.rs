//! Gives leaderships to the nodes that placement prefers, gently: this node hands over what it has too much of, one at a
//! time, when nothing has changed for a while.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use hansard_domain::{NodeId, ShardId, placement::next_handover};

use crate::state::Node;

/// Between two looks.
const ROUND: Duration = Duration::from_millis(1_000);

/// So many rounds without any change of leaders make a cluster stable.
const STABLE: u32 = 5;

/// Runs until it is aborted.
pub(super) async fn balance(node: Arc<Node>) {
    let mut before = BTreeMap::new();
    let mut stable = 0;
    loop {
        tokio::time::sleep(ROUND).await;
        let Some(view) = node.view().filter(|view| view.cluster.is_some()) else { continue };
        let leader = |shard: ShardId| Some((shard, node.directory.leader(shard)?.1));
        let leaders: BTreeMap<ShardId, NodeId> = view.places().filter_map(|place| leader(place.shard)).collect();
        stable = if leaders == before { stable + 1 } else { 0 };
        before = leaders;
        if stable < STABLE || node.is_draining() {
            continue;
        }
        // Every node comes to the same answer; the one that leads the shard acts.
        let Some((shard, heir)) = next_handover(&view, &before, |id| node.reachable(id)) else { continue };
        if before.get(&shard) != Some(&node.local.id) {
            continue;
        }
        let Some(replica) = node.host.replica(shard) else { continue };
        match replica.transfer_leader(heir).await {
            Ok(()) => tracing::info!(%shard, heir, "handed a leadership over for balance"),
            Err(error) => tracing::debug!(%shard, heir, %error, "a leadership was not handed over"),
        }
        stable = 0;
    }
}
