//! A network in memory whose nodes can be cut off.

use std::collections::{HashMap, HashSet};
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use hansard_runtime::net::{BoxFuture, BoxIo, Listener, Transport};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::sync::mpsc;

/// Bytes that a connection holds in each direction.
const BUFFER: usize = 1 << 20;

#[derive(Default)]
struct State {
    listeners: HashMap<String, mpsc::UnboundedSender<BoxIo>>,
    cut: HashSet<String>,
    connections: Vec<(String, String, Arc<AtomicBool>)>,
}

/// All nodes' network.
#[derive(Clone, Default)]
pub(super) struct MemNet(Arc<Mutex<State>>);

impl MemNet {
    /// The network as the node at `address` sees it.
    pub(super) fn of(&self, address: &str) -> Arc<dyn Transport> {
        Arc::new(MemTransport { net: self.clone(), me: address.to_owned() })
    }

    /// Nothing gets to or from this node any more; what stood stays silent.
    pub(super) fn cut(&self, address: &str) {
        let mut state = self.0.lock().unwrap();
        state.cut.insert(address.to_owned());
        state.connections.retain(|(from, to, dead)| {
            let hit = from == address || to == address;
            dead.fetch_or(hit, Ordering::SeqCst);
            !hit
        });
    }

    /// New connections work again.
    pub(super) fn heal(&self, address: &str) {
        self.0.lock().unwrap().cut.remove(address);
    }
}

struct MemTransport {
    net: MemNet,
    me: String,
}

impl Transport for MemTransport {
    fn connect(&self, address: &str) -> BoxFuture<'static, io::Result<BoxIo>> {
        let mut state = self.net.0.lock().unwrap();
        let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
        let result = if state.cut.contains(&self.me) || state.cut.contains(address) {
            Err(refused())
        } else if let Some(listener) = state.listeners.get(address) {
            let dead = Arc::new(AtomicBool::new(false));
            let (near, far) = tokio::io::duplex(BUFFER);
            let far = Box::new(MemIo { inner: far, dead: dead.clone() });
            let sent = listener.send(far);
            state.connections.push((self.me.clone(), address.to_owned(), dead.clone()));
            sent.map(|()| Box::new(MemIo { inner: near, dead }) as BoxIo).map_err(|_| refused())
        } else {
            Err(refused())
        };
        Box::pin(async move { result })
    }

    fn listen(&self, address: &str) -> BoxFuture<'static, io::Result<Box<dyn Listener>>> {
        let (connections, incoming) = mpsc::unbounded_channel();
        self.net.0.lock().unwrap().listeners.insert(address.to_owned(), connections);
        let listener: Box<dyn Listener> = Box::new(MemListener { incoming, address: address.to_owned() });
        Box::pin(async move { Ok(listener) })
    }
}

struct MemListener {
    incoming: mpsc::UnboundedReceiver<BoxIo>,
    address: String,
}

impl Listener for MemListener {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<(BoxIo, String)>> {
        Box::pin(async move {
            let io = self.incoming.recv().await.ok_or(io::Error::from(io::ErrorKind::NotConnected))?;
            Ok((io, "memory".to_owned()))
        })
    }

    fn local_addr(&self) -> String {
        self.address.clone()
    }
}

/// A stream that falls silent when it is cut: the other side's silence is all that anybody notices.
struct MemIo {
    inner: DuplexStream,
    dead: Arc<AtomicBool>,
}

impl AsyncRead for MemIo {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.dead.load(Ordering::SeqCst) {
            return Poll::Pending;
        }
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl AsyncWrite for MemIo {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.dead.load(Ordering::SeqCst) {
            return Poll::Ready(Ok(bytes.len()));
        }
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
