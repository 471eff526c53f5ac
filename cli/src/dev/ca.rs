//! The authority of a development cluster, and the certificates by which its processes know each other's roles.

use anyhow::{Context, Result};
use hansard_runtime::net::Role;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};

use super::files;
use super::layout::Layout;

/// Certificates that this cluster makes for itself.
pub(crate) struct Ca {
    issuer: Issuer<'static, KeyPair>,
}

impl Ca {
    /// Reads the authority's key, or makes key and certificate.
    pub(crate) fn load_or_create(layout: &Layout) -> Result<Self> {
        let (cert, key) = (layout.ca_cert(), layout.ca_key());
        if !cert.exists() || !key.exists() {
            let pair = KeyPair::generate()?;
            let made = params()?.self_signed(&pair)?;
            files::write_private(&key, pair.serialize_pem().as_bytes())?;
            files::write(&cert, made.pem().as_bytes())?;
        }
        let pem = std::fs::read_to_string(&key).with_context(|| format!("cannot read {}", key.display()))?;
        let pair = KeyPair::from_pem(&pem).with_context(|| format!("{} is no PEM private key", key.display()))?;
        // Its name and key are all that an issued certificate takes from the authority, and both are known.
        Ok(Self { issuer: Issuer::new(params()?, pair) })
    }

    /// Makes the certificate and the key of the process `name`, unless they are there.
    pub(crate) fn ensure(&self, layout: &Layout, name: &str, role: Role) -> Result<()> {
        let (cert, key) = (layout.cert(name), layout.key(name));
        if cert.exists() && key.exists() {
            return Ok(());
        }
        let mut params = CertificateParams::new([role.dns_name().to_owned()])?;
        params.distinguished_name.push(DnType::CommonName, format!("Hansard development {name}"));
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        let pair = KeyPair::generate()?;
        let made = params.signed_by(&pair, &self.issuer)?;
        files::write_private(&key, pair.serialize_pem().as_bytes())?;
        files::write(&cert, made.pem().as_bytes())
    }
}

fn params() -> Result<CertificateParams> {
    let mut params = CertificateParams::new([])?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "Hansard development authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use hansard_runtime::net::{BoxIo, Tls, TlsPaths};

    use super::*;

    #[tokio::test]
    async fn certificates_of_two_starts_know_each_other() {
        let directory = tempfile::tempdir().unwrap();
        let layout = Layout::new(directory.path());
        files::private_directory(&layout.dev()).unwrap();
        Ca::load_or_create(&layout).unwrap().ensure(&layout, "node1", Role::Node).unwrap();
        Ca::load_or_create(&layout).unwrap().ensure(&layout, "router1", Role::Router).unwrap();
        let mode = std::fs::metadata(layout.key("node1")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);

        let tls =
            |name: &str| Tls::load(&TlsPaths::mutual(layout.cert(name), layout.key(name), layout.ca_cert())).unwrap();
        let (near, far) = tokio::io::duplex(16 << 10);
        let (node, router) = (tls("node1"), tls("router1"));
        let (near, far): (BoxIo, BoxIo) = (Box::new(near), Box::new(far));
        let (accepted, connected) = tokio::join!(node.accept(far), router.connect(near, Role::Node));
        assert_eq!(accepted.unwrap().1, Some(Role::Router));
        connected.unwrap();
    }
}
