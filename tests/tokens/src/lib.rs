//! An issuer of the tokens that people have in tests.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::json;

/// Who issues.
pub const ISSUER: &str = "https://issuer.test";
/// The audience of every token.
pub const AUDIENCE: &str = "hansard";
/// Longer than any run, in seconds: what ends a token is not what is tested here.
const TTL_S: u64 = 30 * 86_400;

/// Holds the key that signs.
pub struct Issuer {
    key: EncodingKey,
    jwks: String,
}

impl Issuer {
    /// An issuer with a key of its own.
    pub fn new() -> Result<Self> {
        let pair = Ed25519KeyPair::generate()?;
        let x = BASE64URL_NOPAD.encode(pair.public_key().as_ref());
        let key = json!({"kty": "OKP", "crv": "Ed25519", "kid": "k1", "alg": "EdDSA", "use": "sig", "x": x});
        let der = pair.to_pkcs8v1()?;
        Ok(Self { key: EncodingKey::from_ed_der(der.as_ref()), jwks: json!({"keys": [key]}).to_string() })
    }

    /// Writes the key set that routers verify with.
    pub fn write_jwks(&self, path: &Path) -> Result<()> {
        Ok(std::fs::write(path, &self.jwks)?)
    }

    /// A token for a person.
    pub fn token(&self, subject: &str, roles: &[&str]) -> Result<String> {
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some("k1".to_owned());
        let now_s = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let claims = json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": subject, "iat": now_s, "exp": now_s + TTL_S,
            "jti": format!("{subject}-{now_s}"), "roles": roles,
        });
        Ok(jsonwebtoken::encode(&header, &claims, &self.key)?)
    }
}
