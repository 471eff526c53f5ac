//! `hansard node`.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use hansard_node::{Memory, NodeConfig, Seams};
use hansard_runtime::config::{Key, Kind};
use hansard_runtime::net::TcpTransport;
use hansard_runtime::telemetry::{self, TelemetryConfig};
use hansard_runtime::{OsEntropy, SystemClock, panics, stop_signal};
use serde::{Deserialize, Serialize};

use super::{memory, parent, settings};
use crate::exit::Exit;

/// Settings of a node.
#[derive(Debug, Args)]
pub(crate) struct NodeArgs {
    /// A TOML file with settings, whose keys are the flags' names with underscores: listen, bootstrap_expect.
    #[arg(long, env = "HANSARD_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Read and check the settings, say what they come to, and end.
    #[arg(long)]
    check_config: bool,
    /// End when standard input ends; for parents that hold a pipe.
    #[arg(long, hide = true, help = "End when standard input ends")]
    exit_with_parent: bool,
    #[command(flatten)]
    flags: Flags,
}

#[derive(Debug, Args, Serialize)]
struct Flags {
    /// The node's name, for people [default: the host's name].
    #[arg(long)]
    name: Option<String>,
    /// The site where the node stands; replicas of a shard are spread over sites [default: default].
    #[arg(long)]
    site: Option<String>,
    /// Where to listen for nodes and routers [default: 127.0.0.1:7400].
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<String>,
    /// Where the others reach this node [default: where it listens].
    #[arg(long, value_name = "HOST:PORT")]
    advertise: Option<String>,
    /// Where to listen for probes and scrapes, in plaintext: /metrics, /livez, /readyz, /startupz, gRPC health
    /// [default: 127.0.0.1:7401].
    #[arg(long, value_name = "HOST:PORT")]
    metrics_listen: Option<String>,
    /// The data directory; a node has its own, on a disk that keeps what it says it kept [default: ./data/node].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Where the nodes that found the cluster are reached, separated by commas; the same list on every node.
    #[arg(long, value_delimiter = ',', value_name = "HOST:PORT,...")]
    seeds: Option<Vec<String>>,
    /// How many nodes found the cluster, once all of them say that their disks are empty; 0 never founds one
    /// [default: 0].
    #[arg(long, value_name = "N")]
    bootstrap_expect: Option<u32>,
    /// How many shards to found the cluster with [default: 12].
    #[arg(long, value_name = "N")]
    shards: Option<usize>,
    /// This node's certificate, a PEM chain with the DNS name node.hansard.internal.
    #[arg(long, value_name = "FILE")]
    tls_cert: Option<PathBuf>,
    /// The certificate's private key, PEM.
    #[arg(long, value_name = "FILE")]
    tls_key: Option<PathBuf>,
    /// The authorities that nodes' and routers' certificates come from, PEM.
    #[arg(long, value_name = "FILE")]
    tls_ca: Option<PathBuf>,
    /// Speak plaintext beyond loopback, where everybody who reaches the port is believed.
    #[arg(long, num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    allow_plaintext: Option<bool>,
    /// Milliseconds between the signs of life of a node; one that is silent for three of them is held to be lost [default: 250].
    #[arg(long, value_name = "MS")]
    heartbeat_ms: Option<u64>,
    /// The shortest election timeout, in milliseconds, for leaders whose loss nothing else shows [default: 1000].
    #[arg(long, value_name = "MS")]
    election_ms: Option<u64>,
    /// Bytes of the log that the node keeps for others that are behind; older entries are only in the state [default: 536870912].
    #[arg(long, value_name = "BYTES")]
    log_bytes: Option<u64>,
    /// Bytes a second of snapshots, with which other nodes catch up, that the node sends, as many that it takes in, and as many of
    /// old log entries that it sends [default: 25165824].
    #[arg(long, value_name = "BYTES")]
    snapshot_bytes_per_second: Option<u64>,
    /// Memory for blocks of the state that were read [default: 268435456].
    #[arg(long, value_name = "BYTES")]
    block_cache_bytes: Option<usize>,
    /// Memory for rows of the state that are to be written [default: 201326592].
    #[arg(long, value_name = "BYTES")]
    write_buffer_bytes: Option<usize>,
    /// Memory for the newest entries of the log [default: 67108864].
    #[arg(long, value_name = "BYTES")]
    log_cache_bytes: Option<usize>,
    /// Memory for rooms, members and newest requests of one shard that are used again and again [default: 16777216].
    #[arg(long, value_name = "BYTES")]
    shard_cache_bytes: Option<usize>,
    /// What to log, such as info or info,hansard_node=debug [default: info].
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,
    /// An OTLP gRPC collector for traces, such as http://collector:4317 [default: OTEL_EXPORTER_OTLP_ENDPOINT].
    #[arg(long, value_name = "URL")]
    otlp_endpoint: Option<String>,
}

