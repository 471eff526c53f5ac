//! The cluster under load: one of our own, or one that runs already.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use hansard_client::{Client, Config};
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

use crate::{args::Common, disk, meter::Meter, process};

/// How long a cluster may take to serve.
const START: Duration = Duration::from_secs(120);
/// How long it may take to stop.
const STOP: Duration = Duration::from_secs(60);

/// The ready file of a cluster of our own, in its directory.
const READY: &str = "ready.json";
/// Its data.
const DATA: &str = "data";

/// A cluster under load.
pub(crate) struct Target {
    routers: Vec<String>,
    token: String,
    ca: Option<Vec<u8>>,
    pub(crate) meter: Meter,
    dev: Option<Dev>,
}

/// A node of a cluster of our own.
pub(crate) struct DevNode {
    pub(crate) id: u64,
    pub(crate) name: String,
    pid: u32,
}

impl DevNode {
    /// Ends its process: in order, or at once.
    pub(crate) fn end(&self, in_order: bool) -> Result<()> {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw).context("the node is down")?;
        Ok(kill_process(pid, if in_order { Signal::TERM } else { Signal::KILL })?)
    }
}

/// A cluster of our own.
struct Dev {
    child: Child,
    directory: PathBuf,
    keep: bool,
}

/// What `hansard dev --ready-file` tells.
#[derive(Deserialize)]
struct Ready {
    routers: Vec<Server>,
    nodes: Vec<Server>,
    tokens: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Server {
    /// Nodes have one.
    #[serde(default)]
    id: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    grpc: String,
    #[serde(default)]
    metrics: String,
    pid: u32,
}

/// Does something to the cluster that is asked for, and stops what was started, also after Ctrl-C or a termination.
pub(crate) async fn with_target<T>(common: &Common, work: impl AsyncFnOnce(&Target) -> Result<T>) -> Result<T> {
    let mut terminated = signal(SignalKind::terminate())?;
    let mut interrupted = signal(SignalKind::interrupt())?;
    let mut stopped = async || {
        tokio::select! {
            _ = terminated.recv() => {}
            _ = interrupted.recv() => {}
        }
    };
    let target = tokio::select! {
        target = Target::start(common) => target?,
        () = stopped() => bail!("interrupted while the cluster started"),
    };
    let result = tokio::select! {
        result = work(&target) => result,
        () = stopped() => Err(anyhow::anyhow!("interrupted")),
    };
    target.stop().await;
    result
}

impl Target {
    async fn start(common: &Common) -> Result<Self> {
        if common.dev {
            return start_dev(common).await;
        }
        let ca = match &common.ca {
            Some(path) => Some(std::fs::read(path).with_context(|| format!("can't read {}", path.display()))?),
            None => None,
        };
        if let Some(path) = &common.ready_file {
            return Ok(Self { ca, ..from_ready(path)? });
        }
        let routers: Vec<_> = common.router.iter().filter(|router| !router.is_empty()).cloned().collect();
        let Some(token) = common.token.clone().filter(|token| !token.is_empty()) else {
            bail!("say what to load: --dev, or --ready-file FILE of a running `hansard dev`, or --router and --token");
        };
        if routers.is_empty() {
            bail!("no router is given: use --dev, --ready-file, or --router (or HANSARD_ROUTER)");
        }
        Ok(Self { routers, token, ca, meter: Meter::default(), dev: None })
    }

    /// Opens a session of its own.
    pub(crate) async fn connect(&self) -> Result<Client> {
        let mut config = Config::new(self.routers.iter(), self.token.trim());
        config.agent = concat!("hansard-load/", env!("CARGO_PKG_VERSION")).to_owned();
        config.ca_pem.clone_from(&self.ca);
        config.connect_deadline = Duration::from_secs(30);
        Ok(Client::connect(config).await?)
    }

    /// Opens so many sessions, a bounded number at once.
    pub(crate) async fn connect_many(&self, count: u32) -> Result<Vec<Client>> {
        const AT_ONCE: usize = 32;
        let mut clients = Vec::with_capacity(count as usize);
        while clients.len() < count as usize {
            let some = AT_ONCE.min(count as usize - clients.len());
            clients.extend(crate::connect::all(some, || self.connect()).await?);
        }
        Ok(clients)
    }

    /// A node of a cluster of our own, as it runs now.
    pub(crate) fn node(&self, index: usize) -> Result<DevNode> {
        let path = self.dev()?.directory.join(READY);
        let ready = read_ready(&path)?;
        let Some(node) = ready.nodes.into_iter().nth(index) else { bail!("there is no node {index}") };
        let id = node.id.parse().with_context(|| format!("{} names no node {index}", path.display()))?;
        Ok(DevNode { id, name: node.name, pid: node.pid })
    }

    /// Starts a process of a cluster of our own again, and waits until it is ready.
    pub(crate) async fn restart(&self, name: &str) -> Result<()> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["dev", "restart", name, "--data"]).arg(self.dev()?.directory.join(DATA));
        let said = command.stdin(Stdio::null()).output().await?;
        ensure!(said.status.success(), "{name} does not start again: {}", String::from_utf8_lossy(&said.stderr));
        Ok(())
    }

    /// Removes the data of a node of a cluster of our own whose process is ending.
    pub(crate) async fn wipe(&self, node: &DevNode) -> Result<()> {
        let begun = Instant::now();
        while process::usage(node.pid).is_some_and(|usage| usage.rss_bytes > 0) {
            ensure!(begun.elapsed() < STOP, "{} does not end", node.name);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let data = self.dev()?.directory.join(DATA).join(&node.name);
        std::fs::remove_dir_all(&data).with_context(|| format!("can't remove {}", data.display()))
    }

    fn dev(&self) -> Result<&Dev> {
        self.dev.as_ref().context("only a cluster of its own will do; say --dev")
    }

    async fn stop(self) {
        if let Some(dev) = self.dev {
            dev.stop().await;
        }
    }
}

