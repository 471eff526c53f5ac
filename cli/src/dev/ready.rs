//! Finding out whether the cluster serves, and telling it to whoever started it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use hansard_client::v1::RoomFilter;
use hansard_client::{Client, ClientError, Config};
use serde::Serialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::files;
use super::layout::Layout;
use super::plan::Plan;

/// Between two looks.
pub(super) const POLL: Duration = Duration::from_millis(50);
/// The longest that one look may take.
const LOOK: Duration = Duration::from_secs(2);

/// Whether the process whose health listener is at `address` says that it is ready.
pub(super) async fn is_ready(address: &str) -> bool {
    tokio::time::timeout(LOOK, readyz(address)).await.is_ok_and(|answer| answer.unwrap_or(false))
}

async fn readyz(address: &str) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET /readyz HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut status = [0; 12];
    stream.read_exact(&mut status).await?;
    Ok(status.ends_with(b" 200"))
}

/// Returns once every router answers `token`'s person with a list of rooms and every shard has a leader; with it the
/// nodes' ids by name.
pub(super) async fn serving(plan: Plan, token: String) -> BTreeMap<String, u64> {
    for router in &plan.routers {
        while !is_ready(&router.address("metrics")).await {
            tokio::time::sleep(POLL).await;
        }
    }
    let mut ids = BTreeMap::new();
    for router in &plan.routers {
        loop {
            match look(&router.grpc_url(), &token, plan.nodes.len()).await {
                Ok(Some(found)) => {
                    ids = found;
                    break;
                }
                Ok(None) => {}
                Err(error) => tracing::debug!(router = router.name, %error, "does not serve yet"),
            }
            tokio::time::sleep(POLL).await;
        }
    }
    ids
}

/// Logs in, lists rooms, and asks for the cluster's status. None: something is still missing.
async fn look(url: &str, token: &str, nodes: usize) -> Result<Option<BTreeMap<String, u64>>, ClientError> {
    let mut config = Config::new([url], token);
    config.connect_deadline = LOOK;
    config.deadline = LOOK;
    let client = Client::connect(config).await?;
    client.list_rooms(RoomFilter::Unspecified, 1, "").await?;
    let status = client.cluster_status().await?;
    let led = !status.shards.is_empty() && status.shards.iter().all(|shard| shard.leader != 0);
    let ids: BTreeMap<String, u64> = status.nodes.into_iter().map(|node| (node.name, node.id)).collect();
    Ok((led && ids.len() >= nodes).then_some(ids))
}

#[derive(Serialize)]
struct ReadyFile<'a> {
    routers: Vec<RouterEntry>,
    nodes: Vec<NodeEntry>,
    tokens: &'a BTreeMap<String, String>,
    ca: PathBuf,
}

#[derive(Serialize)]
struct RouterEntry {
    name: String,
    site: &'static str,
    grpc: String,
    ws: String,
    metrics: String,
    pid: u32,
}

#[derive(Serialize)]
struct NodeEntry {
    /// As text, as in ProtoJSON: many readers of JSON cannot hold 64 bits.
    id: String,
    name: String,
    site: &'static str,
    rpc: String,
    metrics: String,
    pid: u32,
    data: PathBuf,
}

/// Writes the file that tells programs how to reach the cluster. A process that is down has the pid 0.
pub(super) fn write(
    path: &Path,
    layout: &Layout,
    plan: &Plan,
    ids: &BTreeMap<String, u64>,
    tokens: &BTreeMap<String, String>,
    pid: impl Fn(&str) -> u32,
) -> Result<()> {
    let routers = plan.routers.iter().map(|router| RouterEntry {
        name: router.name.clone(),
        site: router.site,
        grpc: router.grpc_url(),
        ws: router.ws_url(),
        metrics: router.metrics_url(),
        pid: pid(&router.name),
    });
    let nodes = plan.nodes.iter().map(|node| NodeEntry {
        id: ids.get(&node.name).copied().unwrap_or(0).to_string(),
        name: node.name.clone(),
        site: node.site,
        rpc: node.address("rpc"),
        metrics: node.metrics_url(),
        pid: pid(&node.name),
        data: layout.node_data(&node.name),
    });
    let file = ReadyFile { routers: routers.collect(), nodes: nodes.collect(), tokens, ca: layout.ca_cert() };
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        std::fs::create_dir_all(parent).with_context(|| format!("cannot make the directory {}", parent.display()))?;
    }
    files::write_private(path, &serde_json::to_vec_pretty(&file)?)
}
