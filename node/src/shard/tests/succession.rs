use std::time::{Duration, Instant};

use super::cluster::{Cluster, say, seq};
use crate::raft::Tuning;
use crate::raft::test_store::Kind;

/// Elections that nobody lives to see: whatever happens within a test is not their doing. Silence is long enough for a machine
/// with much else to do.
fn patient() -> Tuning {
    Tuning { silence: Duration::from_secs(1), ..Tuning::from_millis(100, 60_000) }
}

/// Longer than it takes to stand several times, in vain or not.
const SEVERAL_TURNS: Duration = Duration::from_millis(1_500);

async fn who_leads(cluster: &Cluster) -> (usize, u64) {
    let leader = cluster.leader().await;
    (leader, cluster.nodes[leader].shard().leadership().borrow().term)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_whose_process_ends_is_replaced_long_before_its_lease_is_over() {
    let mut cluster = Cluster::with_room(Kind::Simulated, patient()).await;
    let (leader, term) = who_leads(&cluster).await;
    let from = Instant::now();
    cluster.end(leader).await;
    let (heir, next) = who_leads(&cluster).await;
    println!("replaced after {:?}", from.elapsed());
    assert!(heir != leader && next == term + 1, "one election: from {term} to {next}");
    assert_eq!(seq(cluster.submit(&say(1_000, "on we go")).await), 2);
    cluster.revive(leader).await;
    assert_eq!(cluster.settled().await.record.size, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_falls_silent_is_replaced_long_before_its_lease_is_over() {
    let cluster = Cluster::with_room(Kind::Simulated, patient()).await;
    let (leader, term) = who_leads(&cluster).await;
    let from = Instant::now();
    cluster.net.cut(&cluster.nodes[leader].info.address);
    let heir = cluster.leader_but(leader).await;
    println!("replaced after {:?}", from.elapsed());
    assert_eq!(cluster.nodes[heir].shard().leadership().borrow().term, term + 1, "one election");
}

/// One after the other both followers lose the leader, which all the time has a majority. The first one has ended the lease
/// that it granted, and must not help the second.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_a_majority_hears_is_not_deposed() {
    let cluster = Cluster::with_room(Kind::Simulated, patient()).await;
    let (leader, term) = who_leads(&cluster).await;
    let there = &cluster.nodes[leader].info;
    for follower in [(leader + 1) % 3, (leader + 2) % 3] {
        let here = &cluster.nodes[follower];
        cluster.net.part(&there.address, &here.info.address);
        here.holds_lost(there, true).await;
        tokio::time::sleep(SEVERAL_TURNS).await;
        assert_eq!(who_leads(&cluster).await, (leader, term));
        cluster.net.rejoin(&there.address, &here.info.address);
        here.holds_lost(there, false).await;
    }
    assert_eq!(seq(cluster.submit(&say(1_000, "still here")).await), 2);
    assert_eq!(who_leads(&cluster).await, (leader, term));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_break_depose_nobody() {
    let never_silent = Tuning { silence: Duration::from_secs(3_600), ..patient() };
    let cluster = Cluster::with_room(Kind::Simulated, never_silent).await;
    let (leader, term) = who_leads(&cluster).await;
    for n in 0..20 {
        cluster.net.shake(&cluster.nodes[leader].info.address);
        assert_eq!(seq(cluster.submit(&say(1_000 + n, "a word")).await), 2 + n);
    }
    assert_eq!(who_leads(&cluster).await, (leader, term));
}
