//! Who votes in meta's own group: few nodes, spread over sites. All others learn.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use hansard_domain::{
    ShardId,
    meta::{MetaAction, MetaView},
};
use hansard_proto::{cluster::v1 as wire, convert::bytes};

use super::{commands, info_of};
use crate::{
    raft::NodeInfo,
    shard::{MembershipError, MetaShard},
    state::Node,
};

/// A node as the choice sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) id: u64,
    pub(super) site: String,
}

/// How many voters a cluster of so many nodes should have; one with fewer nodes has all of them.
fn seats(nodes: usize) -> usize {
    match nodes {
        0..5 => 3,
        _ => 5,
    }
}

/// The next voters, one seat changed at most; `None` if all is well, or must wait. `active`: who may have a seat. `leader` keeps
/// its own. `answers`: who is within reach, and has the log if it is no voter yet. Whoever goes leaves a majority that does: else
/// the change would never end, nor could it be taken back, and meta would have no leader any more.
pub(super) fn next_voters(
    active: &[Candidate],
    voters: &BTreeSet<u64>,
    leader: u64,
    answers: impl Fn(u64) -> bool,
) -> Option<BTreeSet<u64>> {
    let nodes: BTreeMap<u64, &Candidate> = active.iter().map(|node| (node.id, node)).collect();
    let mut seated: BTreeMap<&str, usize> = BTreeMap::new();
    for voter in voters.iter().filter_map(|id| nodes.get(id)) {
        *seated.entry(&voter.site).or_default() += 1;
    }
    let at = |site: &str| seated.get(site).copied().unwrap_or(0);
    let seats = seats(active.len());
    let best = active
        .iter()
        .filter(|node| answers(node.id) && !voters.contains(&node.id))
        .min_by_key(|node| (at(&node.site), node.id));
    let with = |add: u64| voters.iter().copied().chain([add]).collect();
    let without = |gone: u64| -> BTreeSet<u64> { voters.iter().copied().filter(|id| *id != gone).collect() };
    if let Some(best) = best.filter(|_| voters.len() < seats || voters.iter().any(|id| !nodes.contains_key(id)))
        && voters.len() <= seats
    {
        return Some(with(best.id));
    }
    let others = || voters.iter().copied().filter(|id| *id != leader);
    if let Some(gone) = others().filter(|id| !nodes.contains_key(id)).min_by_key(|id| answers(*id)) {
        // It waits for a successor that is out of reach: with two voters the next disk that is lost would be one too many.
        let spare = active.iter().any(|node| !voters.contains(&node.id));
        let left = Some(without(gone)).filter(|_| voters.len() > seats || !spare);
        return left.filter(|left| decides(left, answers));
    }
    let crowd = |id: u64| nodes.get(&id).map_or(0, |node| at(&node.site));
    if voters.len() > seats {
        let gone = others().min_by_key(|id| (answers(*id), Reverse((crowd(*id), *id))));
        return gone.map(without).filter(|left| decides(left, answers));
    }
    let most = others().map(crowd).max().unwrap_or(0);
    best.filter(|best| most > at(&best.site) + 1).map(|best| with(best.id))
}

/// Whether a majority of these voters answers.
fn decides(voters: &BTreeSet<u64>, answers: impl Fn(u64) -> bool) -> bool {
    voters.iter().filter(|id| answers(**id)).count() > voters.len() / 2
}

/// Whether a node is within reach, and has the log if it is no voter yet: until a new voter had caught up, meta might have to wait
/// for it.
fn answers(node: &Node, meta: &MetaShard, voters: &BTreeSet<u64>, id: u64) -> bool {
    node.reachable(id) && (voters.contains(&id) || meta.keeps_up(id))
}

