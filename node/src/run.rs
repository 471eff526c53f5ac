//! Starting and stopping a node.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use hansard_domain::bug::{self, Bug};
use hansard_runtime::{
    DrainTrigger, Health, Metrics,
    drain::drain,
    health::HealthListener,
    net::{Listener, Tls},
    serve_health,
};
use hansard_storage::{FreshIdentity, Options, RocksOptions, Store};
use tokio::{task::JoinHandle, time::Instant};

use crate::{
    config::{NodeConfig, Seams},
    error::RunError,
    fanout::Fanout,
    links::{DirectoryHub, Links},
    meta::{self, Binding, Calls, Fullness, Hosting, Known},
    metrics::{self, NodeMetrics},
    raft::{Dial, NodeInfo, Peers, Tuning, blocking::blocking, handshake::Handshake},
    serve::serve,
    shard::{HostSeams, ShardHost},
    state::Node,
};

/// How long the listener may take to end its streams after everything else has stopped.
const LINGER: Duration = Duration::from_secs(2);

/// How long what was queued for routers may take to be sent before the connections break.
const FAREWELL: Duration = Duration::from_millis(200);

/// A running node.
pub struct NodeHandle {
    /// The node's id.
    pub id: u64,
    /// Where it listens for nodes and routers, with the real port.
    pub addr: String,
    /// Where it listens for probes and scrapes, with the real port.
    pub metrics_addr: String,
    node: Arc<Node>,
    tasks: Vec<JoinHandle<()>>,
    server: JoinHandle<()>,
    serving: DrainTrigger,
    probes: HealthListener,
    probing: DrainTrigger,
}

impl NodeHandle {
    /// Drains and stops: no longer ready, hands its leaderships over, flushes, closes.
    pub async fn shutdown(mut self) {
        tracing::info!(node = self.id, "draining");
        self.node.draining.store(true, Ordering::SeqCst);
        self.node.health.set_draining();
        for task in self.tasks.drain(..) {
            task.abort();
        }
        self.node.host.shutdown().await;
        for link in self.node.links.all() {
            link.outbox.close();
        }
        tokio::time::sleep(FAREWELL).await;
        let store = self.node.store.clone();
        let id = self.id;
        self.part().await;
        if let Err(error) = blocking(|| store.close()) {
            tracing::error!(%error, "the store did not close cleanly; the next start replays its log");
        }
        tracing::info!(node = id, "stopped");
    }

