//! Nodes join and leave while messages flow; leaders are handed over.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use hansard_domain::PersonId;
use hansard_proto::{
    cluster::v1::{MoveShard, Status, operate::Command},
    v1::NodeState,
};

use crate::{harness::Cluster, router::Router};

const ALICE: PersonId = PersonId::from_bytes([1; 16]);

/// Waits until the cluster's status, as the first node sees it, is as wanted.
async fn wait(router: &Router, address: &str, what: &str, wanted: impl Fn(&Status) -> bool) -> Status {
    let mut last = None;
    for _ in 0..1_200 {
        last = router.status(address).await;
        if let Some(status) = last.as_ref().filter(|status| wanted(status)) {
            return status.clone();
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("it has not come to pass that {what}: {last:#?}");
}

fn state(status: &Status, id: u64) -> u32 {
    let node = status.nodes.iter().find(|node| node.node.as_ref().is_some_and(|node| node.id == id));
    node.map_or(0, |node| node.state)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_node_joins_and_another_leaves_while_messages_flow() {
    let mut cluster = Cluster::start(3).await;
    let mut router = Router::new(&cluster);
    let room = router.create_room(ALICE).await;
    let fourth = cluster.add().await;
    router.learn_of(cluster.address(fourth));
    let router = Arc::new(router);
    let stop = Arc::new(AtomicBool::new(false));
    let talking = {
        let (router, stop) = (router.clone(), stop.clone());
        tokio::spawn(async move {
            let mut last = 1;
            while !stop.load(Ordering::SeqCst) {
                let seq = router.say(ALICE, room, "while nodes come and go").await;
                assert_eq!(seq, last + 1, "nothing is lost, doubled or reordered");
                last = seq;
            }
            last
        })
    };
    let (address, id) = (cluster.address(0), cluster.id(fourth));
    wait(&router, &address, "the fourth node stands by", |status| state(status, id) == NodeState::Standby as u32).await;
    router.operate(Command::JoinNode(id)).await.unwrap();
    wait(&router, &address, "the fourth node holds its share", |status| {
        status.shards.iter().any(|shard| shard.name != "meta" && shard.voters.contains(&id))
    })
    .await;
    let leaving = cluster.id(1);
    router.operate(Command::DecommissionNode(leaving)).await.unwrap();
    let done = wait(&router, &address, "the second node is decommissioned", |status| {
        state(status, leaving) == NodeState::Decommissioned as u32
    })
    .await;
    assert!(done.shards.iter().all(|shard| shard.voters.len() == 3 && !shard.voters.contains(&leaving)), "{done:#?}");
    cluster.nodes[1].take().unwrap().shutdown().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    stop.store(true, Ordering::SeqCst);
    let last = talking.await.unwrap();
    assert!(last > 10, "messages flowed: {last}");
    assert_eq!(router.say(ALICE, room, "after it all").await, last + 1);
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_operator_hands_a_leadership_over_and_balance_keeps_within_one() {
    let cluster = Cluster::start(3).await;
    let router = Router::new(&cluster);
    let address = cluster.address(0);
    let status = wait(&router, &address, "every shard has a leader", |status| {
        status.shards.len() == 4 && status.shards.iter().all(|shard| shard.leader != 0)
    })
    .await;
    let shard = status.shards.iter().find(|shard| shard.name == "1").unwrap();
    let heir = *shard.voters.iter().find(|voter| **voter != shard.leader).unwrap();
    let wanted = MoveShard { shard: "1".into(), from_node: 0, to_node: heir };
    router.operate(Command::TransferLeader(wanted)).await.unwrap();
    wait(&router, &address, "the heir leads", |status| {
        status.shards.iter().any(|shard| shard.name == "1" && shard.leader == heir)
    })
    .await;
    wait(&router, &address, "leaders are balanced", |status| {
        let ids = status.nodes.iter().filter_map(|node| node.node.as_ref());
        let count = |id: u64| status.shards.iter().filter(|shard| shard.leader == id).count();
        let counts: Vec<usize> = ids.map(|node| count(node.id)).collect();
        counts.iter().max().unwrap() - counts.iter().min().unwrap() <= 1
    })
    .await;
    cluster.shutdown().await;
}
