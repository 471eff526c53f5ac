//! What the processes show of themselves: every metric is explained, its labels are few, and the shards' figures are right.

use std::collections::BTreeSet;

use hansard_proto::v1::Visibility;

use crate::harness::{Cluster, Over, Person, eventually, get, metric, ready, shared};

/// The metrics, by name without what a counter's or a histogram's samples append.
fn families(url: &str) -> BTreeSet<String> {
    let text = get(url, "/metrics").expect("metrics");
    text.lines().filter_map(|line| Some(line.strip_prefix("# TYPE ")?.split(' ').next()?.to_owned())).collect()
}

#[test]
fn every_metric_is_explained_and_every_explained_one_is_there() {
    let cluster = shared();
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/metrics.md")).unwrap();
    // Name, kind, labels, meaning.
    let rows: Vec<Vec<&str>> = page
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.split('|').map(|cell| cell.trim().trim_matches('`')).skip(1).collect())
        .collect();
    let mut shown = families(&cluster.ready.nodes[0].metrics);
    shown.extend(families(&cluster.ready.routers[0].metrics));
    for name in &shown {
        assert!(rows.iter().any(|row| row[0] == name), "{name} is not in docs/metrics.md");
    }
    for row in rows {
        // Those by reason show once there is one.
        assert!(row[2] == "reason" || shown.contains(row[0]), "{} is in docs/metrics.md alone", row[0]);
    }
}

#[test]
fn labels_name_shards_reasons_and_protocols_and_nothing_else() {
    let cluster = shared();
    for url in [&cluster.ready.nodes[0].metrics, &cluster.ready.routers[0].metrics] {
        for line in get(url, "/metrics").expect("metrics").lines().filter(|line| line.starts_with("hansard_")) {
            let labels = line.split_once('{').map_or("", |(_, rest)| rest.split_once('}').expect("closed").0);
            for label in labels.split(',').filter(|label| !label.is_empty()) {
                let name = label.split('=').next().unwrap();
                assert!(["shard", "reason", "transport", "le"].contains(&name), "{line}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_that_is_down_shows_as_replication_lag_and_an_election_as_a_term() {
    let cluster = Cluster::start(&["--nodes", "3", "--routers", "1", "--shards", "1"]);
    let sum = |name: &str| -> u64 {
        let up = cluster.ready.nodes.iter().filter(|node| ready(&node.metrics));
        up.map(|node| metric(&node.metrics, name)).sum()
    };
    // One shard and meta.
    eventually("all is led", || sum("hansard_node_leaders") == 2).await;
    eventually("nobody is behind", || sum("hansard_node_shard_replication_lag_entries") == 0).await;
    let leads = |at: usize| metric(&cluster.ready.nodes[at].metrics, "hansard_node_leaders") > 0;
    let leaders: Vec<bool> = (0..3).map(leads).collect();
    let follower = leaders.iter().position(|leads| !leads).expect("three nodes, two leaders");
    cluster.kill(cluster.ready.nodes[follower].pid);
    let mut alice = Person::connect(&cluster, Over::Grpc, 0, "alice").await;
    let room = alice.create_room("behind", Visibility::Private).await.id;
    for n in 0..20 {
        alice.say(&room, &n.to_string()).await;
    }
    eventually("the leader knows who is behind", || sum("hansard_node_shard_replication_lag_entries") >= 10).await;
    eventually("the others apply all that is committed", || sum("hansard_node_shard_apply_lag_entries") == 0).await;
    cluster.restart_child(&format!("node{}", follower + 1));
    eventually("it catches up", || sum("hansard_node_shard_replication_lag_entries") == 0).await;

    let survivor = (0..3).find(|at| *at != follower && leaders[*at]).expect("a leader");
    let other = (0..3).find(|at| *at != follower && *at != survivor).expect("a third");
    let terms = |at: usize| metric(&cluster.ready.nodes[at].metrics, "hansard_node_terms_total");
    let before = terms(other);
    cluster.kill(cluster.ready.nodes[survivor].pid);
    eventually("another term begins", || terms(other) > before).await;
}
