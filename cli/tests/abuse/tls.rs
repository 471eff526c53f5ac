//! TLS as no client should speak it; and the nodes' own port: mutual TLS, or nothing.

use std::{path::Path, sync::Arc, time::Instant};

use hansard_runtime::net::{HANDSHAKE_TIMEOUT, Role};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, pki_types::pem::PemObject};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{
    PATIENCE, Target, http2,
    keep::keep,
    raw::{self, flood},
};

/// Handshakes that stop, more than a listener has under way at once.
pub(crate) const STOPPED: usize = 300;

/// A handshake that stops after the first bytes, from another address than that of the honest.
pub(crate) async fn stopped(address: &str) -> TcpStream {
    let mut stream = raw::dial_from_elsewhere(address).await;
    let _ = stream.write_all(&[0x16, 0x03, 0x01, 0x02, 0x00, 0x01]).await;
    stream
}

/// Handshakes that stop after the first bytes, beside some that don't.
pub(crate) async fn slow_handshakes(target: &Target<'_>) -> u64 {
    let beside = async {
        let start = Instant::now();
        let config = builder(&target.cluster.ready.ca, rustls::DEFAULT_VERSIONS).with_no_client_auth();
        // The client's side is done before the node has missed the certificate.
        shake(&target.node, Role::Node.dns_name(), config).await.expect("handshakes from elsewhere go on");
        assert!(start.elapsed() < HANDSHAKE_TIMEOUT / 2, "a handshake waited {:?}", start.elapsed());
        target.served().await;
    };
    keep(STOPPED, || stopped(&target.node), &[], beside).await
}

/// HTTP/2 without TLS.
pub(crate) async fn plaintext(target: &Target<'_>) -> u64 {
    let flood = flood(&target.node, &http2::opening(), &http2::opening(), 16, true).await;
    assert!(flood.ended, "a node speaks TLS alone");
    1
}

/// A certificate by an authority of one's own, with the right names in it; and none at all.
pub(crate) async fn wrong_certificates(target: &Target<'_>) -> u64 {
    let own = rcgen::KeyPair::generate().unwrap();
    let names = [Role::Router.dns_name().to_owned()];
    let certificate = rcgen::CertificateParams::new(names).unwrap().self_signed(&own).unwrap();
    let key = PrivateKeyDer::try_from(own.serialize_der()).unwrap();
    let builder = || builder(&target.cluster.ready.ca, rustls::DEFAULT_VERSIONS);
    let forged = builder().with_client_auth_cert(vec![certificate.der().clone()], key).unwrap();
    for config in [forged, builder().with_no_client_auth()] {
        assert!(!served(target, config).await, "only certificates of the cluster's authority are served");
    }
    2
}

/// TLS 1.2.
pub(crate) async fn downgrade(target: &Target<'_>) -> u64 {
    let config = builder(&target.cluster.ready.ca, &[&rustls::version::TLS12]).with_no_client_auth();
    assert!(!served(target, config).await, "TLS 1.2 is not served");
    1
}

/// A client that believes this authority.
pub(crate) fn builder(
    ca: &Path,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
}

/// The client's side of a handshake with a server that must have this name.
pub(crate) async fn shake(
    address: &str,
    name: &'static str,
    config: ClientConfig,
) -> std::io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from(name).unwrap();
    let handshake = TlsConnector::from(Arc::new(config)).connect(name, raw::dial(address).await);
    tokio::time::timeout(PATIENCE, handshake).await.expect("an answer")
}

/// Whether anything is answered to these bytes.
pub(crate) async fn answers(stream: &mut TlsStream<TcpStream>, bytes: &[u8]) -> bool {
    let asked = stream.write_all(bytes).await.is_ok();
    let mut answer = [0; 9];
    asked && tokio::time::timeout(PATIENCE, stream.read_exact(&mut answer)).await.expect("an answer").is_ok()
}

/// Whether the node answers HTTP/2 after this handshake.
async fn served(target: &Target<'_>, mut config: ClientConfig) -> bool {
    config.alpn_protocols = vec![b"h2".to_vec()];
    // Under TLS 1.3 the client is done before the server has looked at its certificate.
    match shake(&target.node, Role::Node.dns_name(), config).await {
        Ok(mut stream) => answers(&mut stream, &http2::opening()).await,
        Err(_) => false,
    }
}
