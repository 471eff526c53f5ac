use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use data_encoding::BASE64URL_NOPAD;
use hansard_runtime::Metrics as Registry;
use hansard_runtime::clock::ManualClock;
use hansard_runtime::net::TcpTransport;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;

const NOW_S: i64 = 1_800_000_000;

struct Signer {
    key: EncodingKey,
    algorithm: Algorithm,
    kid: &'static str,
    public: Value,
}

impl Signer {
    fn ed25519(kid: &'static str) -> Self {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap();
        let x = BASE64URL_NOPAD.encode(pair.public_key().as_ref());
        let public = json!({"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": x});
        Self { key: EncodingKey::from_ed_der(pkcs8.as_ref()), algorithm: Algorithm::EdDSA, kid, public }
    }

    fn es256(kid: &'static str) -> Self {
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref()).unwrap();
        // An uncompressed point: 4, x, y.
        let [x, y] = [1..33, 33..65].map(|range| BASE64URL_NOPAD.encode(&pair.public_key().as_ref()[range]));
        let public = json!({"kty": "EC", "crv": "P-256", "kid": kid, "x": x, "y": y});
        Self { key: EncodingKey::from_ec_der(pkcs8.as_ref()), algorithm: Algorithm::ES256, kid, public }
    }

    fn sign(&self, claims: &Value) -> String {
        let header = Header { kid: Some(self.kid.to_owned()), ..Header::new(self.algorithm) };
        jsonwebtoken::encode(&header, claims, &self.key).unwrap()
    }
}

fn claims() -> Value {
    json!({"iss": "https://id", "sub": "alice", "aud": "hansard", "exp": NOW_S + 60, "iat": NOW_S - 60, "jti": "t1",
           "roles": ["operator"]})
}

fn with(change: Value) -> Value {
    let mut claims = claims();
    for (key, value) in change.as_object().unwrap() {
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(key);
        } else {
            claims[key] = value.clone();
        }
    }
    claims
}

async fn auth(signers: &[&Signer]) -> (Auth, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("jwks.json");
    write_keys(&path, signers);
    let config: RouterConfig = serde_json::from_value(json!({
        "name": "r", "site": "s", "grpc_listen": "127.0.0.1:0", "ws_listen": "127.0.0.1:0",
        "metrics_listen": "127.0.0.1:0", "nodes": ["127.0.0.1:1"], "jwks": path, "issuer": "https://id",
    }))
    .unwrap();
    let (clock, metrics) = (Arc::new(ManualClock::new(NOW_S * 1_000_000)), Arc::new(Metrics::new(&Registry::new())));
    let auth = Auth::new(&config, Arc::default(), Arc::new(TcpTransport), clock, metrics).await.unwrap();
    (auth, dir)
}

fn write_keys(path: &std::path::Path, signers: &[&Signer]) {
    let keys: Vec<Value> = signers.iter().map(|signer| signer.public.clone()).collect();
    std::fs::write(path, json!({ "keys": keys }).to_string()).unwrap();
}

#[tokio::test]
async fn both_algorithms_are_taken() {
    let (ed, es) = (Signer::ed25519("ed"), Signer::es256("es"));
    let (auth, _dir) = auth(&[&ed, &es]).await;
    for signer in [&ed, &es] {
        let checked = auth.verify(&signer.sign(&claims())).await.ok().unwrap();
        assert_eq!((checked.subject.as_str(), checked.operator, checked.issued_s), ("alice", true, NOW_S - 60));
    }
    let several = with(json!({"aud": ["other", "hansard"], "roles": null, "jti": null}));
    let checked = auth.verify(&ed.sign(&several)).await.ok().unwrap();
    assert!(!checked.operator && checked.token_id.is_none());
}

#[tokio::test]
async fn claims_must_hold() {
    let signer = Signer::ed25519("ed");
    let (auth, _dir) = auth(&[&signer]).await;
    let cases = [
        (json!({"exp": NOW_S}), TokenError::Expired),
        (json!({"exp": null}), TokenError::Incomplete),
        (json!({"iat": null}), TokenError::Incomplete),
        (json!({"sub": null}), TokenError::Incomplete),
        (json!({"sub": "x".repeat(257)}), TokenError::Incomplete),
        (json!({"aud": "other"}), TokenError::WrongAudience),
        (json!({"aud": ["a", "b"]}), TokenError::WrongAudience),
        (json!({"aud": null}), TokenError::Incomplete),
        (json!({"iss": "https://other"}), TokenError::WrongIssuer),
        (json!({"nbf": NOW_S + 6}), TokenError::TooEarly),
        (json!({"iat": NOW_S + 6}), TokenError::TooEarly),
        (json!({"exp": "soon"}), TokenError::Malformed),
    ];
    for (change, wanted) in cases {
        let error = auth.verify(&signer.sign(&with(change.clone()))).await.err();
        assert_eq!(error, Some(wanted), "{change}");
    }
    assert!(auth.verify(&signer.sign(&with(json!({"nbf": NOW_S + 5})))).await.is_ok(), "clocks differ a little");
}