const KEYS: [Key; 23] = [
    Key::new("name", Kind::Text),
    Key::new("site", Kind::Text),
    Key::new("listen", Kind::Text),
    Key::new("advertise", Kind::Text),
    Key::new("metrics_listen", Kind::Text),
    Key::new("data", Kind::Text),
    Key::new("seeds", Kind::List),
    Key::new("bootstrap_expect", Kind::Number),
    Key::new("shards", Kind::Number),
    Key::new("tls_cert", Kind::Text),
    Key::new("tls_key", Kind::Text),
    Key::new("tls_ca", Kind::Text),
    Key::new("allow_plaintext", Kind::Flag),
    Key::new("heartbeat_ms", Kind::Number),
    Key::new("election_ms", Kind::Number),
    Key::new("log_bytes", Kind::Number),
    Key::new("snapshot_bytes_per_second", Kind::Number),
    Key::new("block_cache_bytes", Kind::Number),
    Key::new("write_buffer_bytes", Kind::Number),
    Key::new("log_cache_bytes", Kind::Number),
    Key::new("shard_cache_bytes", Kind::Number),
    Key::new("log", Kind::Text),
    Key::new("otlp_endpoint", Kind::Text),
];

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    name: Option<String>,
    site: Option<String>,
    listen: Option<String>,
    advertise: Option<String>,
    metrics_listen: Option<String>,
    data: Option<PathBuf>,
    seeds: Option<Vec<String>>,
    bootstrap_expect: Option<u32>,
    shards: Option<usize>,
    tls_cert: Option<PathBuf>,
    tls_key: Option<PathBuf>,
    tls_ca: Option<PathBuf>,
    allow_plaintext: Option<bool>,
    heartbeat_ms: Option<u64>,
    election_ms: Option<u64>,
    log_bytes: Option<u64>,
    snapshot_bytes_per_second: Option<u64>,
    block_cache_bytes: Option<usize>,
    write_buffer_bytes: Option<usize>,
    log_cache_bytes: Option<usize>,
    shard_cache_bytes: Option<usize>,
    log: Option<String>,
    otlp_endpoint: Option<String>,
}

/// Runs a node until it is told to stop.
pub(crate) async fn run(args: NodeArgs) -> Result<Exit> {
    let settings: Settings = settings::load(&KEYS, args.config.as_deref(), &args.flags)?;
    let telemetry = TelemetryConfig { log: settings.log.clone(), otlp_endpoint: settings.otlp_endpoint.clone() };
    let config = config(settings)?;
    config.check()?;
    if args.check_config {
        println!("{config:#?}");
        return Ok(Exit::Ok);
    }
    if args.exit_with_parent {
        parent::exit_with_parent();
    }
    let _telemetry = telemetry::init(&telemetry, "hansard-node", &config.name)?;
    panics::abort_on_panic();
    memory::use_small_pages();
    let name = config.name.clone();
    let seams = Seams {
        transport: Arc::new(TcpTransport),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(OsEntropy),
        open: None,
    };
    #[cfg(feature = "failpoints")]
    let (config, seams) = super::failpoints::prepare(config, seams);
    let handle = hansard_node::run(config, seams).await.with_context(|| format!("{name} does not start"))?;
    tracing::info!(node = %name, "node runs");
    let stopped = tokio::select! {
        signal = stop_signal() => Ok(signal?),
        why = handle.misplaced() => Err(why),
    };
    tracing::info!(node = %name, signal = stopped.as_ref().ok(), "node drains");
    handle.shutdown().await;
    if let Err(why) = stopped {
        anyhow::bail!("{name} must not go on: {why}");
    }
    tracing::info!(node = %name, "node ends");
    Ok(Exit::Ok)
}

fn config(settings: Settings) -> Result<NodeConfig> {
    let name = settings::own_name(settings.name)?;
    let site = settings.site.unwrap_or_else(|| "default".to_owned());
    let data = settings.data.unwrap_or_else(|| PathBuf::from("data/node"));
    let standard = NodeConfig::new(name, site, data);
    let millis = |given: Option<u64>, standard: Duration| given.map_or(standard, Duration::from_millis);
    Ok(NodeConfig {
        listen: settings.listen.unwrap_or(standard.listen),
        advertise: settings.advertise,
        metrics_listen: settings.metrics_listen.unwrap_or(standard.metrics_listen),
        seeds: settings.seeds.unwrap_or_default(),
        bootstrap_expect: settings.bootstrap_expect.unwrap_or(standard.bootstrap_expect),
        shards: settings.shards.unwrap_or(standard.shards),
        tls: settings::mutual_tls(settings.tls_cert, settings.tls_key, settings.tls_ca)?,
        allow_plaintext: settings.allow_plaintext.unwrap_or(false),
        heartbeat: millis(settings.heartbeat_ms, standard.heartbeat),
        election: millis(settings.election_ms, standard.election),
        log_bytes: settings.log_bytes.unwrap_or(standard.log_bytes),
        snapshot_bytes_per_second: settings.snapshot_bytes_per_second.unwrap_or(standard.snapshot_bytes_per_second),
        memory: Memory {
            block_cache: settings.block_cache_bytes.unwrap_or(standard.memory.block_cache),
            write_buffers: settings.write_buffer_bytes.unwrap_or(standard.memory.write_buffers),
            log_cache: settings.log_cache_bytes.unwrap_or(standard.memory.log_cache),
            shard_cache: settings.shard_cache_bytes.unwrap_or(standard.memory.shard_cache),
        },
        ..standard
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flag_is_a_key() {
        let command = <Flags as Args>::augment_args(clap::Command::new("node"));
        for argument in command.get_arguments() {
            let name = argument.get_id().as_str();
            assert!(KEYS.iter().any(|key| key.name == name), "{name} cannot be set by environment");
        }
    }
}
