//! An issuer of tokens.

use std::path::Path;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::json;

/// Who issues.
pub const ISSUER: &str = "https://issuer.test";

/// The audience of every token.
pub const AUDIENCE: &str = "hansard";

/// Holds a key that signs tokens.
pub struct Issuer {
    key: EncodingKey,
    jwks: String,
}

impl Default for Issuer {
    fn default() -> Self {
        let pair = Ed25519KeyPair::generate().expect("a key");
        let der = pair.to_pkcs8v1().expect("a key in PKCS 8");
        let x = BASE64URL_NOPAD.encode(pair.public_key().as_ref());
        let jwks =
            json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "k1", "alg": "EdDSA", "use": "sig", "x": x}]});
        Issuer { key: EncodingKey::from_ed_der(der.as_ref()), jwks: jwks.to_string() }
    }
}

impl Issuer {
    /// Writes the key set that routers verify with.
    pub fn write_jwks(&self, path: &Path) {
        std::fs::write(path, &self.jwks).expect("a key set file");
    }

    /// A token for `subject`, good for `ttl_s` seconds from `now_s`, seconds since 1970.
    pub fn token(&self, subject: &str, roles: &[&str], now_s: i64, ttl_s: i64) -> String {
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some("k1".to_owned());
        let claims = json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": subject, "iat": now_s, "exp": now_s + ttl_s,
            "jti": format!("{subject}-{now_s}"), "roles": roles,
        });
        jsonwebtoken::encode(&header, &claims, &self.key).expect("a token")
    }
}
