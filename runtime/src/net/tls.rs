//! Mutual TLS between processes, and server-side TLS for people's clients. Certificates are read again when their files
//! change; connections that stand keep what they were made with.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use rustls::client::verify_server_name;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{ClientConfig, ServerConfig, SupportedProtocolVersion};
use tokio::io::BufReader;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::{BoxIo, Role, TlsPaths};

/// How often the files are looked at, at most; looking costs three `stat` calls.
const RELOAD_EVERY: Duration = Duration::from_secs(1);

/// Both ends are ours. People's clients may be older, and speak 1.2.
const BETWEEN_PROCESSES: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];

/// What one read takes from a connection between processes, bytes; by itself TLS would take 4 KiB at a time.
const READ: usize = 64 << 10;

/// Why a TLS identity cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is missing or is not what it should be.
    #[error("cannot use {path}: {reason}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The pieces do not fit together.
    #[error("the TLS identity in {cert} is not usable: {reason}; check that the key belongs to the certificate")]
    Identity {
        /// The certificate's file.
        cert: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// A TLS identity: what this process shows, and whom it believes. Share it in an [`Arc`].
#[derive(Debug)]
pub struct Tls {
    paths: TlsPaths,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    loaded: Loaded,
    stamp: Vec<Option<(SystemTime, u64)>>,
    looked: Instant,
}

#[derive(Debug, Clone)]
struct Loaded {
    server: Arc<ServerConfig>,
    /// Absent for a public listener, which never connects.
    client: Option<Arc<ClientConfig>>,
}

impl Tls {
    /// Reads and checks the files.
    ///
    /// # Errors
    /// [`TlsError`] says which file is wrong and how.
    pub fn load(paths: &TlsPaths) -> Result<Arc<Self>, TlsError> {
        let stamp = paths.stamp();
        let state = State { loaded: read(paths)?, stamp, looked: Instant::now() };
        Ok(Arc::new(Self { paths: paths.clone(), state: Mutex::new(state) }))
    }

    /// Takes the server's side of a handshake on `io`. Under a mutual identity the client must show a certificate of
    /// one role; its role is returned.
    ///
    /// # Errors
    /// When the handshake fails, or the certificate names no role, or several.
    pub async fn accept(&self, io: BoxIo) -> io::Result<(BoxIo, Option<Role>)> {
        let server = self.current().server;
        let io = if self.paths.ca.is_some() { buffered(io) } else { io };
        let stream = TlsAcceptor::from(server).accept(io).await?;
        let role = if self.paths.ca.is_some() { Some(role_of(stream.get_ref().1.peer_certificates())?) } else { None };
        Ok((Box::new(stream), role))
    }

    /// Takes the client's side of a handshake on `io`; the server must show a certificate of `role`.
    ///
    /// # Errors
    /// When the handshake fails, or the server has another role.
    pub async fn connect(&self, io: BoxIo, role: Role) -> io::Result<BoxIo> {
        let Some(client) = self.current().client else {
            return Err(io::Error::other("a public TLS identity cannot connect; give it a CA file"));
        };
        let name = ServerName::try_from(role.dns_name()).map_err(io::Error::other)?;
        Ok(Box::new(TlsConnector::from(client).connect(name, buffered(io)).await?))
    }

    /// The newest usable state of the files.
    fn current(&self) -> Loaded {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.looked.elapsed() >= RELOAD_EVERY {
            state.looked = Instant::now();
            self.reload(&mut state);
        }
        state.loaded.clone()
    }

    /// Files that changed but do not fit together (a certificate whose key is still being written) leave the old state
    /// in use, and are read again at the next look.
    fn reload(&self, state: &mut State) {
        let stamp = self.paths.stamp();
        if stamp == state.stamp {
            return;
        }
        match read(&self.paths) {
            Ok(loaded) => {
                tracing::info!(cert = %self.paths.cert.display(), "TLS identity reloaded");
                state.loaded = loaded;
                state.stamp = stamp;
            }
            Err(error) => {
                tracing::warn!(%error, "TLS files changed but cannot be used yet; the old ones stay in use")
            }
        }
    }
}

fn buffered(io: BoxIo) -> BoxIo {
    Box::new(BufReader::with_capacity(READ, io))
}

fn read(paths: &TlsPaths) -> Result<Loaded, TlsError> {
    let unusable = |reason: String| TlsError::Identity { cert: paths.cert.clone(), reason };
    let provider: Arc<CryptoProvider> = Arc::new(aws_lc_rs::default_provider());
    let roots = paths.read_roots()?;

    let verifier = match &roots {
        Some(roots) => WebPkiClientVerifier::builder_with_provider(roots.clone(), provider.clone())
            .build()
            .map_err(|error| unusable(error.to_string()))?,
        None => WebPkiClientVerifier::no_client_auth(),
    };
    let mutual = roots.is_some();
    let mut server = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(if mutual { BETWEEN_PROCESSES } else { rustls::DEFAULT_VERSIONS })
        .map_err(|error| unusable(error.to_string()))?
        .with_client_cert_verifier(verifier)
        .with_single_cert(paths.read_chain()?, paths.read_key()?)
        .map_err(|error| unusable(error.to_string()))?;
    server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];

    let client = match roots {
        Some(roots) => {
            let mut client = ClientConfig::builder_with_provider(provider)
                .with_protocol_versions(BETWEEN_PROCESSES)
                .map_err(|error| unusable(error.to_string()))?
                .with_root_certificates(roots)
                .with_client_auth_cert(paths.read_chain()?, paths.read_key()?)
                .map_err(|error| unusable(error.to_string()))?;
            client.alpn_protocols = vec![b"h2".to_vec()];
            Some(Arc::new(client))
        }
        None => None,
    };
    Ok(Loaded { server: Arc::new(server), client })
}

fn role_of(chain: Option<&[CertificateDer<'_>]>) -> io::Result<Role> {
    let refused = |why: &str| io::Error::new(io::ErrorKind::PermissionDenied, why.to_owned());
    let leaf = chain.and_then(<[_]>::first).ok_or_else(|| refused("the client showed no certificate"))?;
    let leaf = ParsedCertificate::try_from(leaf).map_err(io::Error::other)?;
    let holds =
        |role: &Role| ServerName::try_from(role.dns_name()).is_ok_and(|name| verify_server_name(&leaf, &name).is_ok());
    let mut roles = Role::ALL.into_iter().filter(holds);
    match (roles.next(), roles.next()) {
        (Some(role), None) => Ok(role),
        (None, _) => Err(refused(
            "the client's certificate names no role; it needs node.hansard.internal or router.hansard.internal as a DNS name",
        )),
        (Some(_), Some(_)) => Err(refused("the client's certificate names several roles; give each process its own")),
    }
}
