//! Processes die, freeze and come back while people talk.

use std::time::Duration;

use hansard_client::v1::{GetClusterStatusResponse, Visibility};

use crate::{
    harness::{Cluster, Over, Person, eventually, ready, request_id},
    talk::{Talk, client},
};

/// The longest that one message may take when a process dies or freezes: what the product promises for a shard. It took up to
/// 1 s for a death and 1.6 s for a frozen process on a machine with a load of 20; the rest is for noise.
const STALL: Duration = Duration::from_secs(3);

/// The index in the ready file of the node that leads most shards.
async fn busiest(cluster: &Cluster) -> usize {
    let status: GetClusterStatusResponse = client(cluster, "alice").await.cluster_status().await.expect("a status");
    let leads = |id: u64| status.shards.iter().filter(|shard| shard.leader == id).count();
    let nodes = &cluster.ready.nodes;
    (0..nodes.len()).max_by_key(|n| leads(nodes[*n].id)).expect("nodes")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killing_any_node_during_ten_thousand_sends_loses_and_doubles_none() {
    let cluster = Cluster::start(&["--nodes", "3", "--routers", "2"]);
    let talk = Talk::start(&cluster, 10).await;
    for (n, at) in [(0, 1_000), (1, 4_000), (2, 7_000)] {
        talk.until(at).await;
        cluster.kill(cluster.ready.nodes[n].pid);
        talk.goes_on(20).await;
        cluster.restart_child(&format!("node{}", n + 1));
        // The next one is killed only when this one votes again: one fault at a time.
        serves_whole(&cluster).await;
    }
    talk.until(10_000).await;
    let outcome = talk.finish().await;
    assert!(outcome.stall <= STALL, "a message took {:?}", outcome.stall);
}

/// Waits until every node says that it is ready: caught up, not draining.
async fn serves_whole(cluster: &Cluster) {
    for node in &cluster.ready.nodes {
        eventually("the node is ready", || ready(&node.metrics)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killing_a_router_sends_its_clients_to_the_other() {
    let cluster = Cluster::start(&["--nodes", "3", "--routers", "2"]);
    let talk = Talk::start(&cluster, 4).await;
    talk.until(300).await;
    cluster.kill(cluster.ready.routers[0].pid);
    talk.goes_on(20).await;
    cluster.restart_child("router1");
    talk.until(1_000).await;
    cluster.kill(cluster.ready.routers[1].pid);
    talk.goes_on(20).await;
    let outcome = talk.finish().await;
    assert!(outcome.stall <= STALL, "a message took {:?}", outcome.stall);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_leader_is_replaced_and_serves_nothing_stale_when_it_wakes() {
    let cluster = Cluster::start(&["--nodes", "3", "--routers", "2"]);
    let talk = Talk::start(&cluster, 6).await;
    talk.until(200).await;
    let frozen = cluster.ready.nodes[busiest(&cluster).await].pid;
    cluster.signal(frozen, "STOP");
    talk.goes_on(20).await;
    cluster.signal(frozen, "CONT");
    talk.goes_on(50).await;
    let outcome = talk.finish().await;
    assert!(outcome.stall <= STALL, "a message took {:?}", outcome.stall);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_id_gives_the_same_answer_after_a_leader_change_and_a_restart() {
    let mut cluster = Cluster::start(&["--nodes", "3", "--routers", "2"]);
    let mut alice = Person::connect(&cluster, Over::Grpc, 0, "alice").await;
    let room = alice.create_room("ids last", Visibility::Private).await.id;
    let id = request_id();
    let first = alice.send_with(&id, &room, "said once").await.unwrap();
    cluster.kill(cluster.ready.nodes[busiest(&cluster).await].pid);
    let mut there = Person::connect(&cluster, Over::WebSocketJson, 1, "alice").await;
    assert_eq!(again(&mut there, &id, &room).await, first);
    drop((alice, there));
    cluster.restart();
    let mut back = Person::connect(&cluster, Over::WebSocketProto, 0, "alice").await;
    assert_eq!(again(&mut back, &id, &room).await, first);
    assert_eq!(back.say(&room, "said next").await.seq, first.seq + 1);
}

/// Sends the same again until the outcome is known.
async fn again(who: &mut Person, id: &str, room: &str) -> hansard_client::v1::Ack {
    loop {
        match who.send_with(id, room, "said once").await {
            Ok(ack) => return ack,
            Err(refusal) => {
                let status = refusal.status.expect("a status");
                assert!(hansard_proto::status::is_unknown_outcome(&status), "{status:?}");
            }
        }
    }
}
