//! Nodes join and leave while messages flow; leaders are handed over; voters are what placement says.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use hansard_domain::{Action, Content, PersonId, RequestId};
use hansard_proto::{
    cluster::v1::{
        AdjustShardRequest, MoveShard, ShardMembersRequest, ShardStatus, Status, VoterChange,
        adjust_shard_request::Change, operate::Command, peer_service_client::PeerServiceClient,
    },
    status,
    v1::NodeState,
};
use hansard_runtime::net::{Role, TcpTransport, channel};
use tonic::Code;

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

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_node_whose_disk_is_nearly_full_leads_nothing_while_others_can() {
    let mut cluster = Cluster::start(3).await;
    let router = Router::new(&cluster);
    let address = cluster.address(0);
    let led = |status: &Status| status.shards.len() == 4 && status.shards.iter().all(|shard| shard.leader != 0);
    wait(&router, &address, "every shard has a leader", led).await;
    cluster.nodes[1].take().unwrap().shutdown().await;
    cluster.restart_full(1).await;
    cluster.ready().await;
    let full = cluster.id(1);
    let wanted = MoveShard { shard: "1".into(), from_node: 0, to_node: full };
    router.operate(Command::TransferLeader(wanted)).await.expect("it leads, as it was told to");
    let without = |status: &Status| led(status) && status.shards.iter().all(|shard| shard.leader != full);
    wait(&router, &address, "it has handed over what it led", without).await;
    // Longer than balance waits: two nodes lead all, and the third is not given any of it.
    for _ in 0..16 {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let status = router.status(&address).await.expect("a status");
        assert!(status.shards.iter().all(|shard| shard.leader != full), "{status:#?}");
    }
    let room = router.create_room(ALICE).await;
    assert_eq!(router.say(ALICE, room, "there is room elsewhere").await, 2);
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_node_without_room_says_so() {
    let mut cluster = Cluster::start(1).await;
    let router = Router::new(&cluster);
    let room = router.create_room(ALICE).await;
    cluster.nodes[0].take().unwrap().shutdown().await;
    cluster.restart_full(0).await;
    cluster.ready().await;
    let (request, content) = (RequestId::from_bytes([3; 16]), Content::text("is there room?").encode());
    let refused = router.propose(ALICE, request, Action::SendMessage { room }, content).await.expect_err("no room");
    assert!(status::has_reason(&refused, "STORAGE_FULL") && status::retry_after(&refused).is_some(), "{refused:?}");
    cluster.shutdown().await;
}

fn peer(cluster: &Cluster, at: usize) -> PeerServiceClient<tonic::transport::Channel> {
    PeerServiceClient::new(channel(Arc::new(TcpTransport), &cluster.address(at), None, Role::Node).unwrap())
}

/// Asks every node for a change of a shard's voters, until one does it.
async fn adjust(
    cluster: &Cluster,
    status: &Status,
    shard: &ShardStatus,
    voters: &[u64],
    epoch: u64,
) -> Result<(), Code> {
    let infos = status.nodes.iter().filter_map(|node| node.node.clone());
    let nodes = infos.filter(|info| voters.contains(&info.id)).collect();
    let change = Some(Change::Voters(VoterChange { nodes, epoch }));
    let request = AdjustShardRequest { shard: shard.shard.clone(), cluster: status.cluster.clone(), change };
    for _ in 0..100 {
        for at in 0..cluster.configs.len() {
            let mut peer = peer(cluster, at);
            let answer = peer.adjust_shard(request.clone()).await.map_err(|status| status.code())?.into_inner();
            if answer.done {
                return Ok(());
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("nobody leads the shard");
}

/// Who belongs to the shard, as its leader says.
async fn members(cluster: &Cluster, status: &Status, shard: &ShardStatus) -> Option<BTreeSet<u64>> {
    let request = ShardMembersRequest { shard: shard.shard.clone(), cluster: status.cluster.clone() };
    for at in 0..cluster.configs.len() {
        let mut peer = peer(cluster, at);
        let answer = peer.shard_members(request.clone()).await.map(tonic::Response::into_inner);
        if let Some(answer) = answer.ok().filter(|answer| answer.done) {
            return Some(answer.nodes.into_iter().collect());
        }
    }
    None
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn voters_that_placement_does_not_name_are_put_right() {
    let cluster = Cluster::start(3).await;
    let router = Router::new(&cluster);
    let status = wait(&router, &cluster.address(0), "every shard has a leader", |status| {
        status.shards.len() == 4 && status.shards.iter().all(|shard| shard.leader != 0)
    })
    .await;
    let shard = status.shards.iter().find(|shard| shard.name == "1").unwrap();
    let placed: BTreeSet<u64> = shard.voters.iter().copied().collect();
    let fewer: Vec<u64> = shard.voters.iter().copied().filter(|voter| *voter != shard.leader).take(1).collect();
    let fewer = [vec![shard.leader], fewer].concat();
    // A controller of another time: what it wants is known to be old.
    let stale = adjust(&cluster, &status, shard, &fewer, shard.epoch).await;
    assert_eq!(stale, Err(Code::Unavailable));
    assert_eq!(members(&cluster, &status, shard).await, Some(placed.clone()));
    // One whose placement was never written.
    adjust(&cluster, &status, shard, &fewer, shard.epoch + 1).await.unwrap();
    for _ in 0..300 {
        if members(&cluster, &status, shard).await.as_ref() == Some(&placed) {
            return drop(cluster.shutdown().await);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the voters are not what placement says");
}
