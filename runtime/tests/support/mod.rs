//! Made certificates.

use std::path::{Path, PathBuf};

use hansard_runtime::net::TlsPaths;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

pub(crate) type Ca = CertifiedIssuer<'static, KeyPair>;

pub(crate) const NODE: &[&str] = &["node.hansard.internal", "localhost"];

pub(crate) fn ca() -> Ca {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

pub(crate) fn identity(directory: &Path, name: &str, ca: &Ca, trusted: &Ca, names: &[&str]) -> TlsPaths {
    let path = |end: &str| -> PathBuf { directory.join(format!("{name}.{end}")) };
    let paths = TlsPaths::mutual(path("pem"), path("key"), path("ca"));
    write(&paths, ca, names);
    std::fs::write(path("ca"), trusted.pem()).unwrap();
    paths
}

pub(crate) fn write(paths: &TlsPaths, ca: &Ca, names: &[&str]) {
    let key = KeyPair::generate().unwrap();
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let certificate = CertificateParams::new(names).unwrap().signed_by(&key, ca).unwrap();
    std::fs::write(&paths.cert, certificate.pem()).unwrap();
    std::fs::write(&paths.key, key.serialize_pem()).unwrap();
}
