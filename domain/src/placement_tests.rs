use super::*;
use crate::meta::Node;

fn info(id: NodeId, site: &str) -> NodeInfo {
    NodeInfo { id, name: format!("node{id}"), site: site.to_owned(), address: format!("host{id}:1") }
}

fn view(nodes: &[(NodeId, &str, NodeState)], shards: usize) -> MetaView {
    let active = nodes.iter().filter(|(.., state)| *state != NodeState::Standby);
    let infos: Vec<_> = active.map(|(id, site, _)| info(*id, site)).collect();
    let mut places = initial(&infos, shards + 1).into_iter().zip(0u8..);
    let mut place = || {
        let (voters, at) = places.next().expect("as many as asked for");
        ShardPlace { shard: ShardId::from_bytes([at; 16]), voters, epoch: 1 }
    };
    let meta = Some(place());
    let shards = (0..shards).map(|_| place()).collect();
    let nodes = nodes.iter().map(|(id, site, state)| (*id, Node { info: info(*id, site), state: *state })).collect();
    MetaView { meta, shards, nodes, ..MetaView::default() }
}

fn take(view: &mut MetaView, step: &Step) {
    let edit = |view: &mut MetaView, shard: ShardId, from: Option<NodeId>, to: Option<NodeId>| {
        let place = view.meta.iter_mut().chain(&mut view.shards).find(|p| p.shard == shard).expect("a known shard");
        place.voters.retain(|voter| Some(*voter) != from);
        place.voters.extend(to);
        assert!(!place.voters.is_empty(), "a shard keeps a voter");
    };
    match *step {
        Step::MoveReplica { shard, from, to } => edit(view, shard, Some(from), Some(to)),
        Step::AddReplica { shard, to } => edit(view, shard, None, Some(to)),
        Step::RemoveReplica { shard, from } => edit(view, shard, Some(from), None),
        Step::Retire(node) => {
            assert_eq!(view.voters_on(node), 0);
            view.nodes.get_mut(&node).expect("a known node").state = NodeState::Decommissioned;
        }
    }
}

fn settle(view: &mut MetaView) -> usize {
    for steps in 0..1_000 {
        match next_step(view, |_| true) {
            Some(step) => take(view, &step),
            None => return steps,
        }
    }
    panic!("never settles");
}

fn spread_of(view: &MetaView) -> usize {
    let counts: Vec<_> = active(view).map(|id| view.voters_on(id)).collect();
    counts.iter().max().expect("nodes") - counts.iter().min().expect("nodes")
}

use NodeState::{Active, Decommissioned, Decommissioning, Standby};

#[test]
fn three_sites_get_one_voter_each_and_leaders_are_balanced() {
    let nodes = [info(11, "boston"), info(22, "denver"), info(33, "bangalore")];
    let places = initial(&nodes, 12);
    for id in [11, 22, 33] {
        assert_eq!(places.iter().filter(|voters| voters[0] == id).count(), 4);
        assert!(places.iter().all(|voters| voters.contains(&id)));
    }
}

#[test]
fn voters_are_spread_over_sites_before_nodes() {
    let sites = ["a", "a", "a", "b", "c"];
    let nodes: Vec<_> = (1..).zip(sites).map(|(id, site)| info(id, site)).collect();
    for voters in initial(&nodes, 30) {
        let mut sites: Vec<_> = voters.iter().map(|v| sites[*v as usize - 1]).collect();
        sites.sort_unstable();
        assert_eq!(sites, ["a", "b", "c"]);
    }
    assert_eq!(initial(&nodes[..1], 2), [[1], [1]]);
}

#[test]
fn a_fresh_cluster_needs_nothing() {
    let mut view = view(&[(1, "a", Active), (2, "b", Active), (3, "c", Active)], 12);
    assert_eq!(settle(&mut view), 0);
}

