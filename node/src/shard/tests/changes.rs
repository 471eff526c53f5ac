use super::cluster::{ANN, ROOM};
use super::cluster::{Cluster, SHARD, create, say, seq, tuning};
use crate::raft::Tuning;
use crate::raft::test_store::Kind;

/// Snapshots after a few entries, and no log kept below them.
fn eager() -> Tuning {
    Tuning { snapshot_entries: 20, keep_entries: 0, ..tuning() }
}

async fn move_a_replica(kind: Kind) {
    let mut cluster = Cluster::idle(4, kind, eager()).await;
    for index in 0..3 {
        cluster.nodes[index].host().start(SHARD).await.expect("starts");
    }
    cluster.nodes[0].shard().initialize(cluster.infos(&[0, 1, 2])).await.expect("founded");
    cluster.nodes[0].shard().initialize(cluster.infos(&[0, 1, 2])).await.expect("founding again does nothing");
    assert_eq!(seq(cluster.submit(&create(ROOM, ANN, 1)).await), 1);
    for id in 100..400 {
        seq(cluster.submit(&say(id, "a word to fill the log")).await);
    }
    cluster.nodes[3].host().start(SHARD).await.expect("starts empty");
    let leader = cluster.leader().await;
    let leaver = (0..3).find(|&index| index != leader).expect("a follower");
    let wanted: Vec<usize> = (0..4).filter(|&index| index != leaver).collect();
    let shard = cluster.nodes[leader].shard();
    shard.change_membership(cluster.infos(&wanted)).await.expect("the membership changes");
    shard.change_membership(cluster.infos(&wanted)).await.expect("repeating it does nothing");
    cluster.nodes[leaver].host().remove(SHARD).await.expect("the old replica goes");
    assert_eq!(seq(cluster.submit(&say(400, "and on")).await), 302);
    let status = cluster.settled().await;
    assert_eq!(status.record.size, 302);
    let mut voters: Vec<u64> = status.voters.iter().map(|node| node.id).collect();
    voters.sort_unstable();
    assert_eq!(voters, wanted.iter().map(|&index| cluster.nodes[index].info.id).collect::<Vec<_>>());
    assert!(status.learners.is_empty());
    drop(shard);
    // The new one is a full member: with it, one of the others can be missed, also after a power cut.
    let other = (0..3).find(|&index| index != leaver && index != leader).expect("the third");
    cluster.kill(other).await;
    cluster.kill(3).await;
    cluster.revive(3).await;
    assert_eq!(seq(cluster.submit(&say(401, "still here")).await), 303);
    assert_eq!(cluster.settled().await.record.size, 303);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_moves_by_snapshot_on_the_simulated_store() {
    move_a_replica(Kind::Simulated).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_moves_by_snapshot_on_the_real_store() {
    move_a_replica(Kind::Real).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_shuts_down_hands_its_leadership_over() {
    let cluster = Cluster::with_room(Kind::Simulated, tuning()).await;
    let old = cluster.leader().await;
    cluster.settled().await;
    cluster.nodes[old].host().shutdown().await;
    let new = cluster.leader_but(old).await;
    assert_eq!(seq(cluster.nodes[new].shard().submit(say(5, "at once")).await.expect("an outcome")), 2);
}
