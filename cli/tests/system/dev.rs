//! `hansard dev`: the cluster that one command starts.

use crate::harness::{Cluster, hansard, metric};

#[test]
fn a_cluster_stops_on_interrupt_and_starts_again_with_everything_kept() {
    let mut cluster = Cluster::start(&["--nodes", "3", "--routers", "2"]);
    let room = cluster.run("alice", 0, &["room", "create", "kept", "--output", "json"]);
    let room: serde_json::Value = serde_json::from_str(room.trim()).unwrap();
    let room = room["id"].as_str().unwrap().to_owned();
    for n in 0..20 {
        cluster.run("alice", n % 2, &["send", &room, &format!("message {n}")]);
    }
    let before = cluster.run("alice", 0, &["history", &room, "--output", "json"]);
    let status = cluster.stop().unwrap();
    assert!(status.success(), "{status}");
    for process in cluster.ready.nodes.iter().map(|n| n.pid).chain(cluster.ready.routers.iter().map(|r| r.pid)) {
        assert!(!std::path::Path::new(&format!("/proc/{process}")).exists(), "{process} was left behind");
    }
    cluster.restart();
    assert_eq!(cluster.run("alice", 1, &["history", &room, "--output", "json"]), before);
    cluster.run("alice", 1, &["send", &room, "and on"]);
}

#[test]
fn a_dead_child_stays_down_until_it_is_restarted() {
    let cluster = Cluster::start(&["--nodes", "3", "--routers", "2"]);
    let victim = &cluster.ready.nodes[1];
    cluster.kill(victim.pid);
    let room = cluster.run("alice", 0, &["room", "create", "two of three", "--output", "json"]);
    assert!(room.contains("\"id\""));
    let status = hansard().args(["dev", "status", "--data"]).arg(cluster.data()).output().unwrap();
    let said = String::from_utf8_lossy(&status.stdout).into_owned();
    assert!(said.contains("node2") && said.contains("down"), "{said}");
    cluster.restart_child("node2");
    let status = hansard().args(["dev", "status", "--data"]).arg(cluster.data()).output().unwrap();
    assert!(!String::from_utf8_lossy(&status.stdout).contains("down"));
}

#[test]
fn sites_and_addresses_are_as_the_ready_file_says() {
    let cluster = crate::harness::shared();
    let sites: Vec<&str> = cluster.ready.nodes.iter().map(|node| node.site.as_str()).collect();
    assert_eq!(sites, ["boston", "denver", "bangalore"]);
    let sites: Vec<&str> = cluster.ready.routers.iter().map(|router| router.site.as_str()).collect();
    assert_eq!(sites, ["boston", "denver"]);
    assert!(cluster.ready.ca.is_file());
    for node in &cluster.ready.nodes {
        assert!(node.data.is_dir() && node.id != 0);
        assert!(metric(&node.metrics, "hansard_node_fsyncs_total") > 0);
    }
    for router in &cluster.ready.routers {
        assert!(router.grpc.starts_with("http://127.0.0.1:") && router.ws.starts_with("ws://127.0.0.1:"));
        assert!(std::path::Path::new(&format!("/proc/{}", router.pid)).exists());
    }
}
