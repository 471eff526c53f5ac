//! The keys that tokens may be signed with.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey};
use prometheus_client::metrics::counter::Counter;
use tokio::time::Instant;

use super::fetch::{Fetch, FetchError};
use crate::limits::{JWKS_FILE_INTERVAL, JWKS_UNKNOWN_INTERVAL, JWKS_URL_INTERVAL};

/// Why keys cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The file cannot be read.
    #[error("cannot read the key set {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is no JWKS.
    #[error("{origin} is no JSON Web Key Set: {source}")]
    Format {
        /// Where it is from.
        origin: String,
        /// Why.
        source: serde_json::Error,
    },
    /// There is no key in it that can be used.
    #[error("{0} has no usable key: Ed25519 (OKP) or P-256 (EC) keys with a `kid` are taken")]
    Empty(String),
    /// It cannot be fetched.
    #[error(transparent)]
    Fetch(#[from] FetchError),
}

/// A key and the one algorithm that it is for.
pub(crate) struct Key {
    pub(super) algorithm: Algorithm,
    pub(super) key: DecodingKey,
}

/// Where keys are from.
pub(super) enum Source {
    File(PathBuf),
    Url(Fetch),
}

pub(crate) type Set = HashMap<String, Arc<Key>>;

pub(super) struct Keys {
    source: Source,
    set: RwLock<Set>,
    loaded: tokio::sync::Mutex<Loaded>,
    failures: Counter,
}

#[derive(Default)]
struct Loaded {
    at: Option<Instant>,
    stamp: Option<(SystemTime, u64)>,
}

impl Keys {
    /// None are known yet. `failures` counts loads that failed.
    pub(super) fn new(source: Source, failures: Counter) -> Self {
        Self { source, set: RwLock::default(), loaded: tokio::sync::Mutex::default(), failures }
    }

    /// The key with this id. One that is not known may be new: the source is asked, but not too often.
    pub(super) async fn find(&self, kid: &str) -> Option<Arc<Key>> {
        if let Some(key) = self.get(kid) {
            return Some(key);
        }
        let pause = match self.source {
            Source::File(_) => JWKS_FILE_INTERVAL,
            Source::Url(_) => JWKS_UNKNOWN_INTERVAL,
        };
        self.renew(pause).await;
        self.get(kid)
    }

    /// Loads keys for the first time.
    pub(super) async fn start(&self) -> Result<(), KeysError> {
        let mut loaded = self.loaded.lock().await;
        self.load(&mut loaded).await
    }

    /// Loads keys again from time to time, for ever. Failures leave the keys as they are.
    pub(super) async fn keep(&self) {
        let interval = match self.source {
            Source::File(_) => JWKS_FILE_INTERVAL,
            Source::Url(_) => JWKS_URL_INTERVAL,
        };
        loop {
            tokio::time::sleep(interval).await;
            self.renew(interval / 2).await;
        }
    }

    /// Lets the next unknown key ask the source at once.
    #[cfg(test)]
    pub(super) async fn forget_when_loaded(&self) {
        *self.loaded.lock().await = Loaded::default();
    }

    /// Loads keys again unless that was tried within `pause`.
    async fn renew(&self, pause: Duration) {
        let mut loaded = self.loaded.lock().await;
        if loaded.at.is_some_and(|at| at.elapsed() < pause) {
            return;
        }
        if let Err(error) = self.load(&mut loaded).await {
            tracing::warn!(%error, "keys cannot be renewed; those that are known stay in use");
        }
    }

    async fn load(&self, loaded: &mut Loaded) -> Result<(), KeysError> {
        let done = self.try_load(loaded).await;
        // From its end on: a source that is slow to fail is not asked all the time.
        loaded.at = Some(Instant::now());
        if done.is_err() {
            self.failures.inc();
        }
        done
    }

    async fn try_load(&self, loaded: &mut Loaded) -> Result<(), KeysError> {
        let (origin, bytes) = match &self.source {
            Source::File(path) => {
                let read = |source| KeysError::Read { path: path.clone(), source };
                let meta = std::fs::metadata(path).map_err(read)?;
                let stamp = meta.modified().ok().map(|modified| (modified, meta.len()));
                if stamp.is_some() && stamp == loaded.stamp {
                    return Ok(());
                }
                let bytes = std::fs::read(path).map_err(read)?;
                loaded.stamp = stamp;
                (path.display().to_string(), bytes)
            }
            Source::Url(fetch) => (fetch.url().to_owned(), fetch.get().await?),
        };
        let set = parse(&origin, &bytes)?;
        *self.set.write().unwrap_or_else(PoisonError::into_inner) = set;
        Ok(())
    }

    fn get(&self, kid: &str) -> Option<Arc<Key>> {
        self.set.read().unwrap_or_else(PoisonError::into_inner).get(kid).cloned()
    }
}

/// Reads a JWKS; `origin` says where it is from.
pub(crate) fn parse(origin: &str, bytes: &[u8]) -> Result<Set, KeysError> {
    let set: JwkSet =
        serde_json::from_slice(bytes).map_err(|source| KeysError::Format { origin: origin.to_owned(), source })?;
    let set: Set = set.keys.iter().filter_map(usable).collect();
    if set.is_empty() {
        return Err(KeysError::Empty(origin.to_owned()));
    }
    Ok(set)
}

fn usable(jwk: &Jwk) -> Option<(String, Arc<Key>)> {
    let algorithm = match &jwk.algorithm {
        AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => Algorithm::EdDSA,
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => Algorithm::ES256,
        _ => return None,
    };
    let key = DecodingKey::from_jwk(jwk).ok()?;
    Some((jwk.common.key_id.clone()?, Arc::new(Key { algorithm, key })))
}
