//! Whether the data directory is of the cluster that the seeds are of.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use hansard_domain::ClusterId;

use super::{bootstrap::greet, decision::Greeting};
use crate::{error::RunError, state::Node};

/// Between two rounds of greetings, until a seed has answered.
const ROUND: Duration = Duration::from_secs(1);

/// Runs until another seed turns out to be of this node's cluster, or of another: then the node must not go on.
pub(crate) async fn check(node: Arc<Node>) {
    loop {
        if let Some(ours) = node.binding.cluster() {
            let seeds = join_all(node.config.seeds.iter().map(|seed| greet(&node, seed))).await;
            match judge(ours, node.local.id, &seeds) {
                Some(Ok(())) => return,
                Some(Err(error)) => {
                    tracing::error!(%error, "this node must not go on");
                    node.misplaced.send_replace(Some(error));
                    return;
                }
                None => {}
            }
        }
        tokio::time::sleep(ROUND).await;
    }
}

/// What the seeds' answers say; `None`: nothing yet. One seed of our cluster outweighs a wrong one in the list.
fn judge(ours: ClusterId, id: u64, seeds: &[Option<Greeting>]) -> Option<Result<(), RunError>> {
    let others = || seeds.iter().flatten().filter(|seed| seed.node.id != id);
    if others().any(|seed| seed.cluster == Some(ours)) {
        return Some(Ok(()));
    }
    let foreign = others().find_map(|seed| Some((seed, seed.cluster?)));
    foreign.map(|(seed, theirs)| Err(RunError::ForeignCluster { ours, theirs, seed: seed.node.to_string() }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raft::NodeInfo;

    fn seed(id: u64, cluster: Option<u8>) -> Option<Greeting> {
        let node = NodeInfo { id, name: format!("n{id}"), site: "s".into(), address: format!("n{id}:1") };
        Some(Greeting { node, cluster: cluster.map(|byte| ClusterId::from_bytes([byte; 16])), expect: 3 })
    }

    #[test]
    fn another_cluster_is_told_from_silence_and_from_a_wrong_seed() {
        let judge = |seeds: &[Option<Greeting>]| judge(ClusterId::from_bytes([1; 16]), 1, seeds);
        assert!(judge(&[seed(1, Some(1)), None, seed(3, None)]).is_none());
        assert!(judge(&[seed(1, Some(1)), seed(2, Some(1)), seed(3, Some(2))]).unwrap().is_ok());
        let refused = judge(&[seed(1, Some(1)), None, seed(3, Some(2))]).unwrap().unwrap_err().to_string();
        assert!(refused.contains("another cluster"), "{refused}");
    }
}
