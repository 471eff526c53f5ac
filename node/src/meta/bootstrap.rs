//! From an empty disk into a cluster: founds one with the other seeds, or registers with the one there is.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::future::join_all;
use hansard_domain::{ClusterId, ShardId};
use hansard_failpoint::{self as failpoint, Point};
use hansard_proto::cluster::v1 as wire;

use super::{
    Told,
    decision::{Decision, Greeting, Situation, decide},
    proposing::register,
};
use crate::{raft::NodeInfo, state::Node};

/// Between two rounds of greetings.
const ROUND: Duration = Duration::from_millis(300);

/// How long a seed may take to answer.
const ANSWER: Duration = Duration::from_secs(2);

/// Runs until this node takes part in a cluster's meta group.
pub(crate) async fn bootstrap(node: Arc<Node>) {
    let mut said = String::new();
    while !node.is_founded() {
        match decide(&situation(&node).await) {
            Decision::Found(nodes) => {
                if let Err(error) = found(&node, nodes).await {
                    tracing::warn!(%error, "the founding did not succeed yet");
                }
            }
            Decision::Join(cluster, members) => {
                if let Err(error) = join(&node, cluster, &members).await {
                    tracing::warn!(%error, "joining did not succeed yet");
                }
            }
            Decision::Wait(why) => {
                if why != said {
                    tracing::info!(why, "waiting for the cluster");
                    said = why;
                }
            }
        }
        tokio::time::sleep(ROUND).await;
    }
    tracing::info!(node = node.local.id, "part of the cluster");
}

async fn situation(node: &Arc<Node>) -> Situation {
    let greetings = node.config.seeds.iter().map(|address| greet(node, address));
    Situation {
        id: node.local.id,
        bound: node.binding.cluster(),
        expect: node.config.bootstrap_expect,
        seeds: join_all(greetings).await,
    }
}

/// Asks the node at an address who it is; notes whom it knows.
pub(crate) async fn greet(node: &Node, address: &str) -> Option<Greeting> {
    let request = wire::GreetRequest {
        node: Some(node.local.clone().into()),
        cluster: node.greeted_cluster(),
        protocol: crate::rpc::PROTOCOL,
    };
    let mut client = node.calls.client(address).ok()?;
    let answer = tokio::time::timeout(ANSWER, client.greet(request)).await.ok()?.ok()?.into_inner();
    let greeted = NodeInfo::from(answer.node?);
    node.known.note(greeted.clone());
    let leads = answer.leads.iter().filter_map(|led| Some((ShardId::from_slice(&led.shard).ok()?, led.term)));
    node.known.told(greeted.id, Told { full: answer.full, leads: leads.collect() });
    for known in answer.known {
        node.known.note(known.into());
    }
    Some(Greeting {
        node: greeted,
        cluster: ClusterId::from_slice(&answer.cluster).ok(),
        expect: answer.bootstrap_expect,
    })
}

async fn found(node: &Arc<Node>, nodes: Vec<NodeInfo>) -> Result<(), String> {
    let cluster = node.binding.cluster().unwrap_or_else(|| ClusterId::from_bytes(node.draw()));
    for other in nodes.iter().filter(|other| other.id != node.local.id) {
        let request = wire::HostShardRequest {
            shard: Bytes::copy_from_slice(ShardId::META.as_bytes()),
            cluster: Bytes::copy_from_slice(cluster.as_bytes()),
        };
        node.calls.host_shard(other, request).await?;
    }
    failpoint::pass(Point::FoundingAsked);
    // From here on this node insists on this cluster, also after a restart; the others follow its first word in meta.
    node.binding.bind(cluster).map_err(|error| error.to_string())?;
    failpoint::pass(Point::FoundingBound);
    let meta = node.start_meta().await?;
    meta.initialize(nodes).await.map_err(|error| error.to_string())?;
    failpoint::pass(Point::Founded);
    tracing::info!(%cluster, "founded a cluster");
    Ok(())
}

async fn join(node: &Arc<Node>, cluster: ClusterId, members: &[NodeInfo]) -> Result<(), String> {
    node.binding.bind(cluster).map_err(|error| error.to_string())?;
    failpoint::pass(Point::JoinBound);
    for member in members {
        node.known.note(member.clone());
    }
    register(node).await.map_err(|error| error.to_string())
}
