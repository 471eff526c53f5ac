//! Who leads each shard. A node hears by itself of the shards that it has replicas of; of the others it is told by those that lead
//! them. Only so do all nodes see the same, and balance what is led without giving it back and forth.

use std::collections::BTreeMap;

use hansard_domain::{NodeId, ShardId};

use crate::state::Node;

/// Shards and who leads them, with the terms.
pub(crate) type Leaders = BTreeMap<ShardId, (u64, NodeId)>;

/// All leaders that are known.
pub(crate) fn leaders(node: &Node) -> Leaders {
    let Some(view) = node.view() else { return Leaders::new() };
    let others = view.nodes.keys().filter(|id| **id != node.local.id && node.reachable(**id));
    let told = others.flat_map(|id| node.known.leads(*id).into_iter().map(|(shard, term)| (shard, term, *id)));
    // A replica that has moved away stays for a while, and hears of nobody who leads.
    let votes = |shard| view.place(shard).is_some_and(|place| place.voters.contains(&node.local.id));
    let mut leaders = all(node.directory.leaders(), told, |shard| votes(shard) && node.host.replica(shard).is_some());
    leaders.retain(|shard, _| view.places().any(|place| place.shard == *shard));
    leaders
}

/// `heard`: what this node's replicas know. `told`: what others say that they lead, and in which term; who says it in the newest is
/// right, and of a shard that has a voter here, `hosted`, that one knows better.
fn all(
    heard: Leaders,
    told: impl Iterator<Item = (ShardId, u64, NodeId)>,
    hosted: impl Fn(ShardId) -> bool,
) -> Leaders {
    let mut newest = heard;
    for (shard, term, leader) in told.filter(|(shard, ..)| !hosted(*shard)) {
        if newest.get(&shard).is_none_or(|(known, _)| term > *known) {
            newest.insert(shard, (term, leader));
        }
    }
    newest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard(number: u8) -> ShardId {
        ShardId::from_bytes([number; 16])
    }

    /// Node 1 has replicas of shards 1 and 2, node 2 of 1 and 3, and shard 4 is elsewhere.
    #[test]
    fn nodes_that_know_different_shards_see_the_same_leaders() {
        let leads = [(shard(1), 5, 1), (shard(2), 5, 1), (shard(3), 5, 2), (shard(4), 5, 3)];
        let seen = |me: NodeId, hosted: [u8; 2]| {
            let here = |shard: ShardId| hosted.contains(&shard.as_bytes()[0]);
            let heard =
                leads.iter().filter(|(shard, ..)| here(*shard)).map(|(shard, term, leader)| (*shard, (*term, *leader)));
            let told = leads.into_iter().filter(|(.., leader)| *leader != me);
            all(heard.collect(), told, here)
        };
        assert_eq!(seen(1, [1, 2]), seen(2, [1, 3]));
        assert_eq!(seen(1, [1, 2]), leads.map(|(shard, term, leader)| (shard, (term, leader))).into());
    }

    #[test]
    fn the_newest_term_counts_and_a_replica_knows_better_than_who_led_it() {
        let told = [(shard(1), 4, 1), (shard(1), 6, 3), (shard(1), 5, 2), (shard(2), 4, 1)];
        let here = |hosted: ShardId| hosted == shard(2);
        assert_eq!(all(BTreeMap::new(), told.into_iter(), here), [(shard(1), (6, 3))].into(), "shard 2 is electing");
        let moved_away = [(shard(1), (4, 1)), (shard(2), (3, 2))];
        let known = [(shard(1), (6, 3)), (shard(2), (3, 2))].into();
        assert_eq!(
            all(moved_away.into(), told.into_iter(), here),
            known,
            "who left shard 1 knows no newer leader of it"
        );
        let heard = [(shard(2), (3, 2))];
        assert_eq!(all(heard.into(), told.into_iter(), here), [(shard(1), (6, 3)), (shard(2), (3, 2))].into());
    }
}
