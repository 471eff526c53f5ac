//! Making a token.

use std::time::Duration;

use anyhow::Result;
use data_encoding::HEXLOWER;
use hansard_runtime::{Clock, Entropy, OsEntropy, SystemClock};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde::Serialize;

use super::SigningKey;

/// What a token says.
#[derive(Debug)]
pub(crate) struct Grant<'a> {
    pub(crate) issuer: &'a str,
    pub(crate) audience: &'a str,
    pub(crate) subject: &'a str,
    pub(crate) operator: bool,
    pub(crate) ttl: Duration,
}

/// A token.
pub(crate) struct Issued {
    pub(crate) text: String,
    /// Its `jti`.
    pub(crate) id: String,
    /// When it ends, Unix time in seconds.
    pub(crate) expires_s: u64,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    iat: u64,
    exp: u64,
    jti: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    roles: &'a [&'a str],
}

/// Unix time in seconds.
pub(crate) fn now_s() -> u64 {
    u64::try_from(SystemClock.now_us() / 1_000_000).unwrap_or(0)
}

/// Signs `grant` as of `now_s`.
pub(crate) fn issue(key: &SigningKey, grant: &Grant<'_>, now_s: u64) -> Result<Issued> {
    let id = HEXLOWER.encode(&OsEntropy.id());
    let expires_s = now_s.saturating_add(grant.ttl.as_secs());
    let roles: &[&str] = if grant.operator { &["operator"] } else { &[] };
    let claims = Claims {
        iss: grant.issuer,
        sub: grant.subject,
        aud: grant.audience,
        iat: now_s,
        exp: expires_s,
        jti: &id,
        roles,
    };
    let mut header = Header::new(Algorithm::EdDSA);
    header.kid = Some(key.id());
    let text = encode(&header, &claims, &EncodingKey::from_ed_der(&key.der()))?;
    Ok(Issued { text, id, expires_s })
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::jwk::JwkSet;
    use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};
    use serde_json::Value;

    use super::*;

    fn round_trip(operator: bool) -> (Issued, Value) {
        let directory = tempfile::tempdir().unwrap();
        let key = SigningKey::load_or_create(&directory.path().join("key")).unwrap();
        let ttl = Duration::from_secs(60);
        let grant = Grant { issuer: "https://i", audience: "hansard", subject: "carol", operator, ttl };
        let issued = issue(&key, &grant, now_s()).unwrap();
        let jwks: JwkSet = serde_json::from_value(key.jwks()).unwrap();
        let kid = decode_header(&issued.text).unwrap().kid.unwrap();
        let public = DecodingKey::from_jwk(jwks.find(&kid).unwrap()).unwrap();
        let mut wanted = Validation::new(Algorithm::EdDSA);
        wanted.set_audience(&["hansard"]);
        wanted.set_issuer(&["https://i"]);
        let claims = decode(&issued.text, &public, &wanted).unwrap().claims;
        (issued, claims)
    }

    #[test]
    fn a_token_verifies_against_the_jwks() {
        let (issued, claims) = round_trip(true);
        assert_eq!(claims["sub"], "carol");
        assert_eq!(claims["jti"], issued.id.as_str());
        assert_eq!(claims["exp"], issued.expires_s);
        assert_eq!(claims["roles"], serde_json::json!(["operator"]));
    }

    #[test]
    fn people_have_no_role_unless_given() {
        assert!(round_trip(false).1.get("roles").is_none());
    }
}
