//! A further router whose clients come over TLS.

use std::path::PathBuf;

use super::{Authority, Cluster, ExtraRouter};

/// A running router with a certificate, and the authority behind it.
pub struct TlsRouter {
    pub extra: ExtraRouter,
    pub authority: Authority,
    dir: tempfile::TempDir,
}

impl TlsRouter {
    /// Starts it with a certificate of an authority of its own, and waits until it serves.
    pub fn start(cluster: &Cluster) -> TlsRouter {
        let (authority, dir) = (Authority::new(), tempfile::tempdir().unwrap());
        let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
        let (cert, key) = (path("cert.pem"), path("cert.key"));
        let (certificate, secret) = authority.certify();
        std::fs::write(&cert, certificate).unwrap();
        std::fs::write(&key, secret).unwrap();
        std::fs::write(path("ca.pem"), authority.pem()).unwrap();
        let extra = ExtraRouter::start(cluster, &["--client-tls-cert", &cert, "--client-tls-key", &key]);
        TlsRouter { extra, authority, dir }
    }

    /// The file of the authority's own certificate, PEM.
    pub fn ca(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }
}
