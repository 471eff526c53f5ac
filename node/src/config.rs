//! What a node must be told.

use std::{path::PathBuf, sync::Arc, time::Duration};

use hansard_runtime::{
    Clock, Entropy,
    net::{TlsPaths, Transport},
};

use hansard_storage::{OpenError, Options, Store};

use crate::{error::RunError, raft::Tuning};

/// Shards of a cluster that nobody sized: 4 led by each of 3 nodes, few enough to share entries, enough to use all cores.
pub const DEFAULT_SHARDS: usize = 12;

/// Most shards that a founding takes: each costs heartbeats (see `docs/adr`), and ordinals are small numbers.
pub const MAX_SHARDS: usize = 256;

/// The slowest rate of snapshots: a mebibyte a second.
const LEAST_SNAPSHOT_RATE: u64 = 1 << 20;

/// A node's configuration.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// The node's name, for people, unique in the cluster: one that is taken is registered with digits of the id behind it.
    pub name: String,
    /// The site where it stands; replicas are spread over sites.
    pub site: String,
    /// Where it listens for nodes and routers, `host:port`.
    pub listen: String,
    /// Where the others reach it, `host:port`; the listen address if `None`.
    pub advertise: Option<String>,
    /// Where it listens for probes and scrapes, plaintext, `host:port`.
    pub metrics_listen: String,
    /// The data directory, for this node alone.
    pub data: PathBuf,
    /// The same list on every node: where the nodes that found the cluster are reached.
    pub seeds: Vec<String>,
    /// How many nodes found the cluster: all of `seeds`. 0: this node never founds one.
    pub bootstrap_expect: u32,
    /// Shards to found the cluster with.
    pub shards: usize,
    /// Certificates; without them the node speaks plaintext.
    pub tls: Option<TlsPaths>,
    /// Plaintext is asked for, beyond loopback.
    pub allow_plaintext: bool,
    /// Between two signs of life that the node gives each other one. A node that is silent for three of them is held to be lost.
    pub heartbeat: Duration,
    /// The shortest election timeout; the longest is half as much again. The net below the failure detector: where that sees
    /// nothing, a follower waits for the leader's lease (the longest) and then for its own timeout.
    pub election: Duration,
    /// A shard's state becomes durable, and the log before it may go, every so many entries; a follower that is further
    /// behind gets a snapshot.
    pub snapshot_entries: u64,
    /// Bytes of the log that the node keeps, of all shards together; what is older is purged, and a follower that is further
    /// behind gets a snapshot.
    pub log_bytes: u64,
    /// Bytes of snapshots that the node sends in a second, as many that it takes in, and as many of old log entries that it sends.
    pub snapshot_bytes_per_second: u64,
    /// Memory that the node keeps of what is on its disk.
    pub memory: Memory,
}

/// Memory for what is stored, in bytes; the node's other memory is bounded by constants (see docs/performance.md).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Blocks of the state, with their indexes and filters: what people read again is served from here.
    pub block_cache: usize,
    /// Rows on their way to the disk, of all shards: three buffers of a third of it.
    pub write_buffers: usize,
    /// The newest entries of the log, of all shards: what followers and apply are fed from.
    pub log_cache: usize,
    /// Rooms, members and newest requests of one shard that are used again and again.
    pub shard_cache: usize,
}

impl Default for Memory {
    fn default() -> Self {
        Self { block_cache: 256 << 20, write_buffers: 192 << 20, log_cache: 64 << 20, shard_cache: 16 << 20 }
    }
}

/// What a node touches of the world.
#[derive(Clone)]
pub struct Seams {
    /// The network.
    pub transport: Arc<dyn Transport>,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Opens the store; `None`: the file system and RocksDB.
    pub open: Option<OpenStore>,
}

/// Opens a store, such as one on a simulated disk.
pub type OpenStore = Arc<dyn Fn(Options) -> Result<Store, OpenError> + Send + Sync>;

