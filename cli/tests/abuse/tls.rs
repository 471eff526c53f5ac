//! The nodes' own port: mutual TLS 1.3, or nothing.

use std::sync::Arc;

use hansard_runtime::net::Role;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, pki_types::pem::PemObject};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    PATIENCE, Target, http2,
    raw::{self, flood},
};

/// Handshakes that stop after the first bytes.
pub(crate) async fn slow_handshakes(target: &Target<'_>) -> u64 {
    let mut held = Vec::new();
    for _ in 0..100 {
        let mut stream = raw::dial(&target.node).await;
        let _ = stream.write_all(&[0x16, 0x03, 0x01, 0x02, 0x00, 0x01]).await;
        held.push(stream);
    }
    held.len() as u64
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
    let builder = || builder(target, rustls::DEFAULT_VERSIONS);
    let forged = builder().with_client_auth_cert(vec![certificate.der().clone()], key).unwrap();
    for config in [forged, builder().with_no_client_auth()] {
        assert!(!served(target, config).await, "only certificates of the cluster's authority are served");
    }
    2
}

/// TLS 1.2.
pub(crate) async fn downgrade(target: &Target<'_>) -> u64 {
    let config = builder(target, &[&rustls::version::TLS12]).with_no_client_auth();
    assert!(!served(target, config).await, "TLS 1.2 is not served");
    1
}

/// A client that believes the cluster's authority.
fn builder(
    target: &Target<'_>,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(&target.cluster.ready.ca).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
}

/// Whether the node answers HTTP/2 after this handshake.
async fn served(target: &Target<'_>, mut config: ClientConfig) -> bool {
    config.alpn_protocols = vec![b"h2".to_vec()];
    let name = ServerName::try_from(Role::Node.dns_name()).unwrap();
    let stream = raw::dial(&target.node).await;
    let handshake = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream);
    let Ok(mut stream) = tokio::time::timeout(PATIENCE, handshake).await.expect("an answer") else { return false };
    // Under TLS 1.3 the client is done before the server has looked at its certificate.
    let mut answer = [0; 9];
    let asked = stream.write_all(&http2::opening()).await.is_ok();
    asked && tokio::time::timeout(PATIENCE, stream.read_exact(&mut answer)).await.expect("an answer").is_ok()
}
