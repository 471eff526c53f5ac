//! The operator: lets new nodes in, decommissions lost ones, and moves replicas and leaders about, all through a router.

use std::{cell::RefCell, collections::BTreeSet, rc::Rc, time::Duration};

use hansard_client::{
    Client, ClientError,
    v1::{GetClusterStatusResponse, NodeState, Shard},
};
use rand::{
    Rng,
    rngs::StdRng,
    seq::{IndexedRandom, IteratorRandom},
};
use tokio::time::sleep;

use crate::{layout::FOUNDERS, seed::Plan, tokens::token, trace::note, workload::connect_as};

/// What the operator is to see to. One thread, so clones share it.
pub(crate) type Orders = Rc<RefCell<Wanted>>;

/// See [`Orders`].
#[derive(Default)]
pub(crate) struct Wanted {
    /// Ids whose data is gone.
    pub(crate) gone: BTreeSet<u64>,
    /// Nothing is moved for its own sake any more.
    pub(crate) calm: bool,
    /// All is as it should be.
    pub(crate) content: bool,
}

/// The operator's life, until the cluster is calm and whole.
pub(crate) async fn run(seed: u64, orders: Orders) -> turmoil::Result {
    let mut rng = Plan::new(seed).rng("operator", 0);
    let token = token("operator", true);
    let mut client = connect_as(token.clone(), &mut rng).await?;
    loop {
        sleep(Duration::from_millis(rng.random_range(300..1_500))).await;
        let status = match client.cluster_status().await {
            Ok(status) if status.unconfirmed => {
                note("the status is unconfirmed");
                continue;
            }
            Ok(status) => status,
            Err(error) => {
                note(&format!("no status: {error}"));
                client = connect_as(token.clone(), &mut rng).await?;
                continue;
            }
        };
        let whole = keep_up(&client, &status, &orders).await;
        if !orders.borrow().calm {
            if whole && rng.random_ratio(1, 4) {
                stir(&client, &status, &mut rng).await;
            }
        } else if whole && !orders.borrow().content {
            note("the cluster is whole");
            orders.borrow_mut().content = true;
        }
        if orders.borrow().content && whole {
            return Ok(());
        }
    }
}

/// Lets in who stands by, and out who is gone; whether there is nothing to be done or under way.
async fn keep_up(client: &Client, status: &GetClusterStatusResponse, orders: &Orders) -> bool {
    let mut whole = status.nodes.len() >= FOUNDERS;
    for node in &status.nodes {
        let gone = orders.borrow().gone.contains(&node.id);
        match node.state() {
            NodeState::Standby | NodeState::Active if gone => {
                tell(&format!("decommission lost {}", node.name), client.decommission_node(node.id).await);
                whole = false;
            }
            NodeState::Standby => {
                tell(&format!("join {}", node.name), client.join_node(node.id).await);
                whole = false;
            }
            NodeState::Decommissioning => whole = false,
            _ => {}
        }
    }
    whole
}

/// Moves something, though nothing asks for it.
async fn stir(client: &Client, status: &GetClusterStatusResponse, rng: &mut StdRng) {
    let active: Vec<_> = status.nodes.iter().filter(|node| node.state() == NodeState::Active).collect();
    let Some(shard) = status.shards.choose(rng) else { return };
    let spare = || active.iter().filter(|node| !shard.voters.contains(&node.id));
    match rng.random_range(0..10) {
        0..4 => transfer(client, shard, rng).await,
        4..8 => {
            let (Some(to), Some(from)) = (spare().choose(rng), shard.voters.choose(rng)) else { return };
            let what = format!("move {} from {from} to {}", shard.name, to.name);
            tell(&what, client.move_replica(&shard.id, *from, to.id).await);
        }
        _ if active.len() > FOUNDERS => {
            let Some(node) = active.choose(rng) else { return };
            tell(&format!("decommission {}", node.name), client.decommission_node(node.id).await);
        }
        _ => {}
    }
}

async fn transfer(client: &Client, shard: &Shard, rng: &mut StdRng) {
    let Some(to) = shard.voters.iter().filter(|voter| **voter != shard.leader).choose(rng) else { return };
    tell(&format!("hand {} over to {to}", shard.name), client.transfer_leader(&shard.id, *to).await);
}

fn tell<T>(what: &str, answer: Result<T, ClientError>) {
    match answer {
        Ok(_) => note(&format!("OPERATOR {what}")),
        Err(error) => note(&format!("OPERATOR {what}: {error}")),
    }
}
