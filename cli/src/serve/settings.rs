//! What both kinds of server share in their settings.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use hansard_runtime::config::{self, Key};
use hansard_runtime::net::TlsPaths;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Variables of the environment that belong to other commands.
const FOREIGN: [&str; 7] = ["config", "router", "token", "token_file", "ca", "output", "gen"];

/// Reads the layers.
pub(super) fn load<T: DeserializeOwned>(keys: &[Key], file: Option<&Path>, flags: &impl Serialize) -> Result<T> {
    config::load(keys, file, std::env::vars(), &FOREIGN, flags).context("bad configuration")
}

/// A mutual TLS identity of three settings, or none of them.
pub(super) fn mutual_tls(cert: Option<PathBuf>, key: Option<PathBuf>, ca: Option<PathBuf>) -> Result<Option<TlsPaths>> {
    match (cert, key, ca) {
        (None, None, None) => Ok(None),
        (Some(cert), Some(key), Some(ca)) => Ok(Some(TlsPaths::mutual(cert, key, ca))),
        _ => bail!("bad configuration: tls_cert, tls_key and tls_ca go together; give all three or none"),
    }
}

/// The name of this process when none was given: the machine's, which in Kubernetes is the pod's.
pub(super) fn own_name(given: Option<String>) -> Result<String> {
    given
        .or_else(|| std::env::var("HOSTNAME").ok())
        .or_else(|| std::fs::read_to_string("/proc/sys/kernel/hostname").ok().map(|name| name.trim().to_owned()))
        .filter(|name| !name.is_empty())
        .context("bad configuration: give this process a name with --name")
}
