//! Where replicas and leaders should be: pure arithmetic over the cluster's view.

use std::collections::BTreeMap;

use crate::ids::{NodeId, ShardId};
use crate::meta::{MetaView, NodeInfo, NodeState, ShardPlace};

/// Voters of a shard, where there are as many nodes: survives the loss of any one.
pub const REPLICAS: usize = 3;

/// The next thing to do for balance; one at a time, each from a fresh view.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// The shard should vote on `to` instead of `from`.
    MoveReplica {
        /// The shard.
        shard: ShardId,
        /// The voter to retire.
        from: NodeId,
        /// The node to take its place.
        to: NodeId,
    },
    /// The shard has too few voters, and should vote on `to` as well.
    AddReplica {
        /// The shard.
        shard: ShardId,
        /// The new voter.
        to: NodeId,
    },
    /// The shard should vote on `from` no more, and there is no node to take its place.
    RemoveReplica {
        /// The shard.
        shard: ShardId,
        /// The voter to retire.
        from: NodeId,
    },
    /// The node has no replicas left: it can be retired.
    Retire(NodeId),
}

/// The first placement of `shards` shards: for each its voters, the preferred leader first. Voters are spread over sites
/// before nodes; leaders and replicas are balanced within 1. Panics without nodes.
pub fn initial(nodes: &[NodeInfo], shards: usize) -> Vec<Vec<NodeId>> {
    assert!(!nodes.is_empty(), "a cluster has nodes");
    let mut nodes: Vec<&NodeInfo> = nodes.iter().collect();
    nodes.sort_by_key(|node| node.id);
    let mut replicas: BTreeMap<NodeId, usize> = BTreeMap::new();
    let mut leaders: BTreeMap<NodeId, usize> = BTreeMap::new();
    let mut places = Vec::with_capacity(shards);
    for _ in 0..shards {
        let mut chosen: Vec<&NodeInfo> = Vec::new();
        while chosen.len() < REPLICAS.min(nodes.len()) {
            let free = nodes.iter().filter(|node| !chosen.iter().any(|c| c.id == node.id));
            let next = free.min_by_key(|node| {
                let same_site = chosen.iter().filter(|c| c.site == node.site).count();
                (same_site, count(&replicas, node.id), node.id)
            });
            chosen.push(next.expect("there are more nodes than chosen ones"));
        }
        let lead =
            chosen.iter().map(|c| c.id).min_by_key(|id| (count(&leaders, *id), *id)).expect("at least one voter");
        *leaders.entry(lead).or_default() += 1;
        chosen.iter().for_each(|c| *replicas.entry(c.id).or_default() += 1);
        let mut voters: Vec<NodeId> = chosen.iter().map(|c| c.id).collect();
        voters.sort_by_key(|id| (*id != lead, *id));
        places.push(voters);
    }
    places
}

/// What should be done next, if anything: first empty the nodes that go, then fill up shards, then spread over sites, then
/// even out. `sites` of the same shard are kept apart where there are enough. Nodes that are not `reachable` get nothing.
pub fn next_step(view: &MetaView, reachable: impl Fn(NodeId) -> bool) -> Option<Step> {
    let up = &reachable;
    leave(view, up).or_else(|| fill(view, up)).or_else(|| spread(view, up)).or_else(|| even(view, up))
}

/// Whether a node can be reached.
type Up<'a> = &'a dyn Fn(NodeId) -> bool;

/// Empties a decommissioning node, a lost one first. While a node that could take its place is out of reach, the shard keeps its
/// voter: with one fewer, the loss of any other would stop it. So it does while too few of the others answer: they could decide
/// nothing, and the change would never end.
fn leave(view: &MetaView, up: Up) -> Option<Step> {
    let leaving = view.nodes.values().filter(|node| node.state == NodeState::Decommissioning);
    let mut leaving: Vec<NodeId> = leaving.map(|node| node.info.id).collect();
    leaving.sort_by_key(|id| up(*id));
    for from in leaving {
        let Some(place) = view.places().find(|place| place.voters.contains(&from)) else {
            return Some(Step::Retire(from));
        };
        let shard = place.shard;
        let others = || active(view).any(|id| !place.voters.contains(&id));
        let answering = place.voters.iter().filter(|id| **id != from && up(**id)).count();
        return Some(match best_target(view, up, place, Some(from)) {
            Some(to) => Step::MoveReplica { shard, from, to },
            None if !others() && answering > (place.voters.len() - 1) / 2 => Step::RemoveReplica { shard, from },
            None => continue,
        });
    }
    None
}

