//! The network as a seam: who connects, who listens, and what is known of the other side.
//!
//! The product uses [`TcpTransport`]; a simulation brings its own [`Transport`]. TLS, HTTP/2 and roles are laid over
//! whatever stream the transport yields, so that they run in simulations as well.

mod channel;
mod handshakes;
mod incoming;
mod tcp;
mod tls;
mod tls_files;

use std::fmt;
use std::io;

pub use channel::{LINK_FRAME, channel};
pub use futures_util::future::BoxFuture;
pub use handshakes::{MAX_HANDSHAKES, MAX_HANDSHAKES_PER_ADDRESS};
pub use incoming::{HANDSHAKE_TIMEOUT, Incoming, PeerInfo, PeerIo, incoming};
pub use tcp::TcpTransport;
pub use tls::{Tls, TlsError};
pub use tls_files::TlsPaths;
use tokio::io::{AsyncRead, AsyncWrite};

/// A byte stream of any transport.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Io for T {}

/// A boxed byte stream.
pub type BoxIo = Box<dyn Io>;

/// Makes connections and listeners. Addresses are `host:port`.
pub trait Transport: Send + Sync + 'static {
    /// Connects to `address`, resolving its name anew each time.
    fn connect(&self, address: &str) -> BoxFuture<'static, io::Result<BoxIo>>;

    /// Listens on `address`; port 0 picks a free one.
    fn listen(&self, address: &str) -> BoxFuture<'static, io::Result<Box<dyn Listener>>>;
}

/// Accepts connections.
pub trait Listener: Send + 'static {
    /// The next connection and the address it came from. Cancel safe.
    fn accept(&mut self) -> BoxFuture<'_, io::Result<(BoxIo, String)>>;

    /// Where it listens, with the real port.
    fn local_addr(&self) -> String;
}

/// What a certificate entitles its holder to be, by a DNS subject alternative name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Keeps shards.
    Node,
    /// Speaks for people.
    Router,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 2] = [Self::Node, Self::Router];

    /// The DNS name that a certificate of this role carries.
    pub const fn dns_name(self) -> &'static str {
        match self {
            Self::Node => "node.hansard.internal",
            Self::Router => "router.hansard.internal",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Node => "node",
            Self::Router => "router",
        })
    }
}
