//! Unary calls on a router that has no nodes.

use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};

use hansard_domain::PersonId;
use hansard_proto::rpc::Status;
use hansard_runtime::SeededEntropy;
use hansard_runtime::clock::ManualClock;
use hansard_runtime::net::TcpTransport;
use prost_types::Any;
use tokio::runtime::Runtime;

use crate::config::RouterConfig;
use crate::edge::Edge;
use crate::limits::Rates;
use crate::metrics::Metrics;
use crate::principal::Principal;
use crate::run::{Seams, build};
use crate::unary;

/// A router to call.
pub struct Calls {
    runtime: Runtime,
    edge: Edge,
    who: Principal,
}

impl Calls {
    /// A router with the keys in `jwks`.
    ///
    /// # Panics
    /// When it cannot be built.
    pub fn new(jwks: &Path) -> Self {
        let config = RouterConfig {
            name: "router".to_owned(),
            site: "site".to_owned(),
            grpc_listen: "127.0.0.1:0".to_owned(),
            ws_listen: "127.0.0.1:0".to_owned(),
            metrics_listen: "127.0.0.1:0".to_owned(),
            advertise_grpc: None,
            nodes: vec![],
            tls: None,
            client_tls: None,
            allow_plaintext: false,
            jwks: jwks.display().to_string(),
            jwks_ca: None,
            issuer: "issuer".to_owned(),
            audience: "audience".to_owned(),
            rates: Rates::default(),
            rings_bytes: 1 << 20,
            drain_seconds: 0,
        };
        let seams = Seams {
            transport: Arc::new(TcpTransport),
            clock: Arc::new(ManualClock::new(0)),
            entropy: Arc::new(SeededEntropy::new(1)),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let metrics = Arc::new(Metrics::new(&hansard_runtime::Metrics::new()));
        let edge = runtime.block_on(build(&config, &seams, "127.0.0.1:1", metrics)).expect("a router");
        let who = Principal {
            person: PersonId::from_bytes([7; 16]),
            epoch: 0,
            operator: true,
            issuer: Arc::from("issuer"),
            token_id: None,
            issued_s: 0,
            expires_s: i64::MAX,
        };
        Self { runtime, edge, who }
    }

    /// Makes a call as a session does. `None`: it is all right so far, and waits for a node.
    ///
    /// # Errors
    /// The refusal.
    pub fn call(&self, method: &str, body: Option<Any>) -> Option<Result<Any, Status>> {
        let _inside = self.runtime.enter();
        let answer = pin!(unary::call_any(&self.edge, &self.who, 1, method, body));
        match answer.poll(&mut Context::from_waker(Waker::noop())) {
            std::task::Poll::Ready(answer) => Some(answer),
            std::task::Poll::Pending => None,
        }
    }
}
