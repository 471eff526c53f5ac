//! Accepted connections, after their handshakes, as a stream that tonic can serve.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tonic::transport::server::Connected;

use super::handshakes::Handshakes;
use super::{BoxIo, Listener, Role, Tls};

/// The longest a handshake may take.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// Connections that may wait to be served after their handshakes.
const READY: usize = 64;
/// Pause after a failed accept (no file descriptors left, say), so that it does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What is known of the other side; every request carries it as an extension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerInfo {
    /// The role its certificate names; `None` on plaintext and on public listeners.
    pub role: Option<Role>,
    /// Whether the connection is encrypted.
    pub encrypted: bool,
    /// Where it came from.
    pub address: String,
}

impl PeerInfo {
    /// Whether the peer may do what `role` may: its certificate says so, or the listener was made for plaintext, where
    /// nothing can be known of anybody.
    pub fn may_act_as(&self, role: Role) -> bool {
        self.role == Some(role) || !self.encrypted
    }
}

/// An accepted connection.
pub struct PeerIo {
    io: BoxIo,
    info: PeerInfo,
}

impl PeerIo {
    /// What is known of the other side.
    pub fn info(&self) -> &PeerInfo {
        &self.info
    }
}

impl std::fmt::Debug for PeerIo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PeerIo").field("info", &self.info).finish_non_exhaustive()
    }
}

/// The stream of accepted connections; it never ends and never yields an error. Dropping it closes the listener.
#[derive(Debug)]
pub struct Incoming {
    ready: mpsc::Receiver<PeerIo>,
    refused: Counter,
    local: String,
}

impl Incoming {
    /// Counts handshakes that failed or took too long, and connections of an address that had its share of handshakes
    /// under way; register it with the metrics.
    pub fn refused(&self) -> Counter {
        self.refused.clone()
    }

    /// Where the listener listens, with the real port.
    pub fn local_addr(&self) -> &str {
        &self.local
    }
}

impl Stream for Incoming {
    type Item = io::Result<PeerIo>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.ready.poll_recv(cx).map(|next| next.map(Ok))
    }
}

/// Accepts from `listener` until the result is dropped; every connection does its handshake in a task of its own.
pub fn incoming(listener: Box<dyn Listener>, tls: Option<Arc<Tls>>) -> Incoming {
    let (sender, ready) = mpsc::channel(READY);
    let refused = Counter::default();
    let local = listener.local_addr();
    tokio::spawn(accept_all(listener, tls, sender, refused.clone()));
    Incoming { ready, refused, local }
}

async fn accept_all(
    mut listener: Box<dyn Listener>,
    tls: Option<Arc<Tls>>,
    ready: mpsc::Sender<PeerIo>,
    refused: Counter,
) {
    let handshakes = Handshakes::default();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = ready.closed() => return,
        };
        let (io, address) = match accepted {
            Ok(connection) => connection,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Some(tls) = tls.clone() else {
            // Without a handshake nobody can be slow: what is not taken yet waits here, and behind it in the backlog.
            let info = PeerInfo { role: None, encrypted: false, address };
            if ready.send(PeerIo { io, info }).await.is_err() {
                return;
            }
            continue;
        };
        let Some(share) = handshakes.share_of(&address) else {
            refused.inc();
            tracing::debug!(%address, "the address has its share of handshakes under way");
            continue;
        };
        // However many come from one address, they never fill the slots: only several together can make others wait here.
        let slot = tokio::select! {
            slot = handshakes.slot() => slot,
            () = ready.closed() => return,
        };
        let (ready, refused) = (ready.clone(), refused.clone());
        tokio::spawn(async move {
            let _held = (share, slot);
            match tokio::time::timeout(HANDSHAKE_TIMEOUT, greet(io, &tls, &address)).await {
                Ok(Ok(peer)) => {
                    // Nobody listens any more: the connection closes with the stream.
                    let _ = ready.send(peer).await;
                }
                Ok(Err(error)) => {
                    refused.inc();
                    tracing::info!(%address, %error, "handshake refused");
                }
                Err(_) => {
                    refused.inc();
                    tracing::info!(%address, "handshake took too long");
                }
            }
        });
    }
}

async fn greet(io: BoxIo, tls: &Tls, address: &str) -> io::Result<PeerIo> {
    let (io, role) = tls.accept(io).await?;
    Ok(PeerIo { io, info: PeerInfo { role, encrypted: true, address: address.to_owned() } })
}

impl Connected for PeerIo {
    type ConnectInfo = PeerInfo;

    fn connect_info(&self) -> PeerInfo {
        self.info.clone()
    }
}

impl AsyncRead for PeerIo {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for PeerIo {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