/// Adds voters where there are too few.
fn fill(view: &MetaView, up: Up) -> Option<Step> {
    let short = view.places().filter(|place| place.voters.len() < REPLICAS);
    short.into_iter().find_map(|place| {
        let to = best_target(view, up, place, None)?;
        Some(Step::AddReplica { shard: place.shard, to })
    })
}

/// Moves one of two voters that share a site to a site without one.
fn spread(view: &MetaView, up: Up) -> Option<Step> {
    view.places().find_map(|place| {
        let from = *place.voters.iter().rev().find(|voter| sharing(view, place, **voter) > 0)?;
        let to = best_target(view, up, place, Some(from))?;
        let better = crowd(view, place, to, from) < sharing(view, place, from);
        better.then_some(Step::MoveReplica { shard: place.shard, from, to })
    })
}

/// Moves a replica from the fullest node to one with at least two fewer, if that does not crowd a site.
fn even(view: &MetaView, up: Up) -> Option<Step> {
    let mut pairs: Vec<(usize, NodeId, NodeId)> = Vec::new();
    let there = || active(view).filter(|id| up(*id));
    for from in there() {
        for to in there() {
            let (high, low) = (view.voters_on(from), view.voters_on(to));
            if high > low + 1 {
                pairs.push((high - low, from, to));
            }
        }
    }
    pairs.sort_by_key(|(difference, from, to)| (usize::MAX - difference, *from, *to));
    pairs.into_iter().find_map(|(_, from, to)| {
        let movable = |place: &&ShardPlace| {
            let fits = place.voters.contains(&from) && !place.voters.contains(&to);
            fits && crowd(view, place, to, from) <= sharing(view, place, from)
        };
        // Room shards first: the meta group is the last to be disturbed.
        let place = view.shards.iter().chain(&view.meta).find(movable)?;
        Some(Step::MoveReplica { shard: place.shard, from, to })
    })
}

/// The best node for another voter of a shard: the least crowded site, then the fewest replicas.
fn best_target(view: &MetaView, up: Up, place: &ShardPlace, instead_of: Option<NodeId>) -> Option<NodeId> {
    let free = active(view).filter(|id| up(*id) && !place.voters.contains(id));
    free.min_by_key(|id| (crowd(view, place, *id, instead_of.unwrap_or_default()), view.voters_on(*id), *id))
}

/// How many other voters of the shard share a voter's site.
fn sharing(view: &MetaView, place: &ShardPlace, voter: NodeId) -> usize {
    crowd(view, place, voter, voter)
}

/// How many voters of the shard are at a node's site, if `without` is not counted.
fn crowd(view: &MetaView, place: &ShardPlace, node: NodeId, without: NodeId) -> usize {
    let site = |id: NodeId| view.nodes.get(&id).map(|node| node.info.site.as_str());
    place.voters.iter().filter(|voter| **voter != without && site(**voter) == site(node)).count()
}

/// Which leader should hand over to whom: from a node that leads at least two more than another voter of the shard, or that
/// is going away. `leaders` are those known now; only `reachable` nodes get anything.
pub fn next_handover(
    view: &MetaView,
    leaders: &BTreeMap<ShardId, NodeId>,
    reachable: impl Fn(NodeId) -> bool,
) -> Option<(ShardId, NodeId)> {
    let mut led: BTreeMap<NodeId, usize> = BTreeMap::new();
    leaders.values().for_each(|leader| *led.entry(*leader).or_default() += 1);
    let is_active = |id: NodeId| view.nodes.get(&id).is_some_and(|node| node.state == NodeState::Active);
    let mut best: Option<(usize, ShardId, NodeId)> = None;
    for place in view.places() {
        let Some(leader) = leaders.get(&place.shard) else {
            continue;
        };
        let others = place.voters.iter().copied().filter(|id| id != leader && is_active(*id) && reachable(*id));
        let Some(to) = others.min_by_key(|id| (count(&led, *id), *id)) else {
            continue;
        };
        let gain = match is_active(*leader) {
            true => count(&led, *leader).saturating_sub(count(&led, to)),
            false => usize::MAX,
        };
        if gain >= 2 && best.is_none_or(|(most, ..)| gain > most) {
            best = Some((gain, place.shard, to));
        }
    }
    best.map(|(_, shard, to)| (shard, to))
}

fn active(view: &MetaView) -> impl Iterator<Item = NodeId> {
    view.nodes.values().filter(|node| node.state == NodeState::Active).map(|node| node.info.id)
}

fn count(counts: &BTreeMap<NodeId, usize>, node: NodeId) -> usize {
    counts.get(&node).copied().unwrap_or(0)
}

#[cfg(test)]
#[path = "placement_tests.rs"]
mod tests;
