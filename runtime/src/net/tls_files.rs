//! The PEM files of a TLS identity, and noticing that they changed.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde::{Deserialize, Serialize};

use super::TlsError;

/// Where a TLS identity is kept, all PEM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsPaths {
    /// The certificate chain, leaf first.
    pub cert: PathBuf,
    /// The private key of the leaf.
    pub key: PathBuf,
    /// The authorities that the other side's certificate must come from. Absent only for a public listener, which asks
    /// its clients for no certificate.
    #[serde(default)]
    pub ca: Option<PathBuf>,
}

impl TlsPaths {
    /// A mutual identity.
    pub fn mutual(cert: impl Into<PathBuf>, key: impl Into<PathBuf>, ca: impl Into<PathBuf>) -> Self {
        Self { cert: cert.into(), key: key.into(), ca: Some(ca.into()) }
    }

    /// A public listener's identity.
    pub fn public(cert: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self { cert: cert.into(), key: key.into(), ca: None }
    }

    /// What tells one state of the files from the next: each file's change time and length.
    pub(super) fn stamp(&self) -> Vec<Option<(SystemTime, u64)>> {
        let of = |path: &Path| fs::metadata(path).ok().and_then(|meta| Some((meta.modified().ok()?, meta.len())));
        [Some(&self.cert), Some(&self.key), self.ca.as_ref()].into_iter().flatten().map(|path| of(path)).collect()
    }

    pub(super) fn read_chain(&self) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        read_certificates(&self.cert)
    }

    pub(super) fn read_key(&self) -> Result<PrivateKeyDer<'static>, TlsError> {
        PrivateKeyDer::from_pem_file(&self.key)
            .map_err(|error| TlsError::Read { path: self.key.clone(), reason: error.to_string() })
    }

    pub(super) fn read_roots(&self) -> Result<Option<Arc<RootCertStore>>, TlsError> {
        let Some(path) = &self.ca else {
            return Ok(None);
        };
        let mut roots = RootCertStore::empty();
        for certificate in read_certificates(path)? {
            roots.add(certificate).map_err(|error| TlsError::Read { path: path.clone(), reason: error.to_string() })?;
        }
        Ok(Some(Arc::new(roots)))
    }
}

fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let failed = |reason: String| TlsError::Read { path: path.to_owned(), reason };
    let found = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| failed(error.to_string()))?;
    if found.is_empty() {
        return Err(failed("it holds no certificate".to_owned()));
    }
    Ok(found)
}
