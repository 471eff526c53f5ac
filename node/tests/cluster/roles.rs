//! Certificates: nodes speak to nodes, routers to their service, and nobody else to anybody. Probes and metrics.

use std::{path::Path, sync::Arc};

use hansard_domain::ShardId;
use hansard_node::{NodeConfig, run};
use hansard_proto::{
    cluster::v1::{self as wire, node_call, peer_service_client::PeerServiceClient},
    status,
};
use hansard_runtime::{
    Clock, SystemClock,
    net::{Role, TcpTransport, Tls, TlsPaths, channel},
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    harness::{Cluster, config, eventually, free_address, seams},
    link::Link,
};

struct Ca(CertifiedIssuer<'static, KeyPair>);

impl Ca {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn identity(&self, dir: &Path, name: &str, role: Role) -> TlsPaths {
        let path = |end: &str| dir.join(format!("{name}.{end}"));
        let key = KeyPair::generate().unwrap();
        let certificate =
            CertificateParams::new(vec![role.dns_name().to_owned()]).unwrap().signed_by(&key, &self.0).unwrap();
        std::fs::write(path("pem"), certificate.pem()).unwrap();
        std::fs::write(path("key"), key.serialize_pem()).unwrap();
        std::fs::write(path("ca"), self.0.pem()).unwrap();
        TlsPaths::mutual(path("pem"), path("key"), path("ca"))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn roles_are_told_by_certificates() {
    let (ca, dir) = (Ca::new(), tempfile::tempdir().unwrap());
    let addresses = [free_address(), free_address()];
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let mut nodes = Vec::new();
    for at in 0..2 {
        let tls = Some(ca.identity(dir.path(), &format!("node{at}"), Role::Node));
        let config = NodeConfig { tls, ..config(at, &dirs[at], &addresses[at], &addresses, 2) };
        nodes.push(run(config, seams()).await.unwrap());
    }
    eventually("two nodes found a cluster over TLS", || nodes.iter().all(|node| node.ready())).await;
    let load = |name: &str, role| Tls::load(&ca.identity(dir.path(), name, role)).unwrap();
    let (node, router) = (load("other", Role::Node), load("router", Role::Router));

    assert!(Link::open_with(&addresses[0], "r", Some(router.clone())).await.is_ok());
    let refused = Link::open_with(&addresses[0], "r", Some(node.clone())).await.err().unwrap();
    assert_eq!(status::reason_of(&refused).unwrap(), "WRONG_ROLE");

    let greet = async |tls: Arc<Tls>| {
        let channel = channel(Arc::new(TcpTransport), &addresses[0], Some(tls), Role::Node).unwrap();
        PeerServiceClient::new(channel).greet(wire::GreetRequest::default()).await
    };
    assert!(greet(node).await.is_ok());
    assert_eq!(greet(router).await.unwrap_err().code(), tonic::Code::PermissionDenied);
    let strangers = Ca::new();
    let stranger = Tls::load(&strangers.identity(dir.path(), "stranger", Role::Node)).unwrap();
    assert!(greet(stranger).await.is_err());
    for node in nodes {
        node.shutdown().await;
    }
}

async fn get(address: &str, path: &str) -> String {
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn probes_and_metrics_are_on_a_listener_of_their_own() {
    let cluster = Cluster::start(1).await;
    let address = cluster.nodes[0].as_ref().unwrap().metrics_addr.clone();
    assert!(get(&address, "/readyz").await.starts_with("HTTP/1.1 200"));
    let link = Link::open(&cluster.address(0)).await.unwrap();
    let empty = node_call::Call::ReadStatus(wire::ReadStatus::default());
    assert!(link.call(ShardId::META, 0, None, empty).await.is_err(), "nobody asks");
    let before = SystemClock.now_us();
    let text = get(&address, "/metrics").await;
    let after = SystemClock.now_us();
    for name in [
        "node_fsyncs_total",
        "node_links 1",
        "node_subscriptions 0",
        "node_shard_leads{shard=",
        "node_refusals_total{reason=\"INVALID_ARGUMENT\"} 1",
    ] {
        assert!(text.contains(&format!("hansard_{name}")), "{name} is missing in {text}");
    }
    let clock = text.lines().find_map(|line| line.strip_prefix("hansard_node_clock_seconds ")).unwrap();
    let clock = (clock.parse::<f64>().unwrap() * 1e6).round() as i64;
    assert!((before..=after).contains(&clock), "{clock} is not between {before} and {after}");
    assert!(text.ends_with("# EOF\n"));
    cluster.shutdown().await;
}
