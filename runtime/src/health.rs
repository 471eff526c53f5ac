//! What this process says of itself, on a plaintext listener of its own: HTTP `/metrics`, `/livez`, `/readyz`,
//! `/startupz`, and the standard gRPC health service, all on one port.
//!
//! Startup: the log is replayed. Liveness: this process is not stuck; never a word about quorum, for restarting a
//! process does not bring one back. Readiness: caught up and not draining.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::task::JoinHandle;
use tonic::service::Routes;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::Drain;
use crate::metrics::{CONTENT_TYPE, Metrics};
use crate::net::{Transport, incoming};

/// gRPC health service names, for probes: `startup`, `liveness`, `readiness`; the empty name is readiness too.
const SERVICES: [&str; 4] = ["startup", "liveness", "readiness", ""];

/// The three answers; clones are the same ones. Begins as live, neither started nor ready.
#[derive(Debug, Clone)]
pub struct Health {
    flags: Arc<Flags>,
    changed: Arc<tokio::sync::Notify>,
}

#[derive(Debug)]
struct Flags {
    started: AtomicBool,
    ready: AtomicBool,
    live: AtomicBool,
    draining: AtomicBool,
}

impl Health {
    /// Live, not started, not ready.
    pub fn new() -> Self {
        let flags = Flags {
            started: AtomicBool::new(false),
            ready: AtomicBool::new(false),
            live: AtomicBool::new(true),
            draining: AtomicBool::new(false),
        };
        Self { flags: Arc::new(flags), changed: Arc::default() }
    }

    /// Startup is over.
    pub fn set_started(&self) {
        self.set(&self.flags.started, true);
    }

    /// Whether this process can do its work now.
    pub fn set_ready(&self, ready: bool) {
        self.set(&self.flags.ready, ready);
    }

    /// Whether this process is worth keeping; `false` asks the orchestrator for a restart.
    pub fn set_live(&self, live: bool) {
        self.set(&self.flags.live, live);
    }

    /// From now on never ready again.
    pub fn set_draining(&self) {
        self.set(&self.flags.draining, true);
    }

    /// Startup is over.
    pub fn started(&self) -> bool {
        self.flags.started.load(Ordering::SeqCst)
    }

    /// Started, able to work, and not draining.
    pub fn ready(&self) -> bool {
        self.started() && self.flags.ready.load(Ordering::SeqCst) && !self.flags.draining.load(Ordering::SeqCst)
    }

    /// Not stuck.
    pub fn live(&self) -> bool {
        self.flags.live.load(Ordering::SeqCst)
    }

    fn set(&self, flag: &AtomicBool, value: bool) {
        if flag.swap(value, Ordering::SeqCst) != value {
            self.changed.notify_one();
        }
    }

    fn of_service(&self, service: &str) -> ServingStatus {
        let good = match service {
            "startup" => self.started(),
            "liveness" => self.live(),
            _ => self.ready(),
        };
        if good { ServingStatus::Serving } else { ServingStatus::NotServing }
    }

    /// Keeps the gRPC health service in step.
    async fn report(self, reporter: HealthReporter) {
        loop {
            for service in SERVICES {
                reporter.set_service_status(service, self.of_service(service)).await;
            }
            self.changed.notified().await;
        }
    }
}

impl Default for Health {
    fn default() -> Self {
        Self::new()
    }
}

/// The running listener.
#[derive(Debug)]
pub struct HealthListener {
    /// Where it listens, with the real port.
    pub address: String,
    task: JoinHandle<()>,
}

impl HealthListener {
    /// Returns when the listener has closed, which it does soon after its drain began.
    pub async fn closed(self) {
        // A panic in it has been reported by the panic hook.
        let _ = self.task.await;
    }
}

/// Serves metrics and health at `address` until `drain` begins.
///
/// Begin that drain last: probes should see a draining process as not ready, rather than not see it.
///
/// # Errors
/// When `address` cannot be listened on.
pub async fn serve_health(
    transport: &dyn Transport,
    address: &str,
    health: Health,
    metrics: Metrics,
    drain: Drain,
) -> io::Result<HealthListener> {
    let listener = transport.listen(address).await?;
    let address = listener.local_addr();
    let (reporter, service) = tonic_health::server::health_reporter();
    let routes = Routes::from(router(health.clone(), metrics)).add_service(service);
    let server = tonic::transport::Server::builder().accept_http1(true).add_routes(routes);
    let report = tokio::spawn(health.report(reporter));
    let task = tokio::spawn(async move {
        let served = server.serve_with_incoming_shutdown(incoming(listener, None), drain.started_owned()).await;
        report.abort();
        if let Err(error) = served {
            tracing::error!(%error, "the health and metrics listener failed");
        }
    });
    Ok(HealthListener { address, task })
}

fn router(health: Health, metrics: Metrics) -> Router {
    let answer = |good: bool| {
        if good { (StatusCode::OK, "ok\n") } else { (StatusCode::SERVICE_UNAVAILABLE, "no\n") }
    };
    let probe = move |of: fn(&Health) -> bool| {
        get(move |State(health): State<Health>| async move { answer(of(&health)).into_response() })
    };
    let metrics = get(move || async move { ([(header::CONTENT_TYPE, CONTENT_TYPE)], metrics.encode()) });
    Router::new()
        .route("/livez", probe(Health::live))
        .route("/readyz", probe(Health::ready))
        .route("/startupz", probe(Health::started))
        .route("/metrics", metrics)
        .with_state(health)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tonic_health::pb::HealthCheckRequest;
    use tonic_health::pb::health_client::HealthClient;

    use super::*;
    use crate::net::{Role, TcpTransport, channel};

    async fn get(address: &str, path: &str) -> String {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn http_and_grpc_probes_follow_the_state() {
        let (trigger, drain) = crate::drain::drain();
        let health = Health::new();
        let listener = serve_health(&TcpTransport, "127.0.0.1:0", health.clone(), Metrics::new(), drain).await.unwrap();
        let address = listener.address.clone();
        assert!(get(&address, "/livez").await.starts_with("HTTP/1.1 200"));
        assert!(get(&address, "/startupz").await.starts_with("HTTP/1.1 503"));
        health.set_started();
        health.set_ready(true);
        assert!(get(&address, "/startupz").await.starts_with("HTTP/1.1 200"));
        assert!(get(&address, "/readyz").await.starts_with("HTTP/1.1 200"));
        assert!(get(&address, "/metrics").await.contains("process_cpu_seconds_total"));
        assert!(get(&address, "/other").await.starts_with("HTTP/1.1 404"));

        let channel = channel(Arc::new(TcpTransport), &address, None, Role::Node).unwrap();
        let request = HealthCheckRequest { service: "readiness".to_owned() };
        let mut changes = HealthClient::new(channel).watch(request).await.unwrap().into_inner();
        let mut status = async || changes.message().await.unwrap().unwrap().status();
        use tonic_health::pb::health_check_response::ServingStatus::{NotServing, Serving};
        while status().await != Serving {}
        health.set_draining();
        while status().await != NotServing {}
        assert!(get(&address, "/readyz").await.starts_with("HTTP/1.1 503"));

        drop(changes);
        trigger.start();
        tokio::time::timeout(std::time::Duration::from_secs(5), listener.closed()).await.unwrap();
    }
}
