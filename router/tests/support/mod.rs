//! A router between a fake node and clients of every kind.

#![allow(dead_code, unused_imports, reason = "each test file uses its part of the support")]

pub(crate) mod client;
pub(crate) mod node;
pub(crate) mod world;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use data_encoding::BASE64URL_NOPAD;
use hansard_router::limits::RINGS_BYTES;
use hansard_router::{Rates, RouterConfig, RouterHandle, Seams};
use hansard_runtime::net::TcpTransport;
use hansard_runtime::{OsEntropy, SystemClock};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::json;

pub(crate) use client::{Carrier, Client};
pub(crate) use node::FakeNode;
pub(crate) use world::person;

/// A router and its fake node.
pub(crate) struct Stage {
    pub(crate) node: Arc<FakeNode>,
    pub(crate) node_address: String,
    pub(crate) router: RouterHandle,
    key: EncodingKey,
    jwks: tempfile::TempDir,
}

impl Stage {
    /// Starts both and waits until people are admitted.
    pub(crate) async fn new() -> Self {
        Self::with(Rates::default()).await
    }

    /// The same with other rates.
    pub(crate) async fn with(rates: Rates) -> Self {
        Self::with_rings(rates, RINGS_BYTES).await
    }

    /// The same with so much room for recent entries.
    pub(crate) async fn with_rings(rates: Rates, rings_bytes: usize) -> Self {
        let (node, node_address) = FakeNode::start().await;
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let key = EncodingKey::from_ed_der(pkcs8.as_ref());
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap();
        let x = BASE64URL_NOPAD.encode(pair.public_key().as_ref());
        let jwk = json!({"kty": "OKP", "crv": "Ed25519", "kid": "k", "x": x});
        let jwks = tempfile::tempdir().unwrap();
        std::fs::write(jwks.path().join("jwks.json"), json!({"keys": [jwk]}).to_string()).unwrap();
        let router = start_router(&jwks, &node_address, rates, rings_bytes).await;
        let stage = Self { node, node_address, router, key, jwks };
        stage.admitted_by(&stage.router).await;
        stage
    }

    /// A second router to the same node.
    pub(crate) async fn another_router(&self) -> RouterHandle {
        start_router(&self.jwks, &self.node_address, Rates::default(), RINGS_BYTES).await
    }

    /// A token for a subject.
    pub(crate) fn token(&self, subject: &str) -> String {
        self.token_with(subject, subject, 600)
    }

    /// A token with an id and a lifetime, seconds.
    pub(crate) fn token_with(&self, subject: &str, id: &str, lives_s: i64) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
        let claims = json!({"iss": "https://id", "sub": subject, "aud": "hansard", "iat": now - 5, "exp": now + lives_s, "jti": id});
        let header = Header { kid: Some("k".into()), ..Header::new(Algorithm::EdDSA) };
        jsonwebtoken::encode(&header, &claims, &self.key).unwrap()
    }

    /// A client of a person that has been welcomed.
    pub(crate) async fn client(&self, carrier: Carrier, subject: &str) -> Client {
        let mut client = Client::connect(carrier, &self.router).await;
        client.hello(&self.token(subject)).await;
        client
    }

    /// Waits until a router admits people.
    pub(crate) async fn admitted_by(&self, router: &RouterHandle) {
        for _ in 0..200 {
            let mut probe = Client::connect(Carrier::Grpc, router).await;
            if probe.try_hello(&self.token("probe")).await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the router admits nobody");
    }
}

async fn start_router(jwks: &tempfile::TempDir, node: &str, rates: Rates, rings_bytes: usize) -> RouterHandle {
    let config = RouterConfig {
        name: "r".into(),
        site: "s".into(),
        grpc_listen: "127.0.0.1:0".into(),
        ws_listen: "127.0.0.1:0".into(),
        metrics_listen: "127.0.0.1:0".into(),
        advertise_grpc: None,
        nodes: vec![node.into()],
        tls: None,
        client_tls: None,
        allow_plaintext: false,
        jwks: jwks.path().join("jwks.json").display().to_string(),
        jwks_ca: None,
        issuer: "https://id".into(),
        audience: "hansard".into(),
        rates,
        rings_bytes,
        drain_seconds: 2,
    };
    let seams = Seams { transport: Arc::new(TcpTransport), clock: Arc::new(SystemClock), entropy: Arc::new(OsEntropy) };
    hansard_router::run(config, seams).await.unwrap()
}