    /// Breaks all connections, and waits a little until nothing holds the node any more: then its directory is free.
    async fn part(mut self) {
        self.serving.start();
        self.node.peers.close();
        if tokio::time::timeout(LINGER, &mut self.server).await.is_err() {
            self.server.abort();
        }
        self.probing.start();
        self.probes.closed().await;
        let until = Instant::now() + LINGER;
        while Arc::strong_count(&self.node) > 1 && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Stops at once, as a crash would: nothing is handed over. What is on the disk stays as it is.
    pub async fn kill(mut self) {
        for task in self.tasks.drain(..) {
            task.abort();
        }
        self.serving.start();
        self.node.peers.close();
        for shard in self.node.host.shards() {
            // Stopping a shard does not fail.
            let _ = self.node.host.stop(shard).await;
        }
        for link in self.node.links.all() {
            link.outbox.abandon();
        }
        self.part().await;
    }

    /// Waits until the node finds that it must not go on, such as with another cluster's data; says why. It should be shut
    /// down then.
    pub async fn misplaced(&self) -> String {
        let mut misplaced = self.node.misplaced.subscribe();
        match misplaced.wait_for(Option::is_some).await {
            Ok(why) => why.as_ref().map(ToString::to_string).unwrap_or_default(),
            Err(_) => std::future::pending().await,
        }
    }

    /// Whether the node has caught up and serves.
    pub fn ready(&self) -> bool {
        self.node.health.ready()
    }
}

/// Starts a node: opens its directory, listens, goes on with its shards, or founds or joins a cluster in the background.
///
/// # Errors
/// [`RunError`] says what to do.
pub async fn run(config: NodeConfig, seams: Seams) -> Result<NodeHandle, RunError> {
    config.check()?;
    let tls = config.tls.as_ref().map(Tls::load).transpose()?;
    let store = open(&config, &seams)?;
    let listener = listen(&seams, &config.listen).await?;
    let addr = listener.local_addr();
    let metrics = Metrics::new();
    let node = assemble(config, seams, store, tls.clone(), &addr, &metrics)?;
    metrics::register_state(&metrics, &node);
    let (probing, probe_drain) = drain();
    let probes =
        serve_health(&*node.seams.transport, &node.config.metrics_listen, node.health.clone(), metrics, probe_drain)
            .await
            .map_err(|source| RunError::Listen { address: node.config.metrics_listen.clone(), source })?;
    let metrics_addr = probes.address.clone();
    node.host.start_stored().await.map_err(|error| RunError::Host(error.to_string()))?;
    node.health.set_started();
    let (serving, serve_drain) = drain();
    let server = serve(&node, listener, tls, serve_drain);
    tracing::info!(node = node.local.id, name = node.local.name, site = node.local.site, addr, "node started");
    Ok(NodeHandle {
        id: node.local.id,
        addr,
        metrics_addr,
        tasks: meta::spawn(&node),
        node,
        server,
        serving,
        probes,
        probing,
    })
}

fn open(config: &NodeConfig, seams: &Seams) -> Result<Store, RunError> {
    let mut fresh = FreshIdentity { store: [0; 16], node: 0 };
    seams.entropy.fill(&mut fresh.store);
    while fresh.node == 0 {
        let mut id = [0; 8];
        seams.entropy.fill(&mut id);
        fresh.node = u64::from_be_bytes(id);
    }
    if bug::is(Bug::NodeIdReused) {
        fresh.node = config.advertise.iter().flat_map(|address| address.bytes()).map(u64::from).sum();
    }
    let open = seams.open.clone();
    let memory = config.memory;
    let options = Options {
        tail_cache_bytes: memory.log_cache,
        // Above what the log is kept to, so that little is written again that will soon be purged.
        log_target_bytes: config.log_bytes.saturating_mul(2),
        // A little before RocksDB finds the first of its three buffers full, filter and index included: it would begin another, and
        // the next flush write that one nearly empty.
        flush_after_bytes: memory.write_buffers as u64 / 4,
        ..Options::new(&config.data, fresh)
    };
    let rocks = RocksOptions::bounded(memory.write_buffers, memory.block_cache);
    let opened = blocking(|| match open {
        Some(open) => open(options),
        None => Store::open_real(options, rocks),
    });
    Ok(opened?)
}

async fn listen(seams: &Seams, address: &str) -> Result<Box<dyn Listener>, RunError> {
    let listened = seams.transport.listen(address).await;
    listened.map_err(|source| RunError::Listen { address: address.to_owned(), source })
}

fn assemble(
    config: NodeConfig,
    seams: Seams,
    store: Store,
    tls: Option<Arc<Tls>>,
    addr: &str,
    metrics: &Metrics,
) -> Result<Arc<Node>, RunError> {
    let local = NodeInfo {
        id: store.identity().node,
        name: config.name.clone(),
        site: config.site.clone(),
        address: config.advertise.clone().unwrap_or_else(|| addr.to_owned()),
    };
    let handshake = Handshake::default();
    let dial = Dial { transport: seams.transport.clone(), tls: tls.clone(), handshake: handshake.clone() };
    let tuning = Tuning::from_millis(config.heartbeat.as_millis() as u64, config.election.as_millis() as u64)
        .with_snapshot_entries(config.snapshot_entries);
    let tuning = Tuning {
        log_bytes: config.log_bytes,
        snapshot_bytes_per_second: config.snapshot_bytes_per_second,
        shard_cache_bytes: config.memory.shard_cache,
        ..tuning
    };
    let peers = Peers::new(local.clone(), dial, tuning.silence);
    let fanout = Arc::new(Fanout::default());
    let host = ShardHost::new(HostSeams {
        local: local.clone(),
        store: store.clone(),
        peers: peers.clone(),
        clock: seams.clock.clone(),
        entropy: seams.entropy.clone(),
        sink: fanout.clone(),
        tuning,
    })
    .map_err(|error| RunError::Config(error.to_string()))?;
    let links = Arc::new(Links::default());
    Ok(Arc::new(Node {
        calls: Calls::new(seams.transport.clone(), tls),
        binding: Binding::new(store.clone(), handshake),
        known: Known::default(),
        fullness: Fullness::default(),
        hosting: Hosting::new(),
        placing: tokio::sync::Mutex::default(),
        directory: DirectoryHub::new(links.clone()),
        metrics: NodeMetrics::register(metrics),
        health: Health::new(),
        draining: AtomicBool::new(false),
        misplaced: tokio::sync::watch::Sender::default(),
        config,
        seams,
        local,
        store,
        host,
        peers,
        fanout,
        links,
    }))
}
