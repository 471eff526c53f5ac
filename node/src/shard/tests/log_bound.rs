//! The log is short whatever its entries weigh.

use std::time::Duration;

use super::cluster::{Cluster, PATIENCE, SHARD, say, seq, tuning};
use crate::raft::Tuning;
use crate::raft::service::Stores;
use crate::raft::test_store::Kind;

/// One segment of a test's store, beside the one that is written to.
const LOG_BYTES: u64 = 8 << 20;
/// Messages of 16,000 bytes, twice what the log may hold, and far fewer entries than a snapshot waits for.
const LONG: u64 = 1_000;

/// The log's first and last entry of a node, once it is as short as it may be.
async fn is_bounded(cluster: &Cluster, node: usize) -> (u64, u64) {
    let until = tokio::time::Instant::now() + PATIENCE;
    let host = cluster.nodes[node].host();
    while !host.log_beyond().is_empty() {
        assert!(tokio::time::Instant::now() < until, "node {node} keeps {:?}", host.log_beyond());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let bounds = host.store(SHARD).expect("it hosts the shard").log().bounds();
    (bounds.purged.map_or(1, |(_, index)| index + 1), bounds.last.expect("there are entries").1)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_is_cut_to_its_bytes_and_who_was_away_gets_a_snapshot() {
    let mut cluster = Cluster::with_room(Kind::Simulated, Tuning { log_bytes: LOG_BYTES, ..tuning() }).await;
    let away = (cluster.leader().await + 1) % 3;
    cluster.kill(away).await;
    for id in 0..LONG {
        seq(cluster.submit(&say(100 + id, &"long".repeat(4_000))).await);
    }
    let here: Vec<usize> = (0..3).filter(|node| *node != away).collect();
    let hosts = here.iter().map(|node| cluster.nodes[*node].host().clone());
    let bounding: Vec<_> = hosts.map(|host| tokio::spawn(host.bound_log())).collect();
    for node in here {
        let (first, last) = is_bounded(&cluster, node).await;
        assert!(last >= LONG, "{last}");
        assert!(first > LONG / 4 && first <= last, "entries {first} to {last} are kept");
    }
    cluster.revive(away).await;
    let status = cluster.settled().await;
    assert_eq!(status.record.size, 1 + LONG);
    bounding.into_iter().for_each(|task| task.abort());
}