impl NodeConfig {
    /// A node with the documented defaults.
    pub fn new(name: impl Into<String>, site: impl Into<String>, data: impl Into<PathBuf>) -> Self {
        Self {
            name: name.into(),
            site: site.into(),
            listen: "127.0.0.1:7400".to_owned(),
            advertise: None,
            metrics_listen: "127.0.0.1:7401".to_owned(),
            data: data.into(),
            seeds: Vec::new(),
            bootstrap_expect: 0,
            shards: DEFAULT_SHARDS,
            tls: None,
            allow_plaintext: false,
            heartbeat: Duration::from_millis(250),
            election: Duration::from_millis(1_000),
            snapshot_entries: 10_000,
            log_bytes: Tuning::default().log_bytes,
            snapshot_bytes_per_second: Tuning::default().snapshot_bytes_per_second,
            memory: Memory::default(),
        }
    }

    /// Refuses what can't work, with what to do about it.
    ///
    /// # Errors
    /// [`RunError::Config`].
    pub fn check(&self) -> Result<(), RunError> {
        let refuse = |why: String| Err(RunError::Config(why));
        if self.name.is_empty() || self.name.len() > 128 {
            return refuse("name must have 1 to 128 bytes".to_owned());
        }
        if self.site.is_empty() || self.site.len() > 128 {
            return refuse("site must have 1 to 128 bytes".to_owned());
        }
        if self.shards == 0 || self.shards > MAX_SHARDS {
            return refuse(format!("shards must be 1 to {MAX_SHARDS}, not {}", self.shards));
        }
        if self.bootstrap_expect as usize > self.seeds.len() {
            return refuse(format!(
                "bootstrap-expect is {}, but only {} seeds are given: list every founding node, this one included",
                self.bootstrap_expect,
                self.seeds.len()
            ));
        }
        if self.election < self.heartbeat * 3 {
            return refuse("the election timeout must be at least three heartbeats".to_owned());
        }
        if self.snapshot_entries < 10 {
            return refuse("snapshot-entries must be at least 10: each snapshot is a flush of the state".to_owned());
        }
        if self.snapshot_bytes_per_second < LEAST_SNAPSHOT_RATE {
            return refuse(format!(
                "snapshot-bytes-per-second must be at least {LEAST_SNAPSHOT_RATE}: slower, a node never catches up"
            ));
        }
        for (name, given, least) in [
            ("block-cache-bytes", self.memory.block_cache, 8 << 20),
            ("write-buffer-bytes", self.memory.write_buffers, 12 << 20),
            ("log-cache-bytes", self.memory.log_cache, 1 << 20),
            ("shard-cache-bytes", self.memory.shard_cache, 64 << 10),
        ] {
            if given < least {
                return refuse(format!(
                    "{name} must be at least {least}, not {given}: with less a node only waits for its disk"
                ));
            }
        }
        if self.tls.is_none() && !self.allow_plaintext && !is_loopback(&self.listen) {
            return refuse(format!(
                "{} is not a loopback address: give the node certificates, or ask for plaintext by name (allow-plaintext)",
                self.listen
            ));
        }
        Ok(())
    }
}

fn is_loopback(address: &str) -> bool {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(change: impl FnOnce(&mut NodeConfig)) -> String {
        let mut config = NodeConfig::new("n1", "boston", "/nonexistent");
        change(&mut config);
        config.check().expect_err("refused").to_string()
    }

    #[test]
    fn says_what_to_do() {
        assert!(NodeConfig::new("n1", "boston", "/nonexistent").check().is_ok());
        assert!(refusal(|config| config.listen = "0.0.0.0:1".into()).contains("allow-plaintext"));
        assert!(refusal(|config| config.bootstrap_expect = 3).contains("founding node"));
        assert!(refusal(|config| config.shards = 0).contains("shards"));
        assert!(refusal(|config| config.site.clear()).contains("site"));
        assert!(refusal(|config| config.snapshot_bytes_per_second = 0).contains("never catches up"));
        assert!(refusal(|config| config.memory.block_cache = 0).contains("block-cache-bytes"));
    }

    #[test]
    fn knows_loopback() {
        assert!(is_loopback("127.0.0.1:1") && is_loopback("[::1]:1") && is_loopback("localhost:1"));
        assert!(!is_loopback("10.0.0.1:1") && !is_loopback("node-0.hansard:1"));
    }
}
