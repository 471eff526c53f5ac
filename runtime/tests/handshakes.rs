//! How many handshakes may be under way, and from where. The clock stands still while anybody has something to do: whoever
//! is not held up needs no time.

mod support;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hansard_runtime::net::{
    BoxFuture, BoxIo, HANDSHAKE_TIMEOUT, Incoming, Listener, MAX_HANDSHAKES, MAX_HANDSHAKES_PER_ADDRESS, Role, Tls,
    incoming,
};
use support::{NODE, ca, identity};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_stream::StreamExt;

/// Connections come from wherever a test says.
struct Crowd(mpsc::UnboundedReceiver<(BoxIo, String)>);

impl Listener for Crowd {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<(BoxIo, String)>> {
        Box::pin(async move { self.0.recv().await.ok_or_else(|| io::ErrorKind::NotConnected.into()) })
    }

    fn local_addr(&self) -> String {
        "here:1".to_owned()
    }
}

/// A listener, and the way to it.
struct Stage {
    dialed: mpsc::UnboundedSender<(BoxIo, String)>,
    incoming: Incoming,
}

impl Stage {
    fn new(tls: Option<Arc<Tls>>) -> Stage {
        let (dialed, crowd) = mpsc::unbounded_channel();
        Stage { dialed, incoming: incoming(Box::new(Crowd(crowd)), tls) }
    }

    /// A connection that says nothing by itself.
    fn dial(&self, address: &str) -> DuplexStream {
        let (near, far) = tokio::io::duplex(16 << 10);
        self.dialed.send((Box::new(far), address.to_owned())).unwrap();
        near
    }

    /// Connections that say nothing, each from another port.
    fn silent(&self, host: &str, count: usize) -> Vec<DuplexStream> {
        (0..count).map(|port| self.dial(&format!("{host}:{port}"))).collect()
    }

    /// A whole handshake.
    async fn greet(&mut self, tls: &Tls, address: &str) {
        let _client = tls.connect(Box::new(self.dial(address)), Role::Node).await.unwrap();
        assert_eq!(self.incoming.next().await.unwrap().unwrap().info().address, address);
    }
}

fn node() -> Arc<Tls> {
    let (directory, ca) = (tempfile::tempdir().unwrap(), ca());
    Tls::load(&identity(directory.path(), "node", &ca, &ca, NODE)).unwrap()
}

/// Waits until the listener has closed a connection.
async fn closed(stream: &mut DuplexStream) {
    stream.read_to_end(&mut Vec::new()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn silent_connections_of_one_address_hold_up_nobody_else() {
    let tls = node();
    let (mut stage, begun) = (Stage::new(Some(tls.clone())), Instant::now());
    let mut silent = stage.silent("10.0.0.1", 2 * MAX_HANDSHAKES);
    stage.greet(&tls, "10.0.0.2:1").await;
    let over = &mut silent[MAX_HANDSHAKES_PER_ADDRESS..];
    for stream in &mut *over {
        closed(stream).await;
    }
    assert_eq!(begun.elapsed(), Duration::ZERO, "nobody waits until the time of the silent is over");
    assert_eq!(stage.incoming.refused().get(), over.len() as u64);
}

#[tokio::test(start_paused = true)]
async fn an_address_gets_its_share_back_when_its_handshakes_end() {
    let tls = node();
    let (mut stage, begun) = (Stage::new(Some(tls.clone())), Instant::now());
    let mut silent = stage.silent("10.0.0.1", MAX_HANDSHAKES_PER_ADDRESS);
    closed(&mut stage.dial("10.0.0.1:1000")).await;
    silent[0].write_all(b"this is no TLS").await.unwrap();
    closed(&mut silent[0]).await;
    stage.greet(&tls, "10.0.0.1:1001").await;
    assert_eq!(begun.elapsed(), Duration::ZERO, "a refusal, a failure and a success take no time");

    for stream in &mut silent {
        closed(stream).await;
    }
    assert!(begun.elapsed() >= HANDSHAKE_TIMEOUT, "the others had all of theirs");
    let ended = MAX_HANDSHAKES_PER_ADDRESS as u64 + 1;
    assert_eq!(stage.incoming.refused().get(), ended);
    let _again = stage.silent("10.0.0.1", MAX_HANDSHAKES_PER_ADDRESS);
    closed(&mut stage.dial("10.0.0.1:1002")).await;
    assert_eq!(stage.incoming.refused().get(), ended + 1, "the share is as large as before");
}

#[tokio::test(start_paused = true)]
async fn without_tls_there_are_no_handshakes_to_bound() {
    let mut stage = Stage::new(None);
    let crowd = stage.silent("10.0.0.1", 2 * MAX_HANDSHAKES);
    for _ in &crowd {
        assert!(!stage.incoming.next().await.unwrap().unwrap().info().encrypted);
    }
    assert_eq!(stage.incoming.refused().get(), 0);
}
