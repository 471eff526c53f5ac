//! Handshakes between processes with made certificates.

mod support;

use std::sync::Arc;
use std::time::Duration;

use hansard_runtime::net::{Incoming, PeerInfo, Role, TcpTransport, Tls, TlsError, Transport, channel, incoming};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use support::{NODE, ca, identity, write};
use tokio_rustls::TlsConnector;
use tokio_stream::StreamExt;
use tonic::transport::server::Connected;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

async fn listen(tls: Option<Arc<Tls>>) -> Incoming {
    incoming(TcpTransport.listen("127.0.0.1:0").await.unwrap(), tls)
}

/// Serves gRPC health; the peer of each request goes to the returned channel.
async fn serve(tls: Option<Arc<Tls>>) -> (String, tokio::sync::mpsc::Receiver<PeerInfo>) {
    let incoming = listen(tls).await;
    let address = incoming.local_addr().to_owned();
    let (_, health) = tonic_health::server::health_reporter();
    let (sender, peers) = tokio::sync::mpsc::channel(16);
    let seen = tower::ServiceBuilder::new().map_request(move |request: tonic::codegen::http::Request<_>| {
        let _ = sender.try_send(request.extensions().get::<PeerInfo>().unwrap().clone());
        request
    });
    let server = tonic::transport::Server::builder().layer(seen.into_inner()).add_service(health);
    tokio::spawn(server.serve_with_incoming(incoming));
    (address, peers)
}

async fn call(address: &str, tls: Option<Arc<Tls>>, role: Role) -> Result<(), tonic::Status> {
    let channel = channel(Arc::new(TcpTransport), address, tls, role).unwrap();
    HealthClient::new(channel).check(HealthCheckRequest::default()).await.map(drop)
}

const ROUTER: &[&str] = &["router.hansard.internal"];

#[tokio::test]
async fn both_sides_know_the_others_role() {
    let (directory, ca) = (tempfile::tempdir().unwrap(), ca());
    let node = Tls::load(&identity(directory.path(), "node", &ca, &ca, NODE)).unwrap();
    let router = Tls::load(&identity(directory.path(), "router", &ca, &ca, ROUTER)).unwrap();
    let (address, mut peers) = serve(Some(node.clone())).await;
    call(&address, Some(router.clone()), Role::Node).await.unwrap();
    let peer = peers.recv().await.unwrap();
    assert_eq!((peer.role, peer.encrypted), (Some(Role::Router), true));
    assert!(peer.may_act_as(Role::Router) && !peer.may_act_as(Role::Node));

    call(&address, Some(node), Role::Node).await.unwrap();
    assert_eq!(peers.recv().await.unwrap().role, Some(Role::Node));
    let wrong = call(&address, Some(router), Role::Router).await.unwrap_err();
    assert_eq!(wrong.code(), tonic::Code::Unavailable, "{wrong}");
}

#[tokio::test]
async fn processes_speak_tls_1_3_alone_whatever_certificate_they_have() {
    let (directory, ca) = (tempfile::tempdir().unwrap(), ca());
    let node = Tls::load(&identity(directory.path(), "node", &ca, &ca, NODE)).unwrap();
    let router = identity(directory.path(), "router", &ca, &ca, ROUTER);
    let mut listener = listen(Some(node)).await;
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(router.ca.as_ref().unwrap()).unwrap()).unwrap();
    let shake = async |version: &'static rustls::SupportedProtocolVersion| {
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots.clone())
            .with_client_auth_cert(
                vec![CertificateDer::from_pem_file(&router.cert).unwrap()],
                PrivateKeyDer::from_pem_file(&router.key).unwrap(),
            )
            .unwrap();
        let io = tokio::net::TcpStream::connect(listener.local_addr()).await.unwrap();
        let name = ServerName::try_from(NODE[0]).unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, io).await
    };
    let old = shake(&rustls::version::TLS12).await.unwrap_err();
    assert!(old.to_string().contains("ProtocolVersion"), "{old}");
    let _new = shake(&rustls::version::TLS13).await.unwrap();
    let peer = listener.next().await.unwrap().unwrap();
    assert_eq!(peer.connect_info().role, Some(Role::Router));
}

