//! `hansard cluster …`.

use hansard_client::{
    Client,
    v1::{GetClusterStatusResponse, NodeState},
};

use super::{args::ClusterCommand, render};
use crate::connect::{ConnectArgs, Output, RepeatArgs};
use crate::exit::Failure;

/// Runs a cluster command.
pub(crate) async fn run(options: &ConnectArgs, repeat: &RepeatArgs, command: ClusterCommand) -> anyhow::Result<()> {
    let client = repeat.with(options.connect().await?);
    let done = match command {
        ClusterCommand::Status => {
            let status = client.cluster_status().await?;
            return show(options, &status);
        }
        ClusterCommand::Join { node } => {
            let node = node_id(&client, &node).await?;
            let response = client.join_node(node).await?;
            (format!("node {node} gets its share; see `hansard cluster status`"), render::object(&response)?)
        }
        ClusterCommand::Decommission { node } => {
            let node = node_id(&client, &node).await?;
            let response = client.decommission_node(node).await?;
            (format!("node {node} is being emptied; see `hansard cluster status`"), render::object(&response)?)
        }
        ClusterCommand::Transfer { shard, to } => {
            let to = node_id(&client, &to).await?;
            let response = client.transfer_leader(&shard, to).await?;
            (format!("shard {shard}: node {to} was asked to lead"), render::object(&response)?)
        }
        ClusterCommand::Move { shard, from, to } => {
            let (from, to) = (node_id(&client, &from).await?, node_id(&client, &to).await?);
            let response = client.move_replica(&shard, from, to).await?;
            (format!("shard {shard} moves from node {from} to node {to}"), render::object(&response)?)
        }
    };
    match options.output {
        Output::Table => Ok(render::line(&done.0)?),
        Output::Json => Ok(render::line(&serde_json::to_string(&done.1)?)?),
    }
}

/// A node's id, from that or from its name.
async fn node_id(client: &Client, node: &str) -> anyhow::Result<u64> {
    if let Ok(id) = node.parse() {
        return Ok(id);
    }
    let status = client.cluster_status().await?;
    let found = status.nodes.iter().find(|known| known.name == node);
    found.map(|known| known.id).ok_or_else(|| {
        let names: Vec<_> = status.nodes.iter().map(|known| known.name.as_str()).collect();
        Failure::not_found(format!("no node is named {node:?}; there are {}", names.join(", "))).into()
    })
}

fn show(options: &ConnectArgs, status: &GetClusterStatusResponse) -> anyhow::Result<()> {
    if options.output == Output::Json {
        return render::message(status);
    }
    let name = |id: u64| {
        let node = status.nodes.iter().find(|node| node.id == id);
        node.map_or_else(
            || {
                if id == 0 { "-".to_owned() } else { id.to_string() }
            },
            |node| node.name.clone(),
        )
    };
    let names = |ids: &[u64]| ids.iter().map(|id| name(*id)).collect::<Vec<_>>().join(" ");
    render::line(&format!("cluster {}", status.cluster))?;
    if status.unconfirmed {
        render::line(
            "UNCONFIRMED: no leader of meta answers; this is what one node has heard, and may be of an earlier time",
        )?;
    }
    let nodes = status.nodes.iter().map(|node| {
        let state = match node.state() {
            NodeState::Standby => "standby",
            NodeState::Active => "active",
            NodeState::Decommissioning => "decommissioning",
            NodeState::Decommissioned => "decommissioned",
            NodeState::Unspecified => "-",
        };
        let reachable = if node.reachable { "yes" } else { "NO" };
        let (voters, leaders) = (node.voters.to_string(), node.leaders.to_string());
        let (state, reachable) = (state.to_owned(), reachable.to_owned());
        vec![
            node.name.clone(),
            node.id.to_string(),
            node.site.clone(),
            state,
            reachable,
            voters,
            leaders,
            node.address.clone(),
        ]
    });
    render::table(&["node", "id", "site", "state", "reachable", "voters", "leaders", "address"], nodes)?;
    let shards = status.shards.iter().map(|shard| {
        let (applied, record) = (shard.applied_index.to_string(), shard.record_size.to_string());
        vec![shard.name.clone(), name(shard.leader), names(&shard.voters), names(&shard.learners), applied, record]
    });
    render::table(&["shard", "leader", "voters", "learners", "applied", "record"], shards)?;
    Ok(())
}
