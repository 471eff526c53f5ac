//! Fetches a key set over HTTP or HTTPS, through the transport seam.

use std::io;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hansard_runtime::net::{BoxIo, Transport};
use http::{Request, StatusCode, Uri, header};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::limits::JWKS_BYTES;

/// The longest that a fetch may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Where Debian keeps the authorities that the machine trusts.
const SYSTEM_ROOTS: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Why a key set cannot be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The URL cannot be used.
    #[error("{url:?} is no http or https URL: {why}")]
    Url {
        /// The URL.
        url: String,
        /// Why.
        why: String,
    },
    /// The authorities cannot be read.
    #[error("cannot read the authorities in {path}: {why}; name a PEM file with `jwks_ca`")]
    Roots {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The exchange failed.
    #[error("cannot fetch {url}: {why}")]
    Exchange {
        /// The URL.
        url: String,
        /// Why.
        why: String,
    },
}

/// A URL that can be fetched again and again.
pub(super) struct Fetch {
    url: String,
    host: String,
    address: String,
    path: String,
    tls: Option<TlsConnector>,
    transport: Arc<dyn Transport>,
}

impl Fetch {
    /// Reads the URL, and for https the authorities: those in `roots`, or the machine's.
    pub(super) fn new(url: &str, roots: Option<&Path>, transport: Arc<dyn Transport>) -> Result<Self, FetchError> {
        let wrong = |why: &str| FetchError::Url { url: url.to_owned(), why: why.to_owned() };
        let uri: Uri = url.parse().map_err(|error: http::uri::InvalidUri| wrong(&error.to_string()))?;
        let host = uri.host().ok_or_else(|| wrong("it names no host"))?.to_owned();
        let (tls, port) = match uri.scheme_str() {
            Some("http") => (None, 80),
            Some("https") => (Some(connector(roots.unwrap_or(Path::new(SYSTEM_ROOTS)))?), 443),
            _ => return Err(wrong("its scheme is neither")),
        };
        let address = format!("{host}:{}", uri.port_u16().unwrap_or(port));
        let path = uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string);
        Ok(Self { url: url.to_owned(), host, address, path, tls, transport })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) async fn get(&self) -> Result<Vec<u8>, FetchError> {
        let failed = |why: String| FetchError::Exchange { url: self.url.clone(), why };
        match tokio::time::timeout(TIMEOUT, self.exchange()).await {
            Ok(exchanged) => exchanged.map_err(|error| failed(error.to_string())),
            Err(_) => Err(failed(format!("no answer within {} s", TIMEOUT.as_secs()))),
        }
    }

    async fn exchange(&self) -> io::Result<Vec<u8>> {
        let plain = self.transport.connect(&self.address).await?;
        let io: BoxIo = match &self.tls {
            None => plain,
            Some(tls) => {
                let name = ServerName::try_from(self.host.clone()).map_err(io::Error::other)?;
                Box::new(tls.connect(name, plain).await?)
            }
        };
        let (mut sender, connection) = http1::handshake(TokioIo::new(io)).await.map_err(io::Error::other)?;
        let request = Request::get(&self.path)
            .header(header::HOST, &self.address)
            .header(header::ACCEPT, "application/json")
            .body(axum::body::Body::empty())
            .map_err(io::Error::other)?;
        let ask = async {
            let response = sender.send_request(request).await.map_err(io::Error::other)?;
            if response.status() != StatusCode::OK {
                return Err(io::Error::other(format!("the answer is {}", response.status())));
            }
            let body = axum::body::Body::new(response.into_body());
            axum::body::to_bytes(body, JWKS_BYTES).await.map(Into::into).map_err(io::Error::other)
        };
        let mut ask = pin!(ask);
        tokio::select! {
            answer = &mut ask => answer,
            // A server may close right behind its answer; if it did so before, the answer says that.
            _ = connection => ask.await,
        }
    }
}

fn connector(roots: &Path) -> Result<TlsConnector, FetchError> {
    let failed = |why: String| FetchError::Roots { path: roots.to_owned(), why };
    let mut store = RootCertStore::empty();
    let found = CertificateDer::pem_file_iter(roots).map_err(|error| failed(error.to_string()))?;
    // Bundles hold some that cannot be read, or that this TLS library refuses; the others still count.
    store.add_parsable_certificates(found.flatten());
    if store.is_empty() {
        return Err(failed("there is none in it".to_owned()));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(error.to_string()))?
        .with_root_certificates(store)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}
