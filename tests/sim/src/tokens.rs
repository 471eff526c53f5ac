//! Tokens of the simulated people, and the key set that routers check them with.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use data_encoding::BASE64URL_NOPAD;
use serde_json::json;

use crate::os::EPOCH_S;

/// The issuer.
pub(crate) const ISSUER: &str = "https://sim.hansard.internal";
const DAY_S: u64 = 86_400;

fn key() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("32 bytes are a seed")
}

/// The key set, as a file holds it.
pub(crate) fn jwks() -> String {
    let x = BASE64URL_NOPAD.encode(key().public_key().as_ref());
    json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "sim", "alg": "EdDSA", "use": "sig", "x": x}]}).to_string()
}

/// A token for a day.
pub(crate) fn token(subject: &str, operator: bool) -> String {
    let header = json!({"alg": "EdDSA", "typ": "JWT", "kid": "sim"});
    let claims = json!({
        "iss": ISSUER, "sub": subject, "aud": "hansard", "jti": format!("token of {subject}"),
        "iat": EPOCH_S - DAY_S, "exp": EPOCH_S + DAY_S, "roles": if operator { vec!["operator"] } else { vec![] },
    });
    let [header, claims] = [header, claims].map(|part| BASE64URL_NOPAD.encode(part.to_string().as_bytes()));
    let signed = format!("{header}.{claims}");
    let signature = BASE64URL_NOPAD.encode(key().sign(signed.as_bytes()).as_ref());
    format!("{signed}.{signature}")
}
