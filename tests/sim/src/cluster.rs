//! The hosts: nodes on simulated disks, and routers.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use hansard_node::NodeConfig;
use hansard_router::RouterConfig;
use hansard_runtime::SeededEntropy;
use hansard_storage::{Options, Seams as StoreSeams, SimDisk, SimEngine, Store, WriterMode};
use turmoil::Sim;

use crate::{clock::HostClock, lying::LyingDisk, net::TurmoilTransport, seed::Plan, tokens, trace};

/// Nodes of the cluster.
pub(crate) const NODES: usize = 3;
/// Routers before it.
pub(crate) const ROUTERS: usize = 2;
const SITES: [&str; NODES] = ["boston", "denver", "bangalore"];
/// How often what would be the store's threads run.
const PUMP: Duration = Duration::from_millis(2);

/// A node's host name.
pub(crate) fn node_name(index: usize) -> String {
    format!("node{index}")
}

/// A router's host name.
pub(crate) fn router_name(index: usize) -> String {
    format!("router{index}")
}

/// A router's URL.
pub(crate) fn router_url(index: usize) -> String {
    format!("http://{}:7000", router_name(index))
}

/// What of a node outlives its process.
struct Machine {
    disk: SimDisk,
    engine: SimEngine,
    store: Option<Store>,
    lives: u64,
}

/// A node's machine. Clones share it.
#[derive(Clone)]
pub(crate) struct NodeHost {
    index: usize,
    machine: Arc<Mutex<Machine>>,
    dying: Arc<AtomicBool>,
    clock_offset_us: i64,
    seed: u64,
    mode: WriterMode,
    lying: bool,
}

impl NodeHost {
    fn new(index: usize, plan: &Plan) -> Self {
        let machine =
            Machine { disk: SimDisk::new(plan.derive("disk", index)), engine: SimEngine::new(), store: None, lives: 0 };
        Self {
            index,
            machine: Arc::new(Mutex::new(machine)),
            dying: Arc::default(),
            clock_offset_us: plan.clock_offsets_us[index],
            seed: plan.derive("node", index),
            mode: plan.writer,
            lying: plan.lying,
        }
    }

    fn machine(&self) -> MutexGuard<'_, Machine> {
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its store, while its process lives.
    pub(crate) fn store(&self) -> Option<Store> {
        self.machine().store.clone()
    }

    /// Ends its process; with the power, what was not synced is lost as the seed says.
    pub(crate) fn crash(&self, sim: &mut Sim<'_>, power: bool, dice: u64) {
        self.dying.store(true, Ordering::SeqCst);
        let disk = self.machine().disk.clone();
        // First the disk, so that nothing is tidied up by what ends with the process.
        if power {
            disk.crash()
        } else {
            disk.kill()
        }
        sim.crash(node_name(self.index));
        let mut machine = self.machine();
        let store = machine.store.take();
        machine.engine = machine.engine.crash(dice);
        drop(machine);
        drop(store);
        self.dying.store(false, Ordering::SeqCst);
    }

    /// The node's process.
    async fn run(self) -> turmoil::Result {
        let mut config = NodeConfig::new(node_name(self.index), SITES[self.index], "/simulated");
        config.listen = "0.0.0.0:7400".to_owned();
        config.metrics_listen = "0.0.0.0:7401".to_owned();
        config.advertise = Some(format!("{}:7400", node_name(self.index)));
        config.seeds = (0..NODES).map(|index| format!("{}:7400", node_name(index))).collect();
        config.bootstrap_expect = NODES as u32;
        config.shards = 2;
        config.allow_plaintext = true;
        let life = {
            let mut machine = self.machine();
            machine.lives += 1;
            machine.lives
        };
        let opener = self.clone();
        let seams = hansard_node::Seams {
            transport: Arc::new(TurmoilTransport),
            clock: Arc::new(HostClock { offset_us: self.clock_offset_us }),
            entropy: Arc::new(SeededEntropy::new(self.seed ^ life.wrapping_mul(0x9e37_79b9_7f4a_7c15))),
            open: Some(Arc::new(move |options| opener.open(options))),
        };
        let handle = hansard_node::run(config, seams).await?;
        std::future::pending::<()>().await;
        drop(handle);
        Ok(())
    }

    fn open(&self, options: Options) -> Result<Store, hansard_storage::OpenError> {
        let (disk, engine) = {
            let machine = self.machine();
            (machine.disk.clone(), machine.engine.clone())
        };
        let (dying, name) = (self.dying.clone(), node_name(self.index));
        let seams = StoreSeams {
            disk: if self.lying { Arc::new(LyingDisk(disk)) } else { Arc::new(disk) },
            engine: Box::new(move || Ok(Arc::new(engine))),
            writer: self.mode,
            fatal: Arc::new(move |what| {
                assert!(dying.load(Ordering::SeqCst), "{name}: a storage error that was not injected: {what}");
            }),
        };
        let options = Options {
            cluster: options.cluster,
            segment_bytes: 2 << 20,
            flush_after_bytes: 64 << 10,
            ..Options::small(options.dir, options.fresh)
        };
        let store = Store::open(options, seams)?;
        self.machine().store = Some(store.clone());
        tokio::spawn(pump(store.clone()));
        Ok(store)
    }
}

/// Does what the store's threads do in production.
async fn pump(store: Store) {
    for round in 1u64.. {
        tokio::time::sleep(PUMP).await;
        store.pump();
        if round.is_multiple_of(8) {
            store.sync_mark();
        }
        if round.is_multiple_of(64) {
            store.probe_space();
            // A failure has called the fatal hook.
            let _ = store.flush_if_due();
        }
    }
}

/// Adds the nodes and routers.
pub(crate) fn build(sim: &mut Sim<'_>, plan: &Plan, jwks: &Path) -> Vec<NodeHost> {
    let nodes: Vec<NodeHost> = (0..NODES).map(|index| NodeHost::new(index, plan)).collect();
    for node in &nodes {
        let node = node.clone();
        sim.host(node_name(node.index), move || node.clone().run());
    }
    for index in 0..ROUTERS {
        let (jwks, seed) = (jwks.to_owned(), plan.derive("router", index));
        sim.host(router_name(index), move || run_router(index, jwks.clone(), seed));
    }
    nodes
}

async fn run_router(index: usize, jwks: PathBuf, seed: u64) -> turmoil::Result {
    let config: RouterConfig = serde_json::from_value(serde_json::json!({
        "name": router_name(index), "site": SITES[index],
        "grpc_listen": "0.0.0.0:7000", "ws_listen": "0.0.0.0:7001", "metrics_listen": "0.0.0.0:7002",
        "advertise_grpc": router_url(index),
        "nodes": (0..NODES).map(|index| format!("{}:7400", node_name(index))).collect::<Vec<_>>(),
        "allow_plaintext": true, "jwks": jwks, "issuer": tokens::ISSUER,
    }))?;
    let seams = hansard_router::Seams {
        transport: Arc::new(TurmoilTransport),
        clock: Arc::new(HostClock { offset_us: 0 }),
        entropy: Arc::new(SeededEntropy::new(seed ^ turmoil::sim_elapsed().unwrap_or_default().as_nanos() as u64)),
    };
    let handle = hansard_router::run(config, seams).await?;
    trace::note("router started");
    std::future::pending::<()>().await;
    drop(handle);
    Ok(())
}
