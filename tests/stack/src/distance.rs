//! A transport that holds every byte for as long as it would travel between two sites.

use std::{
    collections::HashMap,
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
    distances: HashMap<(&'static str, &'static str), Duration>,
}

impl Map {
    /// A map with these one-way distances, equal in both directions. Sites not named together are next door.
    pub fn new(distances: &[(&'static str, &'static str, Duration)]) -> Arc<Map> {
        let both = distances.iter().flat_map(|(a, b, d)| [((*a, *b), *d), ((*b, *a), *d)]);
        Arc::new(Map { sites: Mutex::default(), distances: both.collect() })
    }

    /// Says at which site an address is.
    pub fn place(&self, address: &str, site: &'static str) {
        self.sites.lock().unwrap().insert(address.to_owned(), site);
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
        let to = self.map.sites.lock().unwrap().get(address).copied();
        let delay = to.map_or(Duration::ZERO, |to| self.map.distance(self.site, to));
        let connect = TcpTransport.connect(address);
        Box::pin(async move {
            let far = connect.await?;
            if delay.is_zero() {
                return Ok(far);
            }
            // The handshake of TCP itself is one round trip.
            tokio::time::sleep(delay * 2).await;
            let (near, inner) = tokio::io::duplex(PIECE);
            let (near_read, near_write) = tokio::io::split(inner);
            let (far_read, far_write) = tokio::io::split(far);
            tokio::spawn(hold(near_read, far_write, delay));
            tokio::spawn(hold(far_read, near_write, delay));
            Ok(Box::new(near) as BoxIo)
        })
    }

    fn listen(&self, address: &str) -> BoxFuture<'static, io::Result<Box<dyn Listener>>> {
        TcpTransport.listen(address)
    }
}

/// Copies one direction, each piece `delay` after it was read.
async fn hold(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin + Send + 'static, delay: Duration) {
    let (held, mut due) = mpsc::channel::<(Instant, Bytes)>(PIECES);
    tokio::spawn(async move {
        while let Some((when, piece)) = due.recv().await {
            tokio::time::sleep_until(when).await;
            if to.write_all(&piece).await.is_err() {
                return;
            }
        }
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
