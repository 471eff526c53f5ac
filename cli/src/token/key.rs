//! The Ed25519 key that signs a development cluster's tokens, and its public half as a JWKS.

use std::path::Path;

use anyhow::{Context, Result};
use aws_lc_rs::digest;
use data_encoding::BASE64URL_NOPAD;
use rcgen::{KeyPair, PKCS_ED25519, PublicKeyData};
use serde_json::{Value, json};

use crate::dev::files;

/// A signing key.
pub(crate) struct SigningKey {
    pair: KeyPair,
}

impl SigningKey {
    /// Reads the key at `path`.
    pub(crate) fn load(path: &Path) -> Result<Self> {
        let pem = std::fs::read_to_string(path).with_context(|| {
            format!("cannot read the signing key {}; `hansard dev` makes one in its data directory", path.display())
        })?;
        let pair = KeyPair::from_pem(&pem).with_context(|| format!("{} is no PEM private key", path.display()))?;
        anyhow::ensure!(pair.is_compatible(&PKCS_ED25519), "{} is no Ed25519 key", path.display());
        Ok(Self { pair })
    }

    /// Reads the key at `path`, or makes one there, readable by its owner alone.
    pub(crate) fn load_or_create(path: &Path) -> Result<Self> {
        if !path.exists() {
            let pair = KeyPair::generate_for(&PKCS_ED25519)?;
            files::write_private(path, pair.serialize_pem().as_bytes())?;
        }
        Self::load(path)
    }

    /// The private key, PKCS #8 DER.
    pub(super) fn der(&self) -> Vec<u8> {
        self.pair.serialize_der()
    }

    /// The key's id: its RFC 7638 thumbprint.
    pub(super) fn id(&self) -> String {
        // The members in this order without spaces are what the RFC hashes.
        let canonical = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, self.public());
        BASE64URL_NOPAD.encode(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref())
    }

    /// The public half, for routers.
    pub(crate) fn jwks(&self) -> Value {
        json!({ "keys": [{
            "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": self.id(), "x": self.public(),
        }] })
    }

    fn public(&self) -> String {
        BASE64URL_NOPAD.encode(self.pair.der_bytes())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_made_key_is_private_and_is_kept() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("signing.key");
        let made = SigningKey::load_or_create(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(SigningKey::load_or_create(&path).unwrap().jwks(), made.jwks());
        let x = made.jwks()["keys"][0]["x"].as_str().unwrap().to_owned();
        assert_eq!(BASE64URL_NOPAD.decode(x.as_bytes()).unwrap().len(), 32);
    }

    #[test]
    fn what_is_no_key_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("signing.key");
        assert!(SigningKey::load(&path).err().unwrap().to_string().contains("signing.key"));
        std::fs::write(&path, "x").unwrap();
        assert!(SigningKey::load(&path).err().unwrap().to_string().contains("no PEM"));
    }
}
