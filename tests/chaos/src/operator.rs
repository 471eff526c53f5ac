//! What an operator does: looks at the status, and lets nodes join and leave.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use hansard_client::v1::{GetClusterStatusResponse, Node, NodeState};
use hansard_client::{Client, ClientError, Config};
use tokio::runtime::Runtime;

use crate::signals::Signals;

/// How long a command may take to be taken, faults included.
const PATIENCE: Duration = Duration::from_secs(120);

/// An operator's session, made anew when it is lost.
pub(crate) struct Operator {
    pub(crate) runtime: Runtime,
    config: Config,
    signals: Signals,
}

impl Operator {
    pub(crate) fn new(routers: Vec<String>, token: String, signals: Signals) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let config = Config { connect_deadline: PATIENCE, deadline: PATIENCE, ..Config::new(routers, token) };
        Ok(Self { runtime, config, signals })
    }

    /// The cluster, once the leader of meta confirms it.
    pub(crate) fn status(&self) -> Result<GetClusterStatusResponse> {
        let until = Instant::now() + PATIENCE;
        loop {
            let status = self.command("asking for the status", async |client| client.cluster_status().await)?;
            if !status.unconfirmed {
                return Ok(status);
            }
            ensure!(Instant::now() < until, "no leader of meta confirms the status");
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Nodes at an address (`host:port`) that are not gone. One that was wiped has another name than its former self.
    pub(crate) fn nodes(&self, address: &str) -> Result<Vec<Node>> {
        let gone = i32::from(NodeState::Decommissioned);
        let nodes = self.status()?.nodes.into_iter();
        Ok(nodes.filter(|node| node.address == address && node.state != gone).collect())
    }

    /// Gives a node its share.
    pub(crate) fn join(&self, node: u64) -> Result<()> {
        let said = self.command("letting a node join", async |client| client.join_node(node).await).map(drop);
        self.unless(said, node, &[NodeState::Active])
    }

    /// Moves all replicas off a node, which may be dead.
    pub(crate) fn decommission(&self, node: u64) -> Result<()> {
        let said =
            self.command("decommissioning a node", async |client| client.decommission_node(node).await).map(drop);
        self.unless(said, node, &[NodeState::Decommissioning, NodeState::Decommissioned])
    }

    /// A command that was carried out although nobody heard so is refused when it is given again.
    fn unless(&self, said: Result<()>, node: u64, states: &[NodeState]) -> Result<()> {
        let Err(error) = said else { return Ok(()) };
        let is_so = |other: &Node| other.id == node && states.iter().any(|state| i32::from(*state) == other.state);
        if self.status()?.nodes.iter().any(is_so) { Ok(()) } else { Err(error) }
    }

    /// Says it until the outcome is known, or all is to be dropped.
    fn command<T>(&self, what: &str, say: impl AsyncFn(&Client) -> Result<T, ClientError>) -> Result<T> {
        let until = Instant::now() + PATIENCE;
        let said = async {
            loop {
                let said = match Client::connect(self.config.clone()).await {
                    Ok(client) => say(&client).await,
                    Err(error) => Err(error),
                };
                match said {
                    Err(error @ (ClientError::Unknown { .. } | ClientError::Unreachable(_))) => {
                        if Instant::now() > until {
                            bail!("{error}");
                        }
                        tokio::time::sleep(Duration::from_millis(200)).await;
                    }
                    other => return Ok(other?),
                }
            }
        };
        self.runtime.block_on(self.signals.unless_dropped(said)).with_context(|| what.to_owned())
    }
}