#[tokio::test]
async fn strangers_are_refused_and_counted() {
    let (directory, ours, theirs) = (tempfile::tempdir().unwrap(), ca(), ca());
    let node = Tls::load(&identity(directory.path(), "node", &ours, &ours, NODE)).unwrap();
    let forged = identity(directory.path(), "forged", &theirs, &ours, ROUTER);
    let nameless = identity(directory.path(), "nameless", &ours, &ours, &["example.org"]);
    let both = identity(directory.path(), "both", &ours, &ours, &[NODE[0], ROUTER[0]]);
    let mut listener = listen(Some(node.clone())).await;
    let address = listener.local_addr().to_owned();
    for paths in [forged, nameless, both] {
        let tls = Tls::load(&paths).unwrap();
        call(&address, Some(tls), Role::Node).await.unwrap_err();
    }
    call(&address, None, Role::Node).await.unwrap_err();
    // A lazy channel tries a failed connection again, hence "at least".
    assert!(listener.refused().get() >= 4, "{} refused", listener.refused().get());
    let none = tokio::time::timeout(Duration::from_millis(100), listener.next()).await;
    assert!(none.is_err(), "a stranger got in: {none:?}");

    let trusting_others = identity(directory.path(), "deceived", &ours, &theirs, ROUTER);
    let tls = Tls::load(&trusting_others).unwrap();
    call(&address, Some(tls), Role::Node).await.unwrap_err();
}

#[tokio::test]
async fn plaintext_knows_nobody() {
    let (address, mut peers) = serve(None).await;
    call(&address, None, Role::Node).await.unwrap();
    let peer = peers.recv().await.unwrap();
    assert_eq!((peer.role, peer.encrypted), (None, false));
    assert!(peer.may_act_as(Role::Router));
}

#[tokio::test]
async fn a_silent_connection_holds_up_nobody() {
    let (directory, ca) = (tempfile::tempdir().unwrap(), ca());
    let node = Tls::load(&identity(directory.path(), "node", &ca, &ca, NODE)).unwrap();
    let (address, _peers) = serve(Some(node.clone())).await;
    let _silent = tokio::net::TcpStream::connect(&address).await.unwrap();
    tokio::time::timeout(Duration::from_secs(2), call(&address, Some(node), Role::Node)).await.unwrap().unwrap();
}

#[tokio::test]
async fn changed_files_are_taken_up() {
    let (directory, ca) = (tempfile::tempdir().unwrap(), ca());
    let paths = identity(directory.path(), "node", &ca, &ca, NODE);
    let node = Tls::load(&paths).unwrap();
    let (address, mut peers) = serve(Some(node)).await;
    let changing = identity(directory.path(), "router", &ca, &ca, ROUTER);
    let client = Tls::load(&changing).unwrap();
    call(&address, Some(client.clone()), Role::Node).await.unwrap();
    assert_eq!(peers.recv().await.unwrap().role, Some(Role::Router));

    std::fs::write(&changing.key, "half a key").unwrap();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    call(&address, Some(client.clone()), Role::Node).await.unwrap();
    assert_eq!(peers.recv().await.unwrap().role, Some(Role::Router), "the old identity stays in use");

    write(&changing, &ca, NODE);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    call(&address, Some(client), Role::Node).await.unwrap();
    assert_eq!(peers.recv().await.unwrap().role, Some(Role::Node));
}

#[test]
fn unusable_files_are_named() {
    let (directory, ca) = (tempfile::tempdir().unwrap(), ca());
    let mut paths = identity(directory.path(), "node", &ca, &ca, NODE);
    let other = identity(directory.path(), "other", &ca, &ca, NODE);
    paths.key = other.key;
    assert!(matches!(Tls::load(&paths), Err(TlsError::Identity { .. })));
    std::fs::write(&paths.cert, "").unwrap();
    let error = Tls::load(&paths).unwrap_err().to_string();
    assert!(error.contains("node.pem") && error.contains("no certificate"), "{error}");
    paths.cert = directory.path().join("absent");
    assert!(Tls::load(&paths).unwrap_err().to_string().contains("absent"));
}
