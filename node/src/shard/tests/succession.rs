use std::time::{Duration, Instant};

use super::cluster::{Cluster, SHARD, say, seq};
use crate::raft::test_store::Kind;
use crate::raft::{Tuning, heirs};

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

/// They host nothing, so that nothing else goes between them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_lead_nothing_are_not_silent() {
    let cluster = Cluster::idle(3, Kind::Simulated, patient()).await;
    tokio::time::sleep(patient().silence * 3).await;
    let [one, other, third] = &cluster.nodes[..] else { unreachable!("there are three") };
    assert!([&one.info, &third.info].into_iter().all(|there| !other.lost(there)));
    cluster.net.cut(&one.info.address);
    other.holds_lost(&one.info, true).await;
    assert!(!other.lost(&third.info));
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

/// The first heir is the last to learn of the loss, at a time when the second one stands already, and a vote travels for as long
/// as a turn. Both would vote for themselves, and nobody lives to see the next try.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heirs_that_are_far_apart_do_not_split_their_votes() {
    let ms = Duration::from_millis;
    let wide = Tuning { silence: Duration::from_secs(3_600), ..Tuning::from_millis(250, 60_000) };
    let mut cluster = Cluster::with_room(Kind::Simulated, wide).await;
    let (leader, term) = who_leads(&cluster).await;
    let [one, other] = [(leader + 1) % 3, (leader + 2) % 3].map(|heir| cluster.nodes[heir].info.clone());
    let (first, second) = match heirs::precedes(SHARD, one.id, other.id) {
        true => (one, other),
        false => (other, one),
    };
    let lost = cluster.nodes[leader].info.address.clone();
    cluster.net.place(&lost, &first.address, ms(120));
    cluster.net.place(&lost, &second.address, ms(20));
    cluster.net.place(&first.address, &second.address, ms(110));
    // Everybody links anew, over the long ways.
    for node in &cluster.nodes {
        cluster.net.shake(&node.info.address);
    }
    assert_eq!(seq(cluster.submit(&say(1_000, "from afar")).await), 2);
    // Both have all of it: else their logs would decide.
    assert_eq!(cluster.settled().await.record.size, 2);
    assert_eq!(who_leads(&cluster).await, (leader, term));
    let from = Instant::now();
    cluster.end(leader).await;
    let (heir, next) = who_leads(&cluster).await;
    println!("replaced after {:?}", from.elapsed());
    assert!(heir != leader && next == term + 1, "one election: from {term} to {next}");
}
