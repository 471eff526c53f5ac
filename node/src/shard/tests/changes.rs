use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::cluster::{ANN, ROOM};
use super::cluster::{Cluster, SHARD, create, say, seq, tuning};
use crate::raft::Tuning;
use crate::raft::test_store::Kind;
use crate::shard::MembershipError;

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
    shard.change_membership(cluster.infos(&wanted), || None).await.expect("the membership changes");
    shard.change_membership(cluster.infos(&wanted), || None).await.expect("repeating it does nothing");
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
async fn a_change_that_is_outdated_when_the_new_replica_has_caught_up_is_not_carried_out() {
    let mut cluster = Cluster::idle(4, Kind::Simulated, tuning()).await;
    for node in &cluster.nodes {
        node.host().start(SHARD).await.expect("starts");
    }
    cluster.nodes[0].shard().initialize(cluster.infos(&[0, 1, 2])).await.expect("founded");
    assert_eq!(seq(cluster.submit(&create(ROOM, ANN, 1)).await), 1);
    let leader = cluster.leader().await;
    let leaver = (0..3).find(|&index| index != leader).expect("a follower");
    let wanted: Vec<usize> = (0..4).filter(|&index| index != leaver).collect();
    let shard = cluster.nodes[leader].shard();
    let asked = AtomicUsize::new(0);
    let overtaken = || (asked.fetch_add(1, Ordering::SeqCst) > 0).then_some(MembershipError::Outdated);
    let refused = shard.change_membership(cluster.infos(&wanted), overtaken).await;
    assert_eq!(refused.map_err(|error| error.to_string()), Err(MembershipError::Outdated.to_string()));
    let ids = |indexes: &[usize]| BTreeSet::from_iter(cluster.infos(indexes).iter().map(|info| info.id));
    let voters = || BTreeSet::from_iter(shard.status().voters.iter().map(|node| node.id));
    assert_eq!(voters(), ids(&[0, 1, 2]));
    // What it has left over is a member that another change removes.
    assert_eq!(shard.committed_members().await.expect("a leader"), ids(&[0, 1, 2, 3]));
    shard.change_membership(cluster.infos(&[0, 1, 2]), || None).await.expect("what is wanted now");
    assert_eq!(shard.committed_members().await.expect("a leader"), ids(&[0, 1, 2]));
    drop(shard);
    cluster.kill(3).await;
    assert_eq!(seq(cluster.submit(&say(5, "without it")).await), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_replica_that_is_lost_is_waited_for_until_somebody_objects() {
    let mut cluster = Cluster::idle(4, Kind::Simulated, tuning()).await;
    for index in 0..3 {
        cluster.nodes[index].host().start(SHARD).await.expect("starts");
    }
    cluster.nodes[0].shard().initialize(cluster.infos(&[0, 1, 2])).await.expect("founded");
    assert_eq!(seq(cluster.submit(&create(ROOM, ANN, 1)).await), 1);
    cluster.kill(3).await;
    let (shard, asked) = (cluster.nodes[cluster.leader().await].shard(), AtomicUsize::new(0));
    let lost = || MembershipError::Silent { node: cluster.nodes[3].info.id, after: Duration::ZERO };
    let objection = || (asked.fetch_add(1, Ordering::SeqCst) > 2).then(lost);
    let change = shard.change_membership(cluster.infos(&[0, 1, 2, 3]), objection).await;
    assert_eq!(change.map_err(|error| error.to_string()), Err(lost().to_string()));
    shard.change_membership(cluster.infos(&[0, 1, 2]), || None).await.expect("all is as it was");
    assert_eq!(seq(cluster.submit(&say(5, "without it")).await), 2);
}

/// Two voters that are to be three, and a change that stopped when the three were joined to the two.
async fn half_way() -> Cluster {
    let cluster = Cluster::idle(3, Kind::Simulated, tuning()).await;
    for node in &cluster.nodes {
        node.host().start(SHARD).await.expect("starts");
    }
    cluster.nodes[0].shard().initialize(cluster.infos(&[0, 1])).await.expect("founded");
    assert_eq!(seq(cluster.submit(&create(ROOM, ANN, 1)).await), 1);
    let shard = cluster.nodes[cluster.leader().await].shard();
    let metrics = shard.inner.group.wait(None);
    let joint = metrics.metrics(|now| now.membership_config.membership().get_joint_config().len() > 1, "joint");
    tokio::select! {
        biased;
        joint = joint => { joint.expect("the first step"); }
        whole = shard.change_membership(cluster.infos(&[0, 1, 2]), || None) => panic!("it has not stopped: {whole:?}"),
    }
    shard.membership_committed().await.expect("the first step is committed");
    assert!(shard.is_joint());
    assert_eq!(shard.status().voters.len(), 3, "between them");
    cluster
}

/// Any one of three may be missed.
async fn is_whole(mut cluster: Cluster) {
    let leader = cluster.leader().await;
    assert!(!cluster.nodes[leader].shard().is_joint());
    cluster.kill((0..2).find(|&index| index != leader).expect("one of the former two")).await;
    assert_eq!(seq(cluster.submit(&say(5, "without it")).await), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_stopped_half_way_is_finished_when_it_is_repeated() {
    let cluster = half_way().await;
    let shard = cluster.nodes[cluster.leader().await].shard();
    shard.change_membership(cluster.infos(&[0, 1, 2]), || None).await.expect("the second step");
    drop(shard);
    is_whole(cluster).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_metas_voters_that_stopped_half_way_is_finished() {
    let cluster = half_way().await;
    let shard = cluster.nodes[cluster.leader().await].shard();
    shard.finish_change().await.expect("the second step");
    shard.finish_change().await.expect("nothing to do");
    drop(shard);
    is_whole(cluster).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_membership_that_no_quorum_has_counts_for_nothing() {
    let cluster = Cluster::idle(4, Kind::Simulated, Tuning { propose_timeout: Duration::from_millis(300), ..tuning() });
    let cluster = cluster.await;
    for node in &cluster.nodes {
        node.host().start(SHARD).await.expect("starts");
    }
    cluster.nodes[0].shard().initialize(cluster.infos(&[0, 1, 2, 3])).await.expect("founded");
    assert_eq!(seq(cluster.submit(&create(ROOM, ANN, 1)).await), 1);
    let leader = cluster.leader().await;
    let shard = cluster.nodes[leader].shard();
    shard.membership_committed().await.expect("the first one is");
    cluster.net.cut(&cluster.nodes[leader].info.address);
    let fewer: Vec<usize> = (0..4).filter(|&index| index != (leader + 1) % 4).collect();
    let change = shard.change_membership(cluster.infos(&fewer), || None).await;
    assert!(matches!(change, Err(MembershipError::Late { .. })), "{change:?}");
    let waited = shard.membership_committed().await;
    assert!(matches!(waited, Err(MembershipError::Late { .. })), "it is appended here only: {waited:?}");
    cluster.net.heal(&cluster.nodes[leader].info.address);
    assert_eq!(cluster.settled().await.voters.len(), 4, "the others did without it");
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
