//! How a client is set up.

use std::{fmt, future::Future, io, pin::Pin, sync::Arc, time::Duration};

use tokio::io::{AsyncRead, AsyncWrite};

/// What a token provider returns: a token, or why there is none.
pub type TokenFuture = Pin<Box<dyn Future<Output = Result<String, String>> + Send>>;

/// Where tokens come from.
#[derive(Clone)]
pub enum Token {
    /// One token; when it ends, so does the client.
    Fixed(String),
    /// Asked for a token before every session; asked again when a session ends because its token did.
    Provider(Arc<dyn Fn() -> TokenFuture + Send + Sync>),
}

impl Token {
    pub(crate) async fn get(&self) -> Result<String, String> {
        match self {
            Self::Fixed(token) => Ok(token.clone()),
            Self::Provider(provide) => provide().await,
        }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(hidden)")
    }
}

/// A byte stream to a router.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Io for T {}

/// What a connector returns: a stream, or why there is none.
pub type IoFuture = Pin<Box<dyn Future<Output = io::Result<Box<dyn Io>>> + Send>>;

/// Opens streams to routers, given `host:port`, in the place of TCP; such as through a simulated network.
#[derive(Clone)]
pub struct Connector(pub Arc<dyn Fn(String) -> IoFuture + Send + Sync>);

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connector")
    }
}

/// Everything a client needs to know. [`Config::new`] fills in what rarely changes.
#[derive(Clone, Debug)]
pub struct Config {
    /// Routers, `http://host:port` or `https://host:port`; at least one. Their alternates are learned from them.
    pub routers: Vec<String>,
    /// Who the client is.
    pub token: Token,
    /// The client's name and version, at most 128 bytes.
    pub agent: String,
    /// A PEM bundle of authorities to trust for `https://`, in the place of none.
    pub ca_pem: Option<Vec<u8>>,
    /// What opens streams to `http://` routers; `None`: TCP.
    pub connector: Option<Connector>,
    /// How long [`crate::Client::connect`] tries.
    pub connect_deadline: Duration,
    /// How long a request is repeated while its outcome is unknown.
    pub deadline: Duration,
    /// How many sends may be under way; more wait. Routers take 256 a session.
    pub max_sends: usize,
    /// How many calls may be under way; more wait. Routers take 64 a session.
    pub max_calls: usize,
    /// How many items wait in each follow. When they are not taken, the follow alone pauses and resumes later.
    pub follow_buffer: usize,
    /// How many rooms may be followed at once.
    pub max_follows: usize,
}

impl Config {
    /// A configuration with the usual bounds.
    pub fn new(routers: impl IntoIterator<Item = impl Into<String>>, token: impl Into<String>) -> Self {
        Self {
            routers: routers.into_iter().map(Into::into).collect(),
            token: Token::Fixed(token.into()),
            agent: concat!("hansard-client/", env!("CARGO_PKG_VERSION")).to_owned(),
            ca_pem: None,
            connector: None,
            connect_deadline: Duration::from_secs(10),
            deadline: Duration::from_secs(30),
            max_sends: 256,
            max_calls: 64,
            follow_buffer: 1_024,
            max_follows: 4_096,
        }
    }
}