/// Takes one step towards the right membership. True: something was done.
pub(super) async fn step(node: &Arc<Node>, meta: &MetaShard, view: &MetaView) -> Result<bool, String> {
    if meta.is_joint() {
        meta.finish_change().await.map_err(|error| error.to_string())?;
        return Ok(true);
    }
    let status = meta.status();
    let voters: BTreeSet<u64> = status.voters.iter().map(|voter| voter.id).collect();
    let learners: BTreeSet<u64> = status.learners.iter().map(|learner| learner.id).collect();
    for (&id, row) in view.nodes.iter().filter(|(_, row)| commands::is_present(row)) {
        if !voters.contains(&id) && !learners.contains(&id) && node.reachable(id) {
            let info = info_of(row);
            let request = wire::HostShardRequest { shard: bytes(ShardId::META), cluster: node.binding.to_wire() };
            node.calls.host_shard(&info, request).await?;
            meta.add_observer(info).await.map_err(|error| error.to_string())?;
            return Ok(true);
        }
    }
    for id in &learners {
        if !view.nodes.get(id).is_some_and(commands::is_present) {
            meta.remove_observer(*id).await.map_err(|error| error.to_string())?;
            return Ok(true);
        }
    }
    let answers = |id| answers(node, meta, &voters, id);
    let active: Vec<Candidate> =
        commands::active(view).map(|row| Candidate { id: row.info.id, site: row.info.site.clone() }).collect();
    if !active.iter().any(|candidate| candidate.id == node.local.id)
        && let Some(heir) =
            active.iter().find(|candidate| answers(candidate.id) && meta.may_hand_over(candidate.id).is_ok())
    {
        meta.transfer_leader(heir.id).await.map_err(|error| error.to_string())?;
        return Ok(true);
    }
    let Some(next) = next_voters(&active, &voters, node.local.id, answers) else {
        return tell(node, view, &voters).await;
    };
    tracing::info!(from = ?voters, to = ?next, "changing the voters of meta");
    meta.set_voters(next).await.map_err(|error| error.to_string())?;
    Ok(true)
}

/// Says in meta's own state who its voters are.
async fn tell(node: &Arc<Node>, view: &MetaView, voters: &BTreeSet<u64>) -> Result<bool, String> {
    let Some(place) = &view.meta else { return Ok(false) };
    if place.voters.iter().copied().collect::<BTreeSet<_>>() == *voters {
        return Ok(false);
    }
    let (voters, epoch) = (voters.iter().copied().collect(), place.epoch + 1);
    super::controller::put(node, MetaAction::SetPlacement { shard: ShardId::META, voters, epoch }).await?;
    Ok(true)
}

