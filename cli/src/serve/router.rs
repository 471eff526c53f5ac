//! `hansard router`.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use clap::Args;
use hansard_router::limits::RINGS_BYTES;
use hansard_router::{Rates, RouterConfig, Seams};
use hansard_runtime::config::{Key, Kind};
use hansard_runtime::net::{TcpTransport, TlsPaths};
use hansard_runtime::telemetry::{self, TelemetryConfig};
use hansard_runtime::{OsEntropy, SystemClock, panics, stop_signal};
use serde::{Deserialize, Serialize};

use super::{memory, parent, settings};
use crate::exit::Exit;
use crate::token::AUDIENCE;

/// Settings of a router.
#[derive(Debug, Args)]
pub(crate) struct RouterArgs {
    /// A TOML file with settings, whose keys are the flags' names with underscores: grpc_listen, jwks.
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
    /// The router's name, for people [default: the host's name].
    #[arg(long)]
    name: Option<String>,
    /// The site where the router stands; clients are told of routers at their own site first [default: default].
    #[arg(long)]
    site: Option<String>,
    /// Where to listen for clients that speak gRPC [default: 127.0.0.1:7500].
    #[arg(long, value_name = "HOST:PORT")]
    grpc_listen: Option<String>,
    /// Where to listen for clients that speak WebSocket, at /v1/connect [default: 127.0.0.1:7501].
    #[arg(long, value_name = "HOST:PORT")]
    ws_listen: Option<String>,
    /// Where to listen for probes and scrapes, in plaintext: /metrics, /livez, /readyz, /startupz, gRPC health
    /// [default: 127.0.0.1:7502].
    #[arg(long, value_name = "HOST:PORT")]
    metrics_listen: Option<String>,
    /// The URL under which clients reach this router, told to them as an alternate [default: made of grpc-listen].
    #[arg(long, value_name = "URL")]
    advertise_grpc: Option<String>,
    /// Nodes of the cluster, separated by commas; some suffice, they know the others.
    #[arg(long, value_delimiter = ',', value_name = "HOST:PORT,...")]
    nodes: Option<Vec<String>>,
    /// The keys that tokens may be signed by: a JWKS file, or an https URL of one; http on loopback only.
    #[arg(long, value_name = "FILE|URL")]
    jwks: Option<String>,
    /// The authorities that the certificate of an https JWKS must come from, PEM [default: the machine's].
    #[arg(long, value_name = "FILE")]
    jwks_ca: Option<PathBuf>,
    /// Who must have issued a token: its iss claim.
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// Whom a token must be for: its aud claim [default: hansard].
    #[arg(long, value_name = "NAME")]
    audience: Option<String>,
    /// This router's certificate towards nodes, a PEM chain with the DNS name router.hansard.internal.
    #[arg(long, value_name = "FILE")]
    tls_cert: Option<PathBuf>,
    /// The certificate's private key, PEM.
    #[arg(long, value_name = "FILE")]
    tls_key: Option<PathBuf>,
    /// The authorities that nodes' and routers' certificates come from, PEM.
    #[arg(long, value_name = "FILE")]
    tls_ca: Option<PathBuf>,
    /// The certificate that clients see, a PEM chain; without it clients are spoken to in plaintext.
    #[arg(long, value_name = "FILE")]
    client_tls_cert: Option<PathBuf>,
    /// The private key of the certificate that clients see, PEM.
    #[arg(long, value_name = "FILE")]
    client_tls_key: Option<PathBuf>,
    /// Speak plaintext beyond loopback, where tokens and messages can be read on the way.
    #[arg(long, num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    allow_plaintext: Option<bool>,
    /// Bytes of recent entries of all followed rooms that are kept for their followers [default: 268435456].
    #[arg(long, value_name = "BYTES")]
    rings_bytes: Option<usize>,
    /// How many seconds clients may take to move to other routers when this one stops [default: 20].
    #[arg(long, value_name = "SECONDS")]
    drain_seconds: Option<u64>,
    /// What to log, such as info or info,hansard_router=debug [default: info].
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,
    /// An OTLP gRPC collector for traces, such as http://collector:4317 [default: OTEL_EXPORTER_OTLP_ENDPOINT].
    #[arg(long, value_name = "URL")]
    otlp_endpoint: Option<String>,
}

