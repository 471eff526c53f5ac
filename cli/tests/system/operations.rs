//! What operators do while people talk.

use std::time::Duration;

use hansard_client::{
    Client,
    v1::{GetClusterStatusResponse, NodeState, Shard},
};

use crate::{
    harness::{Cluster, PATIENCE, shared},
    talk::{Talk, client},
};

/// Asks for the status until it satisfies `done`.
async fn status_when(
    client: &Client,
    what: &str,
    done: impl Fn(&GetClusterStatusResponse) -> bool,
) -> GetClusterStatusResponse {
    let deadline = tokio::time::Instant::now() + PATIENCE * 2;
    loop {
        let status = client.cluster_status().await.expect("a status");
        if done(&status) {
            return status;
        }
        assert!(tokio::time::Instant::now() < deadline, "never {what}: {status:#?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn data_shards(status: &GetClusterStatusResponse) -> impl Iterator<Item = &Shard> {
    status.shards.iter().filter(|shard| shard.name != "meta")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twelve_shards_are_spread_over_three_sites_and_their_leaders_balanced() {
    let operator = client(shared(), "alice").await;
    let balanced = |status: &GetClusterStatusResponse| {
        let leads = |id: u64| data_shards(status).filter(|shard| shard.leader == id).count();
        status.nodes.iter().all(|node| (3..=5).contains(&leads(node.id)))
    };
    let status = status_when(&operator, "balanced", balanced).await;
    assert_eq!(data_shards(&status).count(), 12);
    assert!(data_shards(&status).all(|shard| shard.voters.len() == 3));
    assert_eq!(status.nodes.iter().map(|node| &node.site).collect::<std::collections::BTreeSet<_>>().len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leaders_replicas_and_nodes_move_while_messages_flow() {
    let cluster = Cluster::start(&["--nodes", "4", "--routers", "2"]);
    let operator = client(&cluster, "alice").await;
    let talk = Talk::start(&cluster, 6).await;
    talk.until(100).await;

    let status = status_when(&operator, "led", |s| s.shards.iter().all(|shard| shard.leader != 0)).await;
    let shard = data_shards(&status).next().unwrap().clone();
    let to = *shard.voters.iter().find(|node| **node != shard.leader).unwrap();
    operator.transfer_leader(&shard.name, to).await.expect("transferred");
    let led_by =
        |s: &GetClusterStatusResponse, node: u64| s.shards.iter().any(|x| x.id == shard.id && x.leader == node);
    status_when(&operator, "led by the other", |s| led_by(s, to)).await;
    talk.goes_on(10).await;

    let spare = status.nodes.iter().find(|node| !shard.voters.contains(&node.id)).unwrap().id;
    let from = *shard.voters.iter().find(|node| **node != to).unwrap();
    operator.move_replica(&shard.name, from, spare).await.expect("the move is recorded");
    let moved = |s: &GetClusterStatusResponse| {
        let voters = &s.shards.iter().find(|x| x.id == shard.id).unwrap().voters;
        voters.contains(&spare) && !voters.contains(&from)
    };
    let status = status_when(&operator, "moved", moved).await;
    talk.goes_on(10).await;

    // The first and the last node share a site, and so the shards: who of them leads meta has no replica of some, and is to know
    // all the same who leads these.
    let shares = [0, 3].map(|node| cluster.ready.nodes[node].id);
    let meta = |s: &GetClusterStatusResponse| s.shards.iter().find(|shard| shard.name == "meta").unwrap().clone();
    let heir = *meta(&status).voters.iter().find(|voter| shares.contains(voter)).expect("one of the site votes");
    operator.transfer_leader("meta", heir).await.expect("transferred");
    let all_led =
        |s: &GetClusterStatusResponse| meta(s).leader == heir && s.shards.iter().all(|shard| shard.leader != 0);
    status_when(&operator, "led, as who leads meta knows", all_led).await;

    let leaver = cluster.ready.nodes[3].id;
    operator.decommission_node(leaver).await.expect("the intent is recorded");
    let gone = |s: &GetClusterStatusResponse| {
        let node = s.nodes.iter().find(|node| node.id == leaver);
        node.is_none_or(|node| node.state() == NodeState::Decommissioned)
            && s.shards.iter().all(|shard| !shard.voters.contains(&leaver) && !shard.learners.contains(&leaver))
    };
    status_when(&operator, "decommissioned", gone).await;
    cluster.kill(cluster.ready.nodes[3].pid);
    talk.goes_on(20).await;
    let outcome = talk.finish().await;
    assert!(outcome.acked > 100);
}