/// Gives meta these voters, all of which are members already. False: it handed the leadership over first, to one of them, so it is
/// for the heir to go on.
pub(super) async fn move_meta(
    node: &Arc<Node>,
    meta: &MetaShard,
    view: &MetaView,
    voters: &[u64],
) -> Result<bool, String> {
    if !voters.contains(&node.local.id) {
        let status = meta.status();
        let takes_over = |voter: &&NodeInfo| {
            voters.contains(&voter.id) && node.reachable(voter.id) && meta.may_hand_over(voter.id).is_ok()
        };
        let heir =
            status.voters.iter().find(takes_over).ok_or("no voter that stays is within reach and has the log")?;
        return meta.transfer_leader(heir.id).await.map(|()| false).map_err(|error| error.to_string());
    }
    let voters: BTreeSet<u64> = voters.iter().copied().collect();
    let now: BTreeSet<u64> = meta.status().voters.iter().map(|voter| voter.id).collect();
    let answers = |id| answers(node, meta, &now, id);
    if let Some(behind) = voters.difference(&now).find(|id| !answers(**id)) {
        return Err(MembershipError::Behind { node: *behind }.to_string());
    }
    if !decides(&voters, answers) {
        return Err("too few of the voters that stay are within reach: meta would have no majority".to_owned());
    }
    meta.set_voters(voters.clone()).await.map_err(|error| error.to_string())?;
    tell(node, view, &voters).await.map(|_| true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(sites: &[&str]) -> Vec<Candidate> {
        let candidate = |(at, site): (usize, &&str)| Candidate { id: at as u64 + 1, site: (*site).into() };
        sites.iter().enumerate().map(candidate).collect()
    }

    fn step(lost: &[u64], active: &[Candidate], voters: &[u64], leader: u64) -> Vec<u64> {
        let voters: BTreeSet<u64> = voters.iter().copied().collect();
        let next = next_voters(active, &voters, leader, |id| !lost.contains(&id));
        next.unwrap_or(voters).into_iter().collect()
    }

    fn settle(active: &[Candidate], voters: &[u64], leader: u64) -> Vec<u64> {
        settle_without(&[], active, voters, leader)
    }

    fn settle_without(lost: &[u64], active: &[Candidate], voters: &[u64], leader: u64) -> Vec<u64> {
        let mut voters: BTreeSet<u64> = voters.iter().copied().collect();
        for _ in 0..20 {
            match next_voters(active, &voters, leader, |id| !lost.contains(&id)) {
                Some(next) => {
                    assert!(next.symmetric_difference(&voters).count() == 1, "one seat at a time");
                    voters = next;
                }
                None => return voters.into_iter().collect(),
            }
        }
        panic!("it does not settle");
    }

    #[test]
    fn three_of_four_and_five_of_six() {
        assert_eq!(settle(&nodes(&["a", "b", "c", "a"]), &[1, 2, 3], 1), [1, 2, 3]);
        assert_eq!(settle(&nodes(&["a", "b", "c", "a", "b", "c"]), &[1, 2, 3], 1), [1, 2, 3, 4, 5]);
        assert_eq!(settle(&nodes(&["a", "b", "c"]), &[1], 1), [1, 2, 3]);
    }

    #[test]
    fn spreads_over_sites() {
        assert_eq!(settle(&nodes(&["a", "a", "a", "b", "c"])[..4], &[1, 2, 3], 1), [1, 2, 4]);
    }

    #[test]
    fn replaces_who_may_vote_no_more_and_keeps_the_leader() {
        let mut active = nodes(&["a", "b", "c", "b"]);
        active.remove(1);
        assert_eq!(settle(&active, &[1, 2, 3], 1), [1, 3, 4]);
        active.remove(2);
        assert_eq!(settle(&active, &[1, 2, 3], 3), [1, 3]);
    }

    #[test]
    fn a_voter_that_goes_waits_for_a_successor_that_is_out_of_reach() {
        let mut active = nodes(&["a", "b", "c", "b"]);
        active.remove(1);
        assert_eq!(settle_without(&[4], &active, &[1, 2, 3], 1), [1, 2, 3]);
        assert_eq!(settle_without(&[4], &active, &[1, 2, 3, 4], 1), [1, 3, 4], "one too many needs none");
        assert_eq!(settle(&active, &[1, 2, 3], 1), [1, 3, 4]);
        active.remove(2);
        assert_eq!(settle(&active, &[1, 2, 3], 1), [1, 3], "there is no other node");
    }

    #[test]
    fn unreachable_nodes_get_no_seat() {
        let active = nodes(&["a", "b", "c", "d", "e"]);
        assert_eq!(settle_without(&[5], &active, &[1, 2, 3], 1), [1, 2, 3, 4]);
    }

    #[test]
    fn whoever_is_lost_leaves_before_whoever_answers() {
        let all = nodes(&["a", "b", "c", "d"]);
        let active = [all[0].clone(), all[3].clone()];
        assert_eq!(settle_without(&[3, 4], &active, &[1, 2, 3], 1), [1, 2, 3], "both stay until 4 answers");
        assert_eq!(step(&[3], &active, &[1, 2, 3, 4], 1), [1, 2, 4]);
        assert_eq!(step(&[3], &all[..3], &[1, 2, 3], 1), [1, 2, 3], "a seat is not lost by a moment's absence");
        assert_eq!(step(&[3], &all, &[1, 2, 3, 4], 1), [1, 2, 4]);
        assert_eq!(settle_without(&[3], &active, &[1, 2, 3], 1), [1, 4]);
    }

    #[test]
    fn nobody_leaves_whom_the_others_need_for_a_majority() {
        let all = nodes(&["a", "b", "c", "d", "e"]);
        let active = [all[0].clone(), all[2].clone()];
        assert_eq!(settle_without(&[3], &active, &[1, 2, 3], 1), [1, 2, 3], "1 and 3 could decide nothing");
        assert_eq!(step(&[2, 5], &all[..4], &[1, 2, 3, 4, 5], 1), [1, 2, 3, 4]);
        assert_eq!(step(&[2, 5], &all[..4], &[1, 2, 3, 4], 1), [1, 3, 4], "2 goes, which does not answer");
    }
}
