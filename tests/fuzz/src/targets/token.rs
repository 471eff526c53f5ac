//! Tokens, and the keys that they are checked with.

use std::sync::LazyLock;

use hansard_router::fuzzing::Verifier;

use crate::law::{demand, refused};
use crate::target::{Seen, Shape, Target, Verdict};

pub(super) const TARGETS: [Target; 2] = [
    Target::new("token/jwt", tokens, token).shaped(Shape::Text(&WORDS)).allowed(64 << 10, 256),
    Target::new("token/jwks", key_sets, key_set).shaped(Shape::Text(&WORDS)).allowed(64 << 10, 1_024),
];

/// Among them the headers `{"alg":"none"}` and `{"alg":"HS256","kid":"ed"}`, and claims of somebody else.
const WORDS: [&str; 12] = [
    "eyJhbGciOiJub25lIn0",
    "eyJhbGciOiJIUzI1NiIsImtpZCI6ImVkIn0",
    "eyJpc3MiOiJodHRwczovL2lkIiwic3ViIjoicm9vdCIsImF1ZCI6ImhhbnNhcmQiLCJleHAiOjQwMDAwMDAwMDAsImlhdCI6MX0",
    "OKP",
    "EC",
    "RSA",
    "Ed25519",
    "P-256",
    "kid",
    "kty",
    "crv",
    "oct",
];

const JWKS: &str = include_str!("../../corpus/jwks.json");
const TOKENS: &str = include_str!("../../corpus/tokens.txt");

/// Within the tokens' time.
const NOW_US: i64 = 1_900_000_000_000_000;

fn verifier() -> &'static Verifier {
    static VERIFIER: LazyLock<Verifier> =
        LazyLock::new(|| Verifier::new(JWKS.as_bytes(), "https://id", "hansard").expect("the keys can be used"));
    &VERIFIER
}

fn tokens() -> Vec<Vec<u8>> {
    TOKENS.lines().map(|token| token.as_bytes().to_vec()).collect()
}

/// Only what was signed is believed: a token that is admitted begins as one of those that were signed, up to the signature.
fn token(input: &[u8]) -> Verdict {
    let Ok(text) = std::str::from_utf8(input) else { return Ok(Seen::Refused) };
    match verifier().check(text, NOW_US) {
        Err(error) => refused(input, &error),
        Ok(holder) => {
            let signed = |token: &str| token.rsplit_once('.').map(|(signed, _)| signed.to_owned());
            let genuine = TOKENS.lines().any(|token| signed(token) == signed(text));
            demand(genuine, || format!("a forged token is admitted: {holder:?}"))?;
            Ok(Seen::Taken)
        }
    }
}

fn key_sets() -> Vec<Vec<u8>> {
    vec![JWKS.as_bytes().to_vec()]
}

/// Keys that are taken have an id that stands in the set, and do not make tokens of others good.
fn key_set(input: &[u8]) -> Verdict {
    let verifier = match Verifier::new(input, "https://id", "hansard") {
        Ok(verifier) => verifier,
        Err(error) => return refused(input, &error),
    };
    demand(verifier.key_ids().count() > 0, || "a set without keys is taken".to_owned())?;
    let plain = std::str::from_utf8(input).is_ok_and(|text| !text.contains('\\'));
    for id in verifier.key_ids().filter(|_| plain) {
        let stands = input.windows(id.len().max(1)).any(|window| window == id.as_bytes()) || id.is_empty();
        demand(stands, || format!("{id:?} is no id of the set"))?;
    }
    Ok(Seen::Taken)
}
