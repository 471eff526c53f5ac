//! Whether to found a cluster, to join one, or to wait: decided from what the seeds say.

use std::collections::BTreeMap;

use hansard_domain::ClusterId;

use crate::raft::NodeInfo;

/// What one seed said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Greeting {
    /// Who answered.
    pub(crate) node: NodeInfo,
    /// Its cluster, if it was founded.
    pub(crate) cluster: Option<ClusterId>,
    /// How many founders it expects.
    pub(crate) expect: u32,
}

/// What a node that has no state knows.
#[derive(Clone, Debug)]
pub(crate) struct Situation {
    /// This node's id.
    pub(crate) id: u64,
    /// The cluster that its disk belongs to already.
    pub(crate) bound: Option<ClusterId>,
    /// How many founders it expects; 0: it founds nothing.
    pub(crate) expect: u32,
    /// A greeting per seed; `None`: no answer.
    pub(crate) seeds: Vec<Option<Greeting>>,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// This node founds the cluster with these, itself included.
    Found(Vec<NodeInfo>),
    /// There is a cluster; its nodes among the seeds are these.
    Join(ClusterId, Vec<NodeInfo>),
    /// Nothing yet, because of this.
    Wait(String),
}

/// See the module.
pub(crate) fn decide(situation: &Situation) -> Decision {
    let answers: Vec<&Greeting> = situation.seeds.iter().flatten().collect();
    let mut clusters: Vec<ClusterId> = answers.iter().filter_map(|answer| answer.cluster).collect();
    clusters.sort_unstable();
    clusters.dedup();
    match (&clusters[..], situation.bound) {
        ([], _) => found(situation, &answers),
        ([only], None) => join(*only, &answers),
        ([only], Some(bound)) if *only == bound => join(bound, &answers),
        ([other], Some(bound)) => Decision::Wait(format!(
            "this data directory belongs to cluster {bound}, the seeds to {other}: check seeds and data directories"
        )),
        (several, _) => {
            Decision::Wait(format!("the seeds belong to {} different clusters: check the list", several.len()))
        }
    }
}

fn join(cluster: ClusterId, answers: &[&Greeting]) -> Decision {
    let members = answers.iter().filter(|answer| answer.cluster == Some(cluster));
    Decision::Join(cluster, members.map(|answer| answer.node.clone()).collect())
}

fn found(situation: &Situation, answers: &[&Greeting]) -> Decision {
    let wait = |why: String| Decision::Wait(why);
    if situation.expect == 0 {
        return wait("no seed knows a cluster, and this node founds none (bootstrap-expect is 0)".to_owned());
    }
    let silent = situation.seeds.len() - answers.len();
    if silent > 0 {
        return wait(format!("{silent} of {} seeds do not answer yet", situation.seeds.len()));
    }
    if let Some(other) = answers.iter().find(|answer| answer.expect != situation.expect) {
        return wait(format!(
            "{} expects {} founders, this node {}: give all the same bootstrap-expect",
            other.node, other.expect, situation.expect
        ));
    }
    let nodes: BTreeMap<u64, NodeInfo> = answers.iter().map(|answer| (answer.node.id, answer.node.clone())).collect();
    if nodes.len() != situation.expect as usize {
        return wait(format!("the seeds are {} nodes, {} are expected", nodes.len(), situation.expect));
    }
    let founder = nodes.values().next().expect("at least one is expected");
    if founder.id == situation.id {
        return Decision::Found(nodes.into_values().collect());
    }
    wait(format!("{founder} founds the cluster"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(id: u64) -> NodeInfo {
        NodeInfo { id, name: format!("n{id}"), site: "s".into(), address: format!("n{id}:1") }
    }

    fn empty(id: u64) -> Option<Greeting> {
        Some(Greeting { node: node(id), cluster: None, expect: 3 })
    }

    fn of(id: u64, cluster: u8) -> Option<Greeting> {
        Some(Greeting { cluster: Some(ClusterId::from_bytes([cluster; 16])), ..empty(id).unwrap() })
    }

    fn decide_as(id: u64, bound: Option<u8>, seeds: Vec<Option<Greeting>>) -> Decision {
        let bound = bound.map(|byte| ClusterId::from_bytes([byte; 16]));
        decide(&Situation { id, bound, expect: 3, seeds })
    }

    #[test]
    fn the_lowest_id_founds_when_all_are_empty() {
        let seeds = || vec![empty(2), empty(1), empty(3)];
        assert_eq!(decide_as(1, None, seeds()), Decision::Found(vec![node(1), node(2), node(3)]));
        assert!(matches!(decide_as(2, None, seeds()), Decision::Wait(_)));
    }

    #[test]
    fn nobody_founds_while_one_is_silent_expects_otherwise_or_is_twice_in_the_list() {
        assert!(matches!(decide_as(1, None, vec![empty(1), None, empty(3)]), Decision::Wait(_)));
        let other = Some(Greeting { expect: 5, ..empty(3).unwrap() });
        assert!(matches!(decide_as(1, None, vec![empty(1), empty(2), other]), Decision::Wait(_)));
        assert!(matches!(decide_as(1, None, vec![empty(1), empty(2), empty(2)]), Decision::Wait(_)));
    }

    #[test]
    fn one_founded_seed_is_enough_to_join_and_forbids_founding() {
        assert_eq!(
            decide_as(1, None, vec![empty(1), None, of(3, 7)]),
            Decision::Join(ClusterId::from_bytes([7; 16]), vec![node(3)])
        );
    }

    #[test]
    fn a_founder_that_was_interrupted_goes_on() {
        assert!(matches!(decide_as(1, Some(7), vec![empty(1), empty(2), empty(3)]), Decision::Found(_)));
    }

    #[test]
    fn foreign_and_mixed_clusters_are_left_alone() {
        assert!(matches!(decide_as(1, Some(8), vec![empty(1), of(2, 7), of(3, 7)]), Decision::Wait(_)));
        assert!(matches!(decide_as(1, None, vec![empty(1), of(2, 7), of(3, 8)]), Decision::Wait(_)));
    }
}
