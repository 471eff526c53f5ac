//! What a router must be told.

use std::net::IpAddr;
use std::path::PathBuf;

use hansard_runtime::net::TlsPaths;
use serde::{Deserialize, Serialize};

use crate::limits::{RINGS_BYTES, Rates};

/// A router's configuration.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouterConfig {
    /// Its name, such as `router1`.
    pub name: String,
    /// Its site, such as `boston`.
    pub site: String,
    /// Where it serves gRPC, `host:port`.
    pub grpc_listen: String,
    /// Where it serves WebSocket, `host:port`.
    pub ws_listen: String,
    /// Where it serves metrics and health, `host:port`; plaintext.
    pub metrics_listen: String,
    /// The URL that clients reach its gRPC by, told to them as an alternate; made from where it listens if absent.
    #[serde(default)]
    pub advertise_grpc: Option<String>,
    /// Nodes to begin with, `host:port`.
    pub nodes: Vec<String>,
    /// Its identity among routers and nodes; without one the links are plaintext, on loopback only unless allowed.
    #[serde(default)]
    pub tls: Option<TlsPaths>,
    /// What it shows to clients; without it clients talk plaintext, on loopback only unless allowed.
    #[serde(default)]
    pub client_tls: Option<TlsPaths>,
    /// Plaintext outside loopback is wanted, as something in front of this router encrypts.
    #[serde(default)]
    pub allow_plaintext: bool,
    /// The JSON Web Key Set: a file's path, or a URL; outside loopback https, unless plaintext is wanted.
    pub jwks: String,
    /// The authorities that a https URL's certificate must come from, PEM; the machine's if absent.
    #[serde(default)]
    pub jwks_ca: Option<PathBuf>,
    /// Whom tokens must be of.
    pub issuer: String,
    /// Whom tokens must be for.
    #[serde(default = "default_audience")]
    pub audience: String,
    /// How fast people may go.
    #[serde(default)]
    pub rates: Rates,
    /// Bytes of recent entries, of all followed rooms together, that are kept for their followers.
    #[serde(default = "default_rings")]
    pub rings_bytes: usize,
    /// How long a drain may take, seconds.
    #[serde(default = "default_drain")]
    pub drain_seconds: u64,
}

/// A configuration that would not do what was meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Plaintext where others could listen.
    #[error(
        "{key} is {address}, which is not loopback, and {missing} is not set: give it certificates, or say \
         allow_plaintext = true if something in front of this router encrypts"
    )]
    Plaintext {
        /// The setting.
        key: &'static str,
        /// Its value.
        address: String,
        /// What would encrypt it.
        missing: &'static str,
    },
    /// Keys that somebody on the way could replace by their own.
    #[error(
        "jwks is {0}, which is neither https nor loopback: whoever is on the way could make tokens of their own; give an https URL or \
         a file, or say allow_plaintext = true if the way is safe"
    )]
    PlaintextKeys(String),
    /// Something must be said.
    #[error("{0} is empty")]
    Empty(&'static str),
}

impl RouterConfig {
    /// Refuses what would not do what was meant.
    ///
    /// # Errors
    /// [`ConfigError`] says what to change.
    pub fn check(&self) -> Result<(), ConfigError> {
        let texts = [("name", &self.name), ("site", &self.site), ("jwks", &self.jwks), ("issuer", &self.issuer)];
        if let Some((key, _)) = texts.into_iter().find(|(_, value)| value.is_empty()) {
            return Err(ConfigError::Empty(key));
        }
        if self.nodes.is_empty() {
            return Err(ConfigError::Empty("nodes"));
        }
        for (key, address) in [("grpc_listen", &self.grpc_listen), ("ws_listen", &self.ws_listen)] {
            self.check_plaintext(key, address, "client_tls", self.client_tls.is_some())?;
        }
        self.check_keys()?;
        self.nodes.iter().try_for_each(|node| self.check_plaintext("nodes", node, "tls", self.tls.is_some()))
    }

    fn check_keys(&self) -> Result<(), ConfigError> {
        let Ok(uri) = self.jwks.parse::<http::Uri>() else { return Ok(()) };
        let safe = uri.scheme_str() != Some("http") || uri.host().is_some_and(is_loopback_host);
        if safe || self.allow_plaintext { Ok(()) } else { Err(ConfigError::PlaintextKeys(self.jwks.clone())) }
    }

    fn check_plaintext(
        &self,
        key: &'static str,
        address: &str,
        missing: &'static str,
        encrypted: bool,
    ) -> Result<(), ConfigError> {
        if encrypted || self.allow_plaintext || is_loopback(address) {
            return Ok(());
        }
        Err(ConfigError::Plaintext { key, address: address.to_owned(), missing })
    }
}

fn is_loopback(address: &str) -> bool {
    is_loopback_host(address.rsplit_once(':').map_or(address, |(host, _)| host))
}

fn is_loopback_host(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn default_audience() -> String {
    "hansard".to_owned()
}

const fn default_rings() -> usize {
    RINGS_BYTES
}

const fn default_drain() -> u64 {
    20
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_known() {
        for yes in ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "localhost:1"] {
            assert!(is_loopback(yes), "{yes}");
        }
        for no in ["0.0.0.0:1", "[::]:1", "10.0.0.1:1", "localhost.example:1", "router:1"] {
            assert!(!is_loopback(no), "{no}");
        }
    }

    #[test]
    fn plaintext_outside_loopback_must_be_asked_for() {
        let mut config: RouterConfig = serde_json::from_str(
            r#"{"name":"r","site":"s","grpc_listen":"0.0.0.0:1","ws_listen":"127.0.0.1:2","metrics_listen":"127.0.0.1:3",
                "nodes":["127.0.0.1:4"],"jwks":"keys.json","issuer":"i"}"#,
        )
        .unwrap();
        let refused = config.check().unwrap_err().to_string();
        assert!(refused.contains("grpc_listen") && refused.contains("allow_plaintext"), "{refused}");
        config.allow_plaintext = true;
        config.check().unwrap();
        (config.allow_plaintext, config.grpc_listen) = (false, "127.0.0.1:1".to_owned());
        for safe in
            ["http://127.0.0.1/keys", "http://localhost:8000/keys?a:b", "http://[::1]:8000", "https://id.example/keys"]
        {
            config.jwks = safe.to_owned();
            config.check().unwrap();
        }
        for unsafe_way in ["http://id.example/keys", "http://127.0.0.1.example:80/", "http://127.0.0.1:80@id.example/"]
        {
            config.jwks = unsafe_way.to_owned();
            assert_eq!(config.check(), Err(ConfigError::PlaintextKeys(unsafe_way.to_owned())));
        }
        assert_eq!(config.audience, "hansard");
    }
}
