//! A transport that holds every byte for as long as it would travel between two sites.

use std::{
    collections::{HashMap, HashSet},
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use hansard_runtime::net::{BoxFuture, BoxIo, Listener, TcpTransport, Transport};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::mpsc,
    time::Instant,
};

/// Bytes in one held piece.
const PIECE: usize = 16 * 1024;

/// Pieces under way in one direction of a connection: 32 MiB, more than any window that waits for answers.
const PIECES: usize = 2_048;

/// Where everybody is, and how far apart.
#[derive(Default)]
pub struct Map {
    sites: Mutex<HashMap<String, &'static str>>,
    cut: Mutex<HashSet<&'static str>>,
    distances: HashMap<(&'static str, &'static str), Duration>,
}

impl Map {
    /// A map with these one-way distances, equal in both directions. Sites not named together are next door.
    pub fn new(distances: &[(&'static str, &'static str, Duration)]) -> Arc<Map> {
        let both = distances.iter().flat_map(|(a, b, d)| [((*a, *b), *d), ((*b, *a), *d)]);
        Arc::new(Map { sites: Mutex::default(), cut: Mutex::default(), distances: both.collect() })
    }

    /// Says at which site an address is.
    pub fn place(&self, address: &str, site: &'static str) {
        self.sites.lock().unwrap().insert(address.to_owned(), site);
    }

    /// From now on nothing gets to or from a site, and nobody is told so.
    pub fn cut(&self, site: &'static str) {
        self.cut.lock().unwrap().insert(site);
    }

    fn is_cut(&self, ends: [&'static str; 2]) -> bool {
        let cut = self.cut.lock().unwrap();
        ends[0] != ends[1] && ends.iter().any(|end| cut.contains(end))
    }

    /// One way between two sites.
    pub fn distance(&self, from: &'static str, to: &'static str) -> Duration {
        self.distances.get(&(from, to)).copied().unwrap_or_default()
    }
}

/// The network as a process at `site` sees it.
pub struct FromSite {
    pub site: &'static str,
    pub map: Arc<Map>,
}

impl Transport for FromSite {
    fn connect(&self, address: &str) -> BoxFuture<'static, io::Result<BoxIo>> {
        let to = self.map.sites.lock().unwrap().get(address).copied().unwrap_or(self.site);
        let connect = TcpTransport.connect(address);
        let way = Way { map: self.map.clone(), ends: [self.site, to] };
        Box::pin(async move {
            way.is_open().await;
            let far = connect.await;
            // The handshake of TCP itself is one round trip, and so is its refusal.
            tokio::time::sleep(way.delay() * 2).await;
            let far = far?;
            if way.delay().is_zero() {
                return Ok(far);
            }
            let (near, inner) = tokio::io::duplex(PIECE);
            let (near_read, near_write) = tokio::io::split(inner);
            let (far_read, far_write) = tokio::io::split(far);
            tokio::spawn(hold(near_read, far_write, way.clone()));
            tokio::spawn(hold(far_read, near_write, way));
            Ok(Box::new(near) as BoxIo)
        })
    }

    fn listen(&self, address: &str) -> BoxFuture<'static, io::Result<Box<dyn Listener>>> {
        TcpTransport.listen(address)
    }
}

/// Between two sites.
#[derive(Clone)]
struct Way {
    map: Arc<Map>,
    ends: [&'static str; 2],
}

impl Way {
    fn delay(&self) -> Duration {
        self.map.distance(self.ends[0], self.ends[1])
    }

    /// Waits for ever if it is cut.
    async fn is_open(&self) {
        if self.map.is_cut(self.ends) {
            std::future::pending::<()>().await;
        }
    }
}

/// Copies one direction, each piece as long after it was read as the way takes; and the end, too.
async fn hold(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin + Send + 'static, way: Way) {
    let delay = way.delay();
    let (held, mut due) = mpsc::channel::<(Instant, Bytes)>(PIECES);
    tokio::spawn(async move {
        while let Some((when, piece)) = due.recv().await {
            tokio::time::sleep_until(when).await;
            way.is_open().await;
            if to.write_all(&piece).await.is_err() {
                return;
            }
        }
        tokio::time::sleep(delay).await;
        way.is_open().await;
        let _ = to.shutdown().await;
    });
    let mut buffer = vec![0; PIECE];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let piece = Bytes::copy_from_slice(&buffer[..read]);
        if held.send((Instant::now() + delay, piece)).await.is_err() {
            return;
        }
    }
}
