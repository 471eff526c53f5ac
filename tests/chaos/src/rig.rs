//! The cluster with everything around it.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use hansard_tokens::{AUDIENCE, ISSUER, Issuer};

use crate::claims::Claims;
use crate::host::network::{self, SITES};
use crate::host::process::Process;
use crate::journal::Journal;
use crate::operator::Operator;
use crate::signals::Signals;
use crate::slot::{Slot, listens};

/// Nodes that found the cluster.
pub(crate) const FOUNDERS: usize = 5;
/// Places for nodes: one is free, for joins.
const SLOTS: usize = 6;
const ROUTERS: usize = 2;

/// Where things are.
#[derive(Debug, Clone)]
pub(crate) struct Paths {
    /// Volumes, and all else.
    pub(crate) root: PathBuf,
    /// Settings and clocks.
    pub(crate) config: PathBuf,
    /// What the processes said.
    pub(crate) logs: PathBuf,
    /// Histories.
    pub(crate) histories: PathBuf,
}

impl Paths {
    /// Makes the directories; those of an earlier run are emptied.
    pub(crate) fn make(root: &Path) -> Result<Self> {
        let root = std::path::absolute(root)?;
        let paths =
            Self { config: root.join("config"), logs: root.join("logs"), histories: root.join("histories"), root };
        for directory in [&paths.config, &paths.logs, &paths.histories] {
            if directory.exists() {
                std::fs::remove_dir_all(directory)?;
            }
            std::fs::create_dir_all(directory).with_context(|| format!("making {}", directory.display()))?;
        }
        Ok(paths)
    }
}

/// The cluster with everything around it.
pub(crate) struct Rig {
    pub(crate) paths: Paths,
    pub(crate) journal: Journal,
    pub(crate) slots: Vec<Slot>,
    pub(crate) routers: Vec<Process>,
    pub(crate) claims: Claims,
    pub(crate) issuer: Issuer,
    pub(crate) operator: Operator,
    /// See [`ending`](Self::ending) and [`stopping`](Self::stopping).
    signals: Signals,
}

impl Rig {
    /// Makes namespaces, volumes and settings, and starts the servers.
    pub(crate) fn start(hansard: &Path, paths: Paths, signals: Signals) -> Result<Self> {
        let hansard = std::path::absolute(hansard)?;
        let hansard = hansard.to_str().context("the program's path is no text")?;
        network::make()?;
        let slots = (0..SLOTS).map(|number| Slot::make(number, FOUNDERS, hansard, &paths));
        let slots = slots.collect::<Result<Vec<Slot>>>()?;
        let issuer = Issuer::new()?;
        issuer.write_jwks(&paths.config.join("jwks.json"))?;
        let routers = (0..ROUTERS).map(|number| router(number, hansard, &paths)).collect::<Result<Vec<Process>>>()?;
        for slot in &slots[..FOUNDERS] {
            slot.process.start()?;
        }
        for router in &routers {
            router.start()?;
        }
        let operator = Operator::new(router_urls(), issuer.token("operator", &["operator"])?, signals.clone())?;
        let sites = slots.iter().map(|slot| slot.site).chain((0..ROUTERS).map(router_site));
        let claims = Claims::new(sites.collect(), SLOTS, FOUNDERS);
        Ok(Self { paths, journal: Journal::new(), slots, routers, claims, issuer, operator, signals })
    }

    /// Whether no more faults are to come: one signal. The run heals, checks, and has its verdict.
    pub(crate) fn ending(&self) -> bool {
        self.signals.ending()
    }

    /// Whether all is to be dropped: a second signal.
    pub(crate) fn stopping(&self) -> bool {
        self.signals.stopping()
    }

    /// Sleeps, but not when all is to be dropped.
    pub(crate) fn sleep(&self, time: Duration) {
        self.sleep_unless(time, || self.stopping());
    }

    /// Lets a while go by, but no longer than the run is to go on.
    pub(crate) fn linger(&self, time: Duration) {
        self.sleep_unless(time, || self.ending());
    }

    fn sleep_unless(&self, time: Duration, enough: impl Fn() -> bool) {
        let until = Instant::now() + time;
        while !enough() && Instant::now() < until {
            std::thread::sleep(until.saturating_duration_since(Instant::now()).min(Duration::from_millis(50)));
        }
    }

    /// Waits for something, unless all is to be dropped.
    pub(crate) fn block_on<T>(&self, what: impl Future<Output = Result<T>>) -> Result<T> {
        self.operator.runtime.block_on(self.signals.unless_dropped(what))
    }

    /// Waits until something is so, and says whether it came to that.
    pub(crate) fn wait(&self, within: Duration, mut so: impl FnMut() -> bool) -> bool {
        let until = Instant::now() + within;
        while !so() {
            if self.stopping() || Instant::now() > until {
                return false;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        true
    }

    /// The place of the node that listens at an address (`host:port`).
    pub(crate) fn slot_at(&self, address: &str) -> Result<&Slot> {
        let slot = self.slots.iter().find(|slot| listens(&slot.address) == address);
        slot.with_context(|| format!("nobody listens at {address}"))
    }

    /// Addresses of all servers that have one: places for nodes first, then routers.
    pub(crate) fn addresses(&self) -> Vec<(usize, String)> {
        let nodes = self.slots.iter().map(|slot| (slot.site, slot.address.clone()));
        nodes.chain((0..ROUTERS).map(|number| (router_site(number), router_address(number)))).collect()
    }
}

fn router_site(number: usize) -> usize {
    number % SITES.len()
}

fn router_address(number: usize) -> String {
    network::address(50 + number)
}

/// Where clients reach the routers.
pub(crate) fn router_urls() -> Vec<String> {
    (0..ROUTERS).map(|number| format!("http://{}:7500", router_address(number))).collect()
}

fn router(number: usize, hansard: &str, paths: &Paths) -> Result<Process> {
    let (name, site, address) = (format!("router{number}"), router_site(number), router_address(number));
    network::attach(&name, site, &address)?;
    let config = paths.config.join(format!("{name}.toml"));
    let nodes: Vec<String> = (0..SLOTS).map(|node| listens(&network::address(10 + node))).collect();
    let text = format!(
        "name = {name:?}\nsite = {:?}\ngrpc_listen = \"{address}:7500\"\nws_listen = \"{address}:7501\"\n\
         metrics_listen = \"{address}:7502\"\nnodes = {nodes:?}\njwks = {:?}\nissuer = {ISSUER:?}\n\
         audience = {AUDIENCE:?}\nallow_plaintext = true\ndrain_seconds = 2\n",
        SITES[site],
        paths.config.join("jwks.json"),
    );
    std::fs::write(&config, text)?;
    let config = config.display().to_string();
    Ok(Process {
        namespace: network::namespace(&name),
        command: [hansard, "router", "--exit-with-parent", "--config", &config].map(str::to_owned).to_vec(),
        environment: vec![],
        cgroups: vec![],
        log: paths.logs.join(format!("{name}.log")),
        child: None.into(),
    })
}
