//! Founding, restarting, and what does not belong.

use std::time::Duration;

use hansard_domain::{PersonId, limits::SLOTS};
use hansard_node::{RunError, run};
use hansard_proto::cluster::v1::{self as wire, peer_service_client::PeerServiceClient};
use hansard_runtime::net::{Role, TcpTransport, channel};

use crate::{
    harness::{Cluster, config, eventually, free_address, seams},
    router::Router,
};

const ALICE: PersonId = PersonId::from_bytes([1; 16]);

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn three_empty_nodes_found_one_cluster_and_keep_it() {
    let mut cluster = Cluster::start(3).await;
    let router = Router::new(&cluster);
    let placement = router.placement().await;
    assert_eq!((placement.nodes.len(), placement.shards.len(), placement.slots.len()), (3, 3, SLOTS));
    for shard in &placement.shards {
        assert_eq!((shard.voters.len(), shard.epoch), (3, 1));
    }
    let room = router.create_room(ALICE).await;
    assert_eq!(router.say(ALICE, room, "before").await, 2);
    let id = cluster.id(0);
    cluster.nodes[0].take().unwrap().shutdown().await;
    assert_eq!(router.say(ALICE, room, "while one is away").await, 3);
    cluster.restart(0).await;
    cluster.ready().await;
    assert_eq!(cluster.id(0), id, "a node keeps its id with its disk");
    assert_eq!(router.say(ALICE, room, "after").await, 4);
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_wiped_node_comes_back_under_a_new_id_and_founds_nothing() {
    let mut cluster = Cluster::start(3).await;
    let router = Router::new(&cluster);
    let room = router.create_room(ALICE).await;
    let before = cluster.id(2);
    cluster.kill(2).await;
    let empty = tempfile::tempdir().unwrap();
    cluster.configs[2].data = empty.path().to_owned();
    cluster.restart(2).await;
    assert_ne!(cluster.id(2), before);
    let (id, address) = (cluster.id(2), cluster.address(0));
    let listed = || async {
        let status = router.status(&address).await?;
        status.nodes.into_iter().find(|node| node.node.as_ref().is_some_and(|node| node.id == id))
    };
    let mut found = None;
    for _ in 0..400 {
        found = listed().await;
        if found.is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let standby = hansard_proto::v1::NodeState::Standby as u32;
    assert_eq!(found.expect("the new node is listed").state, standby);
    assert_eq!(router.say(ALICE, room, "nothing was lost").await, 2);
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_foreign_cluster_is_refused() {
    let ours = Cluster::start(1).await;
    let foreign = Cluster::start(1).await;
    let channel = channel(std::sync::Arc::new(TcpTransport), &ours.address(0), None, Role::Node).unwrap();
    let mut client = PeerServiceClient::new(channel);
    let cluster = client.greet(wire::GreetRequest::default()).await.unwrap().into_inner().cluster;
    assert_eq!(cluster.len(), 16);
    let request = |cluster: Vec<u8>| wire::HostShardRequest { shard: vec![7; 16].into(), cluster: cluster.into() };
    let refused = client.host_shard(request(vec![9; 16])).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::FailedPrecondition);
    assert!(refused.message().contains("belongs to cluster"), "{refused}");
    client.host_shard(request(cluster.to_vec())).await.unwrap();

    // A node whose disk belongs elsewhere stays outside, and harms nobody.
    let mut stray = foreign.configs[0].clone();
    let _kept = foreign.shutdown().await;
    stray.seeds = vec![ours.address(0)];
    let stray = run(stray, seams()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let router = Router::new(&ours);
    assert_eq!(router.status(&ours.address(0)).await.unwrap().nodes.len(), 1);
    stray.shutdown().await;
    ours.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_nodes_on_one_directory_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let address = free_address();
    let first = run(config(0, &dir, &address, std::slice::from_ref(&address), 1), seams()).await.unwrap();
    let other = free_address();
    let second = run(config(1, &dir, &other, std::slice::from_ref(&other), 1), seams()).await;
    assert!(matches!(second, Err(RunError::Store(_))), "the directory is in use");
    eventually("the first one serves", || first.ready()).await;
    first.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_founds_while_a_seed_is_missing() {
    let addresses: Vec<String> = (0..3).map(|_| free_address()).collect();
    let dirs: Vec<_> = (0..3).map(|_| tempfile::tempdir().unwrap()).collect();
    let mut nodes = Vec::new();
    for at in 0..2 {
        nodes.push(run(config(at, &dirs[at], &addresses[at], &addresses, 3), seams()).await.unwrap());
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(nodes.iter().all(|node| !node.ready()));
    nodes.push(run(config(2, &dirs[2], &addresses[2], &addresses, 3), seams()).await.unwrap());
    eventually("the three found a cluster", || nodes.iter().all(|node| node.ready())).await;
    for node in nodes {
        node.shutdown().await;
    }
}
