//! Snapshots and logs that take a while: interrupted, and beside messages that go on.

use std::time::Duration;

use super::cluster::{ANN, Cluster, PATIENCE, ROOM, SHARD, create, say, seq, tuning};
use crate::raft::service::Stores;
use crate::raft::test_store::Kind;
use crate::raft::{CLOSE, Tuning};

const MIB: u64 = 1 << 20;
/// Bytes of a snapshot a second.
const RATE: u64 = 2 * MIB;
/// Messages of 16,000 bytes: a snapshot of eight chunks.
const LONG: u64 = 520;

/// Snapshots after a few entries, no log kept below them, and slow transfers. And one leader, however busy the machine is: another one
/// begins its snapshot anew.
fn slow() -> Tuning {
    let never = Duration::from_secs(3_600);
    let one_leader = Tuning { silence: never, election_min: never, election_max: never * 2, ..tuning() };
    Tuning { snapshot_entries: 20, keep_entries: 0, snapshot_bytes_per_second: RATE, ..one_leader }
}

/// Bytes of snapshots that the fourth node has taken in since it started. What is sent may be more: where the machine is busy, others fall
/// behind, too.
fn taken(cluster: &Cluster) -> u64 {
    cluster.nodes[3].host().transfers().taken_bytes()
}

/// Waits until the fourth node has this many chunks of a snapshot that is not installed; meanwhile it never has fewer than `least`.
async fn has_chunks(cluster: &Cluster, chunks: u32, least: u32) {
    let until = tokio::time::Instant::now() + PATIENCE;
    let store = cluster.nodes[3].host().store(SHARD).expect("it hosts the shard");
    loop {
        let here = store.partial().map_or(0, |partial| partial.taken.chunks);
        assert!(here >= least, "it had {least} chunks, and has {here}");
        if here >= chunks {
            return;
        }
        assert!(tokio::time::Instant::now() < until, "no {chunks} chunks come");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Three nodes with long messages, and a fourth that becomes a member from now on.
async fn growing(tuning: Tuning) -> (Cluster, tokio::task::JoinHandle<()>, tokio::time::Instant) {
    let cluster = Cluster::idle(4, Kind::Simulated, tuning).await;
    for node in &cluster.nodes {
        node.host().start(SHARD).await.expect("starts");
    }
    cluster.nodes[0].shard().initialize(cluster.infos(&[0, 1, 2])).await.expect("founded");
    assert_eq!(seq(cluster.submit(&create(ROOM, ANN, 1)).await), 1);
    for id in 0..LONG {
        seq(cluster.submit(&say(100 + id, &"long".repeat(4_000))).await);
    }
    let leader = cluster.leader().await;
    let (shard, wanted) = (cluster.nodes[leader].shard(), cluster.infos(&[0, 1, 2, 3]));
    let begun = tokio::time::Instant::now();
    let joining =
        tokio::spawn(async move { shard.change_membership(wanted, || None).await.expect("it becomes a member") });
    (cluster, joining, begun)
}

/// All replicas are equal, and one snapshot came once: what came twice was under way when the connections broke.
async fn ends_well(cluster: &Cluster, taken: u64, messages: u64) {
    let status = cluster.settled().await;
    assert_eq!((status.record.size, status.voters.len()), (1 + messages, 4));
    let whole = LONG * 16_000;
    assert!(taken >= whole && taken < whole + 6 * MIB, "{taken} bytes came of a snapshot of {whole}");
    assert_eq!(cluster.nodes[3].host().store(SHARD).expect("it hosts the shard").partial(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupted_snapshot_goes_on_where_it_stopped_while_the_log_waits() {
    let (cluster, joining, begun) = growing(slow()).await;
    has_chunks(&cluster, 1, 0).await;
    // Far more entries than a snapshot covers: without the log that follows it, it would be of no use.
    for id in 0..100 {
        seq(cluster.submit(&say(10_000 + id, "meanwhile")).await);
    }
    for (chunks, least) in [(4, 1), (6, 4)] {
        has_chunks(&cluster, chunks, least).await;
        cluster.net.shake(&cluster.nodes[3].info.address);
    }
    joining.await.expect("the fourth node becomes a member");
    let taken = taken(&cluster);
    ends_well(&cluster, taken, LONG + 100).await;
    let least = Duration::from_secs_f64((taken - MIB) as f64 / RATE as f64);
    assert!(begun.elapsed() >= least, "{taken} bytes in {:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_loses_power_goes_on_with_what_it_had_flushed() {
    let (mut cluster, joining, _) = growing(slow()).await;
    has_chunks(&cluster, 4, 0).await;
    let store = cluster.nodes[3].host().store(SHARD).expect("it hosts the shard");
    store.rows().flush().expect("it is flushed");
    drop(store);
    let before = taken(&cluster);
    cluster.kill(3).await;
    cluster.revive(3).await;
    has_chunks(&cluster, 6, 4).await;
    joining.await.expect("the fourth node becomes a member");
    ends_well(&cluster, before + taken(&cluster), LONG).await;
}

/// Its leader tries again and again to send it a snapshot, and keeps no log for that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_away_holds_up_no_purge() {
    let tuning = Tuning { snapshot_entries: 20, keep_entries: 0, ..tuning() };
    let mut cluster = Cluster::with_room(Kind::Simulated, tuning).await;
    let away = (cluster.leader().await + 1) % 3;
    cluster.kill(away).await;
    let mut id = 0;
    for _ in 0..4 {
        // Over and over: the first purge is before anybody tries.
        let leader = cluster.leader().await;
        let store = cluster.nodes[leader].host().store(SHARD).expect("it hosts the shard");
        let purged = || store.log().bounds().purged.map_or(0, |(_, index)| index);
        let (before, until) = (purged(), tokio::time::Instant::now() + PATIENCE);
        while purged() < before + 60 {
            assert!(tokio::time::Instant::now() < until, "purged to {before}, and no further than {}", purged());
            id += 1;
            seq(cluster.submit(&say(id + 10, "meanwhile")).await);
        }
    }
    cluster.revive(away).await;
    assert_eq!(cluster.settled().await.record.size, 1 + id);
}

/// Nothing is purged: the log alone brings the fourth node up to date. openraft takes a follower for close that lacks 20,000 entries.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_voter_is_new_once_it_has_the_log_which_comes_at_a_rate_while_messages_go_on() {
    let (cluster, mut joining, begun) =
        growing(Tuning { snapshot_entries: 10_000, keep_entries: 10_000, ..slow() }).await;
    let old = cluster.nodes[3].shard();
    let history = || cluster.nodes[..3].iter().map(|node| node.host().transfers().history_bytes()).sum::<u64>();
    let mut meanwhile = 0;
    while !joining.is_finished() {
        meanwhile += 1;
        seq(cluster.submit(&say(10_000 + meanwhile, "meanwhile")).await);
        assert!(begun.elapsed() < PATIENCE, "it does not catch up: {:?}", old.status());
    }
    (&mut joining).await.expect("the fourth node becomes a member");
    // Entries of one message each, of which it may lack so many.
    let applied = old.status().record.size + old.lag().apply;
    assert!(applied + 2 * CLOSE > LONG, "it became a voter with {applied} entries");
    let (took, sent) = (begun.elapsed(), history());
    let least = (LONG - 2 * CLOSE) * 16_000;
    assert!(sent >= least, "{sent} bytes were sent as history");
    // The last of them and what they were beside: an append is half a MiB, and new messages let more of the old pass.
    assert!(took >= Duration::from_secs_f64((least - 2 * MIB) as f64 / RATE as f64), "{sent} bytes in {took:?}");
    assert!(meanwhile >= 10, "{meanwhile} messages meanwhile");
    assert_eq!(cluster.settled().await.record.size, 1 + LONG + meanwhile);
}