#[tokio::test]
async fn forgeries_are_seen() {
    let (signer, other) = (Signer::ed25519("ed"), Signer::ed25519("ed"));
    let (auth, _dir) = auth(&[&signer]).await;
    assert_eq!(auth.verify(&other.sign(&claims())).await.err(), Some(TokenError::Forged));
    assert_eq!(auth.verify(&Signer::ed25519("new").sign(&claims())).await.err(), Some(TokenError::UnknownKey));
    assert_eq!(auth.verify(&Signer::es256("ed").sign(&claims())).await.err(), Some(TokenError::Forged));

    let good = signer.sign(&claims());
    let parts: Vec<&str> = good.split('.').collect();
    let raised = BASE64URL_NOPAD.encode(with(json!({"sub": "root"})).to_string().as_bytes());
    assert_eq!(auth.verify(&format!("{}.{raised}.{}", parts[0], parts[2])).await.err(), Some(TokenError::Forged));
    let none = BASE64URL_NOPAD.encode(br#"{"alg":"none","typ":"JWT","kid":"ed"}"#);
    for token in
        [format!("{none}.{}.", parts[1]), format!("{none}.{}.{}", parts[1], parts[2]), "x".into(), String::new()]
    {
        assert_eq!(auth.verify(&token).await.err(), Some(TokenError::Malformed), "{token}");
    }
    let hmac = EncodingKey::from_secret(b"public key as a secret");
    let header = Header { kid: Some("ed".into()), ..Header::new(Algorithm::HS256) };
    let confused = jsonwebtoken::encode(&header, &claims(), &hmac).unwrap();
    assert_eq!(auth.verify(&confused).await.err(), Some(TokenError::Malformed));
}

#[tokio::test]
async fn new_keys_are_found_when_the_file_changes() {
    let (old, new) = (Signer::ed25519("old"), Signer::ed25519("new"));
    let (auth, dir) = auth(&[&old]).await;
    assert_eq!(auth.verify(&new.sign(&claims())).await.err(), Some(TokenError::UnknownKey));
    write_keys(&dir.path().join("jwks.json"), &[&old, &new]);
    auth.keys.forget_when_loaded().await;
    assert!(auth.verify(&new.sign(&claims())).await.is_ok());
    std::fs::write(dir.path().join("jwks.json"), "half a fi").unwrap();
    auth.keys.forget_when_loaded().await;
    assert!(auth.verify(&Signer::ed25519("other").sign(&claims())).await.is_err());
    assert!(auth.verify(&old.sign(&claims())).await.is_ok(), "a broken file leaves the keys as they are");
}

#[tokio::test]
async fn revocation_is_by_token_and_by_person() {
    use hansard_proto::cluster::v1 as edge;
    let signer = Signer::ed25519("ed");
    let (auth, _dir) = auth(&[&signer]).await;
    let person = PersonId::from_bytes([3; 16]);
    let principal = Principal {
        person,
        epoch: 0,
        operator: false,
        issuer: "i".into(),
        token_id: Some("t1".into()),
        issued_s: NOW_S,
        expires_s: NOW_S + 60,
    };
    assert!(auth.check_revoked(&principal, NOW_S).is_ok());
    assert_eq!(auth.check_revoked(&principal, NOW_S + 1), Err(TokenError::Revoked));
    let by_person = edge::Revocation {
        person: person.as_bytes().to_vec().into(),
        not_before_s: NOW_S + 1,
        epoch: 1,
        ..edge::Revocation::default()
    };
    auth.directory.merge(edge::Directory { revoked: vec![by_person], ..edge::Directory::default() }, false);
    assert_eq!(auth.check_revoked(&principal, 0), Err(TokenError::Revoked));
    let later = Principal { issued_s: NOW_S + 1, ..principal };
    assert!(auth.check_revoked(&later, 0).is_ok());
    let by_id = edge::Revocation { token_id: "t1".into(), ..edge::Revocation::default() };
    auth.directory.merge(edge::Directory { revoked: vec![by_id], ..edge::Directory::default() }, false);
    assert_eq!(auth.check_revoked(&later, 0), Err(TokenError::Revoked));
}
