//! A network in memory whose nodes can be far apart, cut off, parted and ended.

use std::collections::{HashMap, HashSet};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use hansard_runtime::net::{BoxFuture, BoxIo, Listener, Transport};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Bytes that a connection holds in each direction.
const BUFFER: usize = 1 << 20;

#[derive(Default)]
struct State {
    listeners: HashMap<String, mpsc::UnboundedSender<BoxIo>>,
    cut: HashSet<String>,
    parted: HashSet<[String; 2]>,
    connections: Vec<([String; 2], Arc<Fate>)>,
    /// One way between two nodes; nothing if they are not named.
    distances: HashMap<[String; 2], Duration>,
}

impl State {
    fn refuses(&self, from: &str, to: &str) -> bool {
        self.cut.contains(from) || self.cut.contains(to) || self.parted.contains(&pair(from, to))
    }

    fn decide(&mut self, what: Life, hit: impl Fn(&[String; 2]) -> bool) {
        self.connections.retain(|(ends, fate)| {
            let hit = hit(ends);
            if hit {
                fate.decide(what);
            }
            !hit || what != Life::Broken
        });
    }
}

fn pair(a: &str, b: &str) -> [String; 2] {
    let mut pair = [a.to_owned(), b.to_owned()];
    pair.sort();
    pair
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Life {
    #[default]
    Alive,
    /// Nothing comes through, and nobody is told.
    Silent,
    /// Both ends are told.
    Broken,
}

/// What becomes of a connection.
#[derive(Default)]
struct Fate(Mutex<(Life, Vec<Waker>)>);

impl Fate {
    fn decide(&self, what: Life) {
        let mut fate = self.0.lock().unwrap();
        fate.0 = what;
        fate.1.drain(..).for_each(Waker::wake);
    }

    fn look(&self, cx: &Context<'_>) -> Life {
        let mut fate = self.0.lock().unwrap();
        fate.1.retain(|waker| !waker.will_wake(cx.waker()));
        fate.1.push(cx.waker().clone());
        fate.0
    }
}

/// All nodes' network.
#[derive(Clone, Default)]
pub(super) struct MemNet(Arc<Mutex<State>>);

impl MemNet {
    /// The network as the node at `address` sees it.
    pub(super) fn of(&self, address: &str) -> Arc<dyn Transport> {
        Arc::new(MemTransport { net: self.clone(), me: address.to_owned() })
    }

    /// From now on whatever goes from one of these to the other takes so long, also the news that nobody is there.
    pub(super) fn place(&self, a: &str, b: &str, distance: Duration) {
        self.0.lock().unwrap().distances.insert(pair(a, b), distance);
    }

    /// Nothing gets to or from this node any more; what stood stays silent.
    pub(super) fn cut(&self, address: &str) {
        let mut state = self.0.lock().unwrap();
        state.cut.insert(address.to_owned());
        state.decide(Life::Silent, |ends| ends.iter().any(|end| end == address));
    }

    /// This node's process has ended: its connections break, and its address refuses new ones.
    pub(super) fn end(&self, address: &str) {
        self.0.lock().unwrap().cut.insert(address.to_owned());
        self.shake(address);
    }

    /// All connections of this node break.
    pub(super) fn shake(&self, address: &str) {
        self.0.lock().unwrap().decide(Life::Broken, |ends| ends.iter().any(|end| end == address));
    }

    /// Nothing gets from one of these to the other any more.
    pub(super) fn part(&self, a: &str, b: &str) {
        let mut state = self.0.lock().unwrap();
        let parted = pair(a, b);
        state.decide(Life::Silent, |ends| *ends == parted);
        state.parted.insert(parted);
    }

    /// These can connect again, and find that they must.
    pub(super) fn rejoin(&self, a: &str, b: &str) {
        let mut state = self.0.lock().unwrap();
        let parted = pair(a, b);
        state.parted.remove(&parted);
        state.decide(Life::Broken, |ends| *ends == parted);
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
        let distance = state.distances.get(&pair(&self.me, address)).copied().unwrap_or_default();
        let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
        let result = if state.refuses(&self.me, address) {
            Err(refused())
        } else if let Some(listener) = state.listeners.get(address) {
            let fate = Arc::new(Fate::default());
            let (near, far) = tokio::io::duplex(BUFFER);
            let far = Box::new(MemIo { inner: far, fate: fate.clone() });
            let sent = listener.send(far);
            state.connections.push((pair(&self.me, address), fate.clone()));
            sent.map(|()| far_away(MemIo { inner: near, fate }, distance)).map_err(|_| refused())
        } else {
            Err(refused())
        };
        Box::pin(async move {
            tokio::time::sleep(distance * 2).await;
            result
        })
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
    fate: Arc<Fate>,
}

fn broken() -> io::Error {
    io::ErrorKind::ConnectionReset.into()
}

impl AsyncRead for MemIo {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.fate.look(cx) {
            Life::Alive => Pin::new(&mut self.inner).poll_read(cx, buf),
            Life::Silent => Poll::Pending,
            Life::Broken => Poll::Ready(Err(broken())),
        }
    }
}

impl AsyncWrite for MemIo {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.fate.look(cx) {
            Life::Alive => Pin::new(&mut self.inner).poll_write(cx, bytes),
            Life::Silent => Poll::Ready(Ok(bytes.len())),
            Life::Broken => Poll::Ready(Err(broken())),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// The connection, as it is at the other end of a long way.
fn far_away(io: MemIo, distance: Duration) -> BoxIo {
    if distance.is_zero() {
        return Box::new(io);
    }
    let (near, inner) = tokio::io::duplex(BUFFER);
    let (from_near, to_near) = tokio::io::split(inner);
    let (from_far, to_far) = tokio::io::split(io);
    tokio::spawn(travel(from_near, to_far, distance));
    tokio::spawn(travel(from_far, to_near, distance));
    Box::new(near)
}

/// Copies one direction, each piece as long after it was read as the way takes; and the end, too.
async fn travel(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin + Send + 'static, way: Duration) {
    let (held, mut due) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
    tokio::spawn(async move {
        while let Some((when, piece)) = due.recv().await {
            tokio::time::sleep_until(when).await;
            if piece.is_empty() || to.write_all(&piece).await.is_err() {
                break;
            }
        }
        let _ = to.shutdown().await;
    });
    let mut buffer = vec![0; 16 << 10];
    loop {
        // An empty piece is the end.
        let read = from.read(&mut buffer).await.unwrap_or(0);
        if held.send((Instant::now() + way, buffer[..read].to_vec())).is_err() || read == 0 {
            return;
        }
    }
}