const KEYS: [Key; 22] = [
    Key::new("name", Kind::Text),
    Key::new("site", Kind::Text),
    Key::new("grpc_listen", Kind::Text),
    Key::new("ws_listen", Kind::Text),
    Key::new("metrics_listen", Kind::Text),
    Key::new("advertise_grpc", Kind::Text),
    Key::new("nodes", Kind::List),
    Key::new("jwks", Kind::Text),
    Key::new("jwks_ca", Kind::Text),
    Key::new("issuer", Kind::Text),
    Key::new("audience", Kind::Text),
    Key::new("tls_cert", Kind::Text),
    Key::new("tls_key", Kind::Text),
    Key::new("tls_ca", Kind::Text),
    Key::new("client_tls_cert", Kind::Text),
    Key::new("client_tls_key", Kind::Text),
    Key::new("allow_plaintext", Kind::Flag),
    Key::new("rings_bytes", Kind::Number),
    Key::new("drain_seconds", Kind::Number),
    Key::new("rates", Kind::Text),
    Key::new("log", Kind::Text),
    Key::new("otlp_endpoint", Kind::Text),
];

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    name: Option<String>,
    site: Option<String>,
    grpc_listen: Option<String>,
    ws_listen: Option<String>,
    metrics_listen: Option<String>,
    advertise_grpc: Option<String>,
    #[serde(default)]
    nodes: Vec<String>,
    jwks: Option<String>,
    jwks_ca: Option<PathBuf>,
    issuer: Option<String>,
    audience: Option<String>,
    tls_cert: Option<PathBuf>,
    tls_key: Option<PathBuf>,
    tls_ca: Option<PathBuf>,
    client_tls_cert: Option<PathBuf>,
    client_tls_key: Option<PathBuf>,
    allow_plaintext: Option<bool>,
    rings_bytes: Option<usize>,
    drain_seconds: Option<u64>,
    /// A table of the file alone.
    #[serde(default)]
    rates: Rates,
    log: Option<String>,
    otlp_endpoint: Option<String>,
}

/// How long a drain may take unless somebody says otherwise, seconds.
const DRAIN_SECONDS: u64 = 20;

/// Runs a router until it is told to stop.
pub(crate) async fn run(args: RouterArgs) -> Result<Exit> {
    let settings: Settings = settings::load(&KEYS, args.config.as_deref(), &args.flags)?;
    let telemetry = TelemetryConfig { log: settings.log.clone(), otlp_endpoint: settings.otlp_endpoint.clone() };
    let config = config(settings)?;
    config.check().context("bad configuration")?;
    if args.check_config {
        println!("{config:#?}");
        return Ok(Exit::Ok);
    }
    if args.exit_with_parent {
        parent::exit_with_parent();
    }
    let _telemetry = telemetry::init(&telemetry, "hansard-router", &config.name)?;
    panics::abort_on_panic();
    memory::use_small_pages();
    let name = config.name.clone();
    let seams = Seams { transport: Arc::new(TcpTransport), clock: Arc::new(SystemClock), entropy: Arc::new(OsEntropy) };
    #[cfg(feature = "failpoints")]
    hansard_failpoint::listen();
    let handle = hansard_router::run(config, seams).await.with_context(|| format!("{name} does not start"))?;
    let (grpc, ws, metrics) = (&handle.grpc_addr, &handle.ws_addr, &handle.metrics_addr);
    tracing::info!(router = %name, grpc, ws, metrics, "router runs");
    let signal = stop_signal().await?;
    tracing::info!(router = %name, signal, "router drains");
    handle.shutdown().await;
    tracing::info!(router = %name, "router ends");
    Ok(Exit::Ok)
}

fn config(settings: Settings) -> Result<RouterConfig> {
    let client_tls = match (settings.client_tls_cert, settings.client_tls_key) {
        (None, None) => None,
        (Some(cert), Some(key)) => Some(TlsPaths::public(cert, key)),
        _ => bail!("bad configuration: client_tls_cert and client_tls_key go together; give both or none"),
    };
    let or = |given: Option<String>, standard: &str| given.unwrap_or_else(|| standard.to_owned());
    Ok(RouterConfig {
        name: settings::own_name(settings.name)?,
        site: or(settings.site, "default"),
        grpc_listen: or(settings.grpc_listen, "127.0.0.1:7500"),
        ws_listen: or(settings.ws_listen, "127.0.0.1:7501"),
        metrics_listen: or(settings.metrics_listen, "127.0.0.1:7502"),
        advertise_grpc: settings.advertise_grpc,
        nodes: settings.nodes,
        tls: settings::mutual_tls(settings.tls_cert, settings.tls_key, settings.tls_ca)?,
        client_tls,
        allow_plaintext: settings.allow_plaintext.unwrap_or(false),
        jwks: or(settings.jwks, ""),
        jwks_ca: settings.jwks_ca,
        issuer: or(settings.issuer, ""),
        audience: or(settings.audience, AUDIENCE),
        rates: settings.rates,
        rings_bytes: settings.rings_bytes.unwrap_or(RINGS_BYTES),
        drain_seconds: settings.drain_seconds.unwrap_or(DRAIN_SECONDS),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flag_is_a_key() {
        let command = <Flags as Args>::augment_args(clap::Command::new("router"));
        for argument in command.get_arguments() {
            let name = argument.get_id().as_str();
            assert!(KEYS.iter().any(|key| key.name == name), "{name} cannot be set by environment");
        }
    }
}
