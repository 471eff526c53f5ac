//! A cluster of processes, people, and connections over either protocol.

mod cluster;
mod conn;
mod http;
mod keys;
mod person;
mod router;
mod tls_router;

pub use cluster::{Cluster, Router, hansard, shared};
pub use conn::{Conn, Over, Raw};
pub use http::{get, metric, ready};
pub use keys::{Answer, Authority, KeyServer, Signer};
pub use person::{Item, Person, reason};
pub use router::ExtraRouter;
pub use tls_router::TlsRouter;

use std::time::Duration;

/// How long any single answer may take before a test gives up: far beyond what the product promises, so that only a lost
/// answer, never a slow machine, fails a test.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits for what must come.
pub async fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + PATIENCE;
    while !done() {
        assert!(std::time::Instant::now() < deadline, "it has not come to pass that {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A request id that nobody has used.
pub fn request_id() -> String {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let since = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64;
    format!("{since:016x}{:08x}{:08x}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Runs an async test body `fn(Over)` once over each protocol.
#[macro_export]
macro_rules! both {
    ($($name:ident),* $(,)?) => {
        mod grpc {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { super::$name($crate::harness::Over::Grpc).await; })*
        }
        mod websocket {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { super::$name($crate::harness::Over::WebSocketJson).await; })*
        }
    };
}