#[test]
fn a_standby_gets_nothing_until_it_is_activated_then_its_share() {
    let mut view = view(&[(1, "a", Active), (2, "b", Active), (3, "c", Active), (4, "a", Standby)], 12);
    assert_eq!(settle(&mut view), 0);
    view.nodes.get_mut(&4).expect("node 4").state = Active;
    settle(&mut view);
    assert!(view.voters_on(4) > 0);
    for place in view.places() {
        assert!(place.voters.iter().all(|v| sharing(&view, place, *v) == 0), "{place:?}");
    }
}

#[test]
fn equal_sites_are_evened_out_within_one() {
    let mut view =
        view(&[(1, "a", Active), (2, "a", Active), (3, "a", Active), (4, "a", Standby), (5, "a", Standby)], 12);
    for id in [4, 5] {
        view.nodes.get_mut(&id).expect("known").state = Active;
        settle(&mut view);
        assert!(spread_of(&view) <= 1);
    }
}

#[test]
fn a_node_that_goes_is_emptied_and_retired() {
    let mut view = view(&[(1, "a", Active), (2, "b", Active), (3, "c", Decommissioning), (4, "c", Active)], 12);
    settle(&mut view);
    assert_eq!(view.nodes[&3].state, Decommissioned);
    assert!(view.places().all(|place| place.voters.len() == 3));
}

#[test]
fn a_node_that_goes_without_a_successor_is_emptied_too() {
    let mut view = view(&[(1, "a", Active), (2, "b", Active), (3, "c", Decommissioning)], 12);
    settle(&mut view);
    assert_eq!(view.nodes[&3].state, Decommissioned);
    assert!(view.places().all(|place| place.voters.len() == 2));
}

#[test]
fn a_node_that_goes_waits_for_a_successor_that_is_out_of_reach() {
    let mut view = view(&[(1, "a", Active), (2, "b", Active), (3, "c", Decommissioning), (4, "c", Active)], 2);
    for place in view.meta.iter_mut().chain(&mut view.shards) {
        place.voters = vec![1, 2, 3];
    }
    assert_eq!(next_step(&view, |id| id != 4), None);
    let back = next_step(&view, |_| true);
    assert!(matches!(back, Some(Step::MoveReplica { from: 3, to: 4, .. })), "{back:?}");
}

#[test]
fn no_node_goes_whom_the_others_need_to_decide() {
    let mut view = view(&[(1, "a", Active), (2, "b", Decommissioning), (3, "c", Decommissioning)], 2);
    for place in view.meta.iter_mut().chain(&mut view.shards) {
        place.voters = vec![1, 2, 3];
    }
    let lost = |id| id != 3;
    for _ in 0..3 {
        let step = next_step(&view, lost).expect("the lost one goes first");
        assert!(matches!(step, Step::RemoveReplica { from: 3, .. }), "{step:?}");
        take(&mut view, &step);
    }
    assert_eq!(next_step(&view, lost), Some(Step::Retire(3)));
    for place in view.meta.iter_mut().chain(&mut view.shards) {
        place.voters = vec![1, 2, 3];
    }
    view.nodes.get_mut(&3).expect("known").state = Active;
    assert_eq!(next_step(&view, lost), None, "1 and 3 could decide nothing while 3 is out of reach");
}

#[test]
fn leaders_are_handed_over_until_they_are_balanced() {
    let view = view(&[(1, "a", Active), (2, "b", Active), (3, "c", Active)], 11);
    let mut leaders: BTreeMap<_, _> = view.places().map(|place| (place.shard, 1)).collect();
    assert_eq!(next_handover(&view, &leaders, |id| id == 1), None);
    for _ in 0..8 {
        let (shard, to) = next_handover(&view, &leaders, |_| true).expect("not balanced yet");
        leaders.insert(shard, to);
    }
    assert_eq!(next_handover(&view, &leaders, |_| true), None);
    assert!([1, 2, 3].iter().all(|id| leaders.values().filter(|l| *l == id).count() == 4));
}
