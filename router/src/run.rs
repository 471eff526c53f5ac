//! Starts a router, and stops it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use hansard_proto::cluster::v1::LinkHello;
use hansard_runtime::drain::drain;
use hansard_runtime::health::HealthListener;
use hansard_runtime::net::{self, Incoming, Tls, TlsError, Transport};
use hansard_runtime::{Clock, DrainTrigger, Entropy, Health, Metrics as Registry, serve_health};
use tokio::task::JoinSet;

use crate::auth::{Auth, KeysError};
use crate::config::{ConfigError, RouterConfig};
use crate::connection::Sessions;
use crate::directory::Directory;
use crate::edge::{Edge, FromNodes};
use crate::hub::Hubs;
use crate::metrics::Metrics;
use crate::refusals::Refusals;
use crate::upstream::Upstream;
use crate::{draining, grpc, websocket};

/// How often the router looks at its own state.
const WATCH_INTERVAL: Duration = Duration::from_millis(250);

/// What a simulation puts in the place of the real world.
#[derive(Clone)]
pub struct Seams {
    /// The network.
    pub transport: Arc<dyn Transport>,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
}

/// Why a router does not start.
#[derive(Debug, thiserror::Error)]
pub enum RouterError {
    /// The configuration would not do what was meant.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A TLS identity cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The keys for tokens cannot be used.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// An address cannot be listened on.
    #[error("the router cannot listen: {0}")]
    Listen(#[from] std::io::Error),
}

/// A running router.
pub struct RouterHandle {
    /// Where it serves gRPC, `host:port`.
    pub grpc_addr: String,
    /// Where it serves WebSocket, `host:port`.
    pub ws_addr: String,
    /// Where it serves metrics and health, `host:port`.
    pub metrics_addr: String,
    edge: Arc<Edge>,
    health: Health,
    drain_time: Duration,
    /// Stops accepting clients.
    stop: DrainTrigger,
    /// Closes the health listener, last.
    stop_health: DrainTrigger,
    health_listener: HealthListener,
    tasks: JoinSet<()>,
}

/// Starts a router. It serves at once, and admits people as soon as it has reached the cluster.
///
/// # Errors
/// [`RouterError`] says what to change.
pub async fn run(config: RouterConfig, seams: Seams) -> Result<RouterHandle, RouterError> {
    config.check()?;
    let (registry, health) = (Registry::new(), Health::new());
    let metrics = Arc::new(Metrics::new(&registry));
    let grpc_listener = listen(&seams, &config.grpc_listen, &config).await?;
    let ws_listener = listen(&seams, &config.ws_listen, &config).await?;
    let (grpc_addr, ws_addr) = (grpc_listener.local_addr().to_owned(), ws_listener.local_addr().to_owned());
    registry.register(|to| {
        let to = to.sub_registry_with_prefix("router");
        to.register(
            "grpc_handshakes_refused",
            "Handshakes that failed, or were too many from one address",
            grpc_listener.refused(),
        );
        to.register(
            "ws_handshakes_refused",
            "Handshakes that failed, or were too many from one address",
            ws_listener.refused(),
        );
    });
    let (stop_health, health_drain) = drain();
    let health_listener =
        serve_health(seams.transport.as_ref(), &config.metrics_listen, health.clone(), registry, health_drain).await?;

    let edge = Arc::new(build(&config, &seams, &grpc_addr, metrics).await?);
    let (stop, accept) = drain();
    let mut tasks = JoinSet::new();
    let (serving, drained) = (edge.clone(), accept.clone());
    tasks.spawn(async move {
        if let Err(error) = grpc::serve(serving, grpc_listener, drained).await {
            tracing::error!(%error, "the gRPC server failed");
        }
    });
    tasks.spawn(websocket::serve(edge.clone(), ws_listener, accept));
    keep(&edge, &health, config.nodes.clone(), &mut tasks);
    health.set_started();
    Ok(RouterHandle {
        grpc_addr,
        ws_addr,
        metrics_addr: health_listener.address.clone(),
        edge,
        health,
        drain_time: Duration::from_secs(config.drain_seconds),
        stop,
        stop_health,
        health_listener,
        tasks,
    })
}

impl RouterHandle {
    /// Stops: not ready any more, no new connections, sessions sent elsewhere at a paced rate, then everything closed.
    pub async fn shutdown(mut self) {
        self.health.set_draining();
        self.stop.start();
        draining::drain(&self.edge, self.drain_time).await;
        self.edge.refusals.report(&self.edge.upstream).await;
        self.tasks.shutdown().await;
        self.stop_health.start();
        self.health_listener.closed().await;
    }
}

async fn listen(seams: &Seams, address: &str, config: &RouterConfig) -> Result<Incoming, RouterError> {
    let tls = config.client_tls.as_ref().map(Tls::load).transpose()?;
    Ok(net::incoming(seams.transport.listen(address).await?, tls))
}

pub(crate) async fn build(
    config: &RouterConfig,
    seams: &Seams,
    grpc_addr: &str,
    metrics: Arc<Metrics>,
) -> Result<Edge, RouterError> {
    let scheme = if config.client_tls.is_some() { "https" } else { "http" };
    let advertise = config.advertise_grpc.clone().unwrap_or_else(|| format!("{scheme}://{grpc_addr}"));
    let directory = Arc::new(Directory::default());
    let tls = config.tls.as_ref().map(Tls::load).transpose()?;
    let hello = LinkHello {
        router: config.name.clone(),
        site: config.site.clone(),
        client_address: advertise.clone(),
        ..LinkHello::default()
    };
    let Seams { transport, clock, entropy } = seams.clone();
    let auth = Auth::new(config, directory.clone(), transport, clock.clone(), metrics.clone()).await?;
    Ok(Edge {
        upstream: Arc::new(Upstream::new(directory.clone(), seams.clone(), tls, hello, metrics.clone())),
        advertise,
        directory,
        hubs: Hubs::new(config.rings_bytes),
        auth,
        sessions: Sessions::new(config.rates),
        refusals: Refusals::new(clock.clone(), entropy.clone(), metrics.clone()),
        metrics,
        clock,
        entropy,
        presences: Mutex::default(),
    })
}

/// Starts what goes on beside the serving.
fn keep(edge: &Arc<Edge>, health: &Health, nodes: Vec<String>, tasks: &mut JoinSet<()>) {
    tasks.spawn(edge.upstream.clone().keep(nodes, Arc::new(FromNodes(edge.clone()))));
    let kept = edge.clone();
    tasks.spawn(async move { kept.hubs.keep(kept.upstream.as_ref()).await });
    let kept = edge.clone();
    tasks.spawn(async move { kept.auth.keep().await });
    let kept = edge.clone();
    tasks.spawn(async move { kept.refusals.keep(&kept.upstream).await });
    tasks.spawn(watch(edge.clone(), health.clone()));
}

/// Looks at the router's own state, for ever: readiness, gauges, a directory that is too old, and presence that is held back.
async fn watch(edge: Arc<Edge>, health: Health) {
    loop {
        health.set_ready(edge.directory.check_fresh().is_ok());
        edge.check_dead();
        edge.pass_presences();
        let (links, calls) = edge.upstream.load();
        edge.metrics.links.set(links as i64);
        edge.metrics.link_calls.set(calls as i64);
        edge.metrics.hubs.set(edge.hubs.len() as i64);
        edge.metrics.rings_bytes.set(edge.hubs.kept() as i64);
        edge.metrics.directory_age.set(edge.directory.age_s());
        tokio::time::sleep(WATCH_INTERVAL).await;
    }
}
