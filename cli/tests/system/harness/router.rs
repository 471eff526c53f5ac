//! A further router beside those of a cluster, with settings of its own.

use std::{
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use serde_json::Value;

use super::{Cluster, PATIENCE, cluster::Router, hansard, ready};

/// A running `hansard router`. It ends when this is dropped.
pub struct ExtraRouter {
    child: Child,
    pub router: Router,
}

impl ExtraRouter {
    /// The command: the settings of the cluster's first router, on ports of its own, changed by `args`.
    pub fn command(cluster: &Cluster, args: &[&str]) -> Command {
        let mut command = hansard();
        command.arg("router").arg("--config").arg(cluster.data().join("dev/router1.toml"));
        for listen in ["--grpc-listen", "--ws-listen", "--metrics-listen"] {
            if !args.contains(&listen) {
                command.args([listen, "127.0.0.1:0"]);
            }
        }
        command.args(args);
        command
    }

    /// Starts it, and waits until it serves.
    pub fn start(cluster: &Cluster, args: &[&str]) -> ExtraRouter {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let log = cluster.data().join(format!("logs/extra{}.log", NEXT.fetch_add(1, Ordering::Relaxed)));
        let mut command = ExtraRouter::command(cluster, args);
        command.arg("--exit-with-parent").stdin(Stdio::piped()).stdout(Stdio::null());
        let mut child = command.stderr(std::fs::File::create(&log).unwrap()).spawn().unwrap();
        let deadline = Instant::now() + PATIENCE;
        let address = loop {
            if let Some(address) = addresses(&log) {
                break address;
            }
            let ended = child.try_wait().unwrap();
            if ended.is_some() || Instant::now() > deadline {
                let _ = child.kill();
                panic!("the router does not run ({ended:?}): {}", std::fs::read_to_string(&log).unwrap_or_default());
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        };
        let said = |name: &str| address[name].as_str().expect("an address").to_owned();
        let tls = args.contains(&"--client-tls-cert");
        let (http, ws) = if tls { ("https", "wss") } else { ("http", "ws") };
        let router = Router {
            site: String::new(),
            grpc: format!("{http}://{}", said("grpc")),
            ws: format!("{ws}://{}/v1/connect", said("ws")),
            metrics: format!("http://{}/metrics", said("metrics")),
            pid: child.id(),
        };
        while !ready(&router.metrics) {
            assert!(Instant::now() < deadline, "the router never gets ready");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        ExtraRouter { child, router }
    }
}

impl Drop for ExtraRouter {
    fn drop(&mut self) {
        // Killed, not drained: nobody needs its farewell.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The line by which a router says where it serves.
fn addresses(log: &PathBuf) -> Option<Value> {
    let text = std::fs::read_to_string(log).ok()?;
    let line = text.lines().find(|line| line.contains("\"router runs\""))?;
    serde_json::from_str(line).ok()
}