async fn start_dev(common: &Common) -> Result<Target> {
    std::fs::create_dir_all(&common.data).with_context(|| format!("can't make {}", common.data.display()))?;
    disk::require_disk(&common.data)?;
    let started = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let directory = common.data.canonicalize()?.join(format!("{}-{}", started.as_millis(), std::process::id()));
    std::fs::create_dir(&directory).with_context(|| format!("can't make {}", directory.display()))?;
    let ready = directory.join(READY);
    let log = std::fs::File::create(directory.join("dev.log"))?;
    let child = Command::new(std::env::current_exe()?)
        .arg("dev")
        .args(["--nodes", &common.nodes.to_string(), "--routers", &common.routers.to_string()])
        .args(["--shards", &common.shards.to_string()])
        .arg("--data")
        .arg(directory.join(DATA))
        .arg("--ready-file")
        .arg(&ready)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        // Ctrl-C reaches this process alone, which then stops the cluster in order.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .context("can't start `hansard dev`")?;
    let mut dev = Dev { child, directory, keep: common.keep };
    if let Err(error) = dev.wait_until_ready(&ready).await {
        dev.keep = true;
        let directory = dev.directory.display().to_string();
        dev.stop().await;
        return Err(error.context(format!("its log and data are in {directory}")));
    }
    let mut target = from_ready(&ready)?;
    target.meter.servers.extend(dev.child.id().map(|pid| (pid, "dev".to_owned())));
    target.dev = Some(dev);
    Ok(target)
}

fn read_ready(path: &Path) -> Result<Ready> {
    let text = std::fs::read(path).with_context(|| format!("can't read the ready file {}", path.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("{} is no ready file", path.display()))
}

fn from_ready(path: &Path) -> Result<Target> {
    let ready = read_ready(path)?;
    let token = ready.tokens.get("alice").or_else(|| ready.tokens.values().next());
    let token = token.context("the ready file has no token")?.clone();
    let servers = ready.nodes.iter().chain(&ready.routers).enumerate();
    let servers = servers.filter(|(_, server)| server.pid != 0).map(|(at, server)| {
        let name = if server.name.is_empty() { format!("server{at}") } else { server.name.clone() };
        (server.pid, name)
    });
    let meter = Meter {
        servers: servers.collect(),
        metrics: ready.nodes.iter().map(|node| node.metrics.clone()).filter(|url| !url.is_empty()).collect(),
    };
    let routers = ready.routers.into_iter().map(|router| router.grpc).collect();
    Ok(Target { routers, token, ca: None, meter, dev: None })
}

impl Dev {
    async fn wait_until_ready(&mut self, ready: &Path) -> Result<()> {
        let begun = Instant::now();
        while !ready.exists() {
            if let Some(status) = self.child.try_wait()? {
                let log = std::fs::read_to_string(self.directory.join("dev.log")).unwrap_or_default();
                let tail: Vec<_> = log.lines().rev().take(5).collect();
                bail!("`hansard dev` ended ({status}): {}", tail.into_iter().rev().collect::<Vec<_>>().join(" | "));
            }
            if begun.elapsed() > START {
                bail!("the cluster did not serve within {START:?}");
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }

    async fn stop(mut self) {
        let pid = self.child.id().and_then(|pid| Pid::from_raw(pid as i32));
        // One that is gone already needs no signal.
        let _ = pid.map(|pid| kill_process(pid, Signal::TERM));
        if tokio::time::timeout(STOP, self.child.wait()).await.is_err() {
            eprintln!("hansard: the cluster did not stop within {STOP:?} and is killed");
            // Its servers end with it.
            let _ = self.child.kill().await;
        }
        if self.keep {
            eprintln!("hansard: the data is kept in {}", self.directory.display());
        } else if let Err(error) = std::fs::remove_dir_all(&self.directory) {
            eprintln!("hansard: can't remove {}: {error}", self.directory.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_ready_file() {
        let path = std::env::temp_dir().join(format!("hansard-ready-{}.json", std::process::id()));
        let text = r#"{"routers":[{"name":"router1","site":"boston","grpc":"http://127.0.0.1:1","ws":"ws://x","metrics":"http://127.0.0.1:2/metrics","pid":11}],
            "nodes":[{"id":"5","name":"node1","rpc":"127.0.0.1:3","metrics":"http://127.0.0.1:4/metrics","pid":12,"data":"/d"},{"id":"6","name":"node2","metrics":"http://127.0.0.1:5/metrics","pid":0}],
            "tokens":{"alice":"ta","bob":"tb"},"ca":"/ca"}"#;
        std::fs::write(&path, text).unwrap();
        let target = from_ready(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!((target.routers, target.token.as_str()), (vec!["http://127.0.0.1:1".to_owned()], "ta"));
        assert_eq!(target.meter.servers, BTreeMap::from([(11, "router1".into()), (12, "node1".into())]));
        assert_eq!(target.meter.metrics.len(), 2);
    }
}
