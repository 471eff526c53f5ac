//! Where a development cluster keeps what.

use std::path::{Path, PathBuf};

/// The data directory of a development cluster: `node1` and so on hold the nodes' data, `logs` what the processes said,
/// `dev` everything else.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    data: PathBuf,
}

impl Layout {
    /// The layout under `data`, as an absolute path where there is a current directory.
    pub(crate) fn new(data: &Path) -> Self {
        Self { data: std::path::absolute(data).unwrap_or_else(|_| data.to_owned()) }
    }

    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    /// What to add to a command so that it finds this cluster from the current directory.
    pub(crate) fn flag(&self) -> String {
        if Self::new(Path::new("./data")).data == self.data {
            String::new()
        } else {
            format!(" --data {}", self.data.display())
        }
    }

    /// Certificates, keys, tokens, and the control socket.
    pub(crate) fn dev(&self) -> PathBuf {
        self.data.join("dev")
    }

    pub(crate) fn logs(&self) -> PathBuf {
        self.data.join("logs")
    }

    /// A node's own data.
    pub(crate) fn node_data(&self, name: &str) -> PathBuf {
        self.data.join(name)
    }

    /// What a process says.
    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.logs().join(format!("{name}.log"))
    }

    /// A process's settings.
    pub(crate) fn config(&self, name: &str) -> PathBuf {
        self.dev().join(format!("{name}.toml"))
    }

    pub(crate) fn cert(&self, name: &str) -> PathBuf {
        self.dev().join(format!("{name}.pem"))
    }

    pub(crate) fn key(&self, name: &str) -> PathBuf {
        self.dev().join(format!("{name}.key"))
    }

    /// The certificate of the authority that all certificates here come from.
    pub(crate) fn ca_cert(&self) -> PathBuf {
        self.cert("ca")
    }

    pub(crate) fn ca_key(&self) -> PathBuf {
        self.key("ca")
    }

    /// The key that signs tokens.
    pub(crate) fn signing_key(&self) -> PathBuf {
        self.dev().join("signing.key")
    }

    pub(crate) fn jwks(&self) -> PathBuf {
        self.dev().join("jwks.json")
    }

    pub(crate) fn token(&self, person: &str) -> PathBuf {
        self.dev().join(format!("{person}.token"))
    }

    /// Which ports the processes had last, so that a restart keeps its addresses.
    pub(crate) fn ports(&self) -> PathBuf {
        self.dev().join("ports.json")
    }

    /// The processes that run, for a start after this one was killed.
    pub(crate) fn pids(&self) -> PathBuf {
        self.dev().join("pids.json")
    }

    /// Held by the one `hansard dev` that may run here.
    pub(crate) fn lock(&self) -> PathBuf {
        self.dev().join("lock")
    }
}
