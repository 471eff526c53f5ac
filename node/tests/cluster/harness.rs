//! Nodes that are started, killed and started again.

use std::{sync::Arc, time::Duration};

use hansard_node::{NodeConfig, NodeHandle, RunError, Seams, run};
use hansard_runtime::{OsEntropy, SystemClock, net::TcpTransport};
use hansard_storage::{Options, RocksOptions, Store};
use tempfile::TempDir;

/// Sites in turn.
const SITES: [&str; 3] = ["boston", "denver", "bangalore"];

/// A cluster's nodes.
pub(crate) struct Cluster {
    pub(crate) configs: Vec<NodeConfig>,
    pub(crate) nodes: Vec<Option<NodeHandle>>,
    dirs: Vec<TempDir>,
}

pub(crate) fn seams() -> Seams {
    Seams { transport: Arc::new(TcpTransport), clock: Arc::new(SystemClock), entropy: Arc::new(OsEntropy), open: None }
}

/// An address that was free a moment ago.
pub(crate) fn free_address() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

pub(crate) fn config(at: usize, dir: &TempDir, listen: &str, seeds: &[String], expect: u32) -> NodeConfig {
    NodeConfig {
        listen: listen.to_owned(),
        metrics_listen: "127.0.0.1:0".to_owned(),
        seeds: seeds.to_vec(),
        bootstrap_expect: expect,
        shards: 3,
        heartbeat: Duration::from_millis(150),
        election: Duration::from_millis(700),
        ..NodeConfig::new(format!("n{at}"), SITES[at % SITES.len()], dir.path())
    }
}

impl Cluster {
    /// Starts so many nodes, which found a cluster.
    pub(crate) async fn start(count: usize) -> Self {
        let addresses: Vec<String> = (0..count).map(|_| free_address()).collect();
        let mut cluster = Self { configs: Vec::new(), nodes: Vec::new(), dirs: Vec::new() };
        for (at, address) in addresses.iter().enumerate() {
            let dir = tempfile::tempdir().unwrap();
            cluster.configs.push(config(at, &dir, address, &addresses, count as u32));
            cluster.dirs.push(dir);
            cluster.nodes.push(None);
        }
        for at in 0..count {
            cluster.restart(at).await;
        }
        cluster.ready().await;
        cluster
    }

    /// Adds a node that knows the seeds and is none of them.
    pub(crate) async fn add(&mut self) -> usize {
        let at = self.configs.len();
        let dir = tempfile::tempdir().unwrap();
        let seeds = self.configs[0].seeds.clone();
        self.configs.push(config(at, &dir, &free_address(), &seeds, seeds.len() as u32));
        self.dirs.push(dir);
        self.nodes.push(None);
        self.restart(at).await;
        at
    }

    pub(crate) async fn restart(&mut self, at: usize) {
        self.nodes[at] = Some(self.try_start(at).await.unwrap());
    }

    /// Starts a node on a disk that never has enough room.
    pub(crate) async fn restart_full(&mut self, at: usize) {
        let open = |options: Options| {
            let full = Options { ballast_bytes: 0, stop_accepting_below: u64::MAX, ..options };
            Store::open_real(full, RocksOptions::default())
        };
        let seams = Seams { open: Some(Arc::new(open)), ..seams() };
        self.nodes[at] = Some(run(self.configs[at].clone(), seams).await.unwrap());
    }

    pub(crate) async fn try_start(&self, at: usize) -> Result<NodeHandle, RunError> {
        run(self.configs[at].clone(), seams()).await
    }

    /// Stops a node as a crash would.
    pub(crate) async fn kill(&mut self, at: usize) {
        self.nodes[at].take().unwrap().kill().await;
    }

    /// Waits until all running nodes are ready.
    pub(crate) async fn ready(&self) {
        eventually("all nodes are ready", || self.nodes.iter().flatten().all(NodeHandle::ready)).await;
    }

    pub(crate) fn id(&self, at: usize) -> u64 {
        self.nodes[at].as_ref().unwrap().id
    }

    pub(crate) fn address(&self, at: usize) -> String {
        self.configs[at].listen.clone()
    }

    /// Stops all nodes; their directories live for as long as what this returns.
    pub(crate) async fn shutdown(mut self) -> Vec<TempDir> {
        let running: Vec<NodeHandle> = self.nodes.iter_mut().filter_map(Option::take).collect();
        let stopping = running.into_iter().map(NodeHandle::shutdown);
        futures_util::future::join_all(stopping).await;
        self.dirs
    }
}

/// Waits for what must come, for as long as a very slow machine may need.
pub(crate) async fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    for _ in 0..1_200 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("in a minute it has not come to pass that {what}");
}
