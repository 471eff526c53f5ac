//! Plain TCP.

use std::io;
use std::time::Duration;

use futures_util::FutureExt;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};

use super::{BoxFuture, BoxIo, Listener, Transport};

/// Idle time before the first TCP keepalive probe.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
/// Time between TCP keepalive probes.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
/// Unanswered probes after which the kernel gives a connection up.
const KEEPALIVE_PROBES: u32 = 3;

/// Connections over the operating system's TCP, without Nagle's delay and with keepalive probes.
#[derive(Debug, Clone, Copy, Default)]
pub struct TcpTransport;

impl Transport for TcpTransport {
    fn connect(&self, address: &str) -> BoxFuture<'static, io::Result<BoxIo>> {
        let address = address.to_owned();
        async move {
            let stream = TcpStream::connect(&address).await?;
            prepare(&stream)?;
            Ok(Box::new(stream) as BoxIo)
        }
        .boxed()
    }

    fn listen(&self, address: &str) -> BoxFuture<'static, io::Result<Box<dyn Listener>>> {
        let address = address.to_owned();
        async move {
            let listener = TcpListener::bind(&address)
                .await
                .map_err(|error| io::Error::new(error.kind(), format!("cannot listen on {address}: {error}")))?;
            let local = listener.local_addr()?.to_string();
            Ok(Box::new(Tcp { listener, local }) as Box<dyn Listener>)
        }
        .boxed()
    }
}

struct Tcp {
    listener: TcpListener,
    local: String,
}

impl Listener for Tcp {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<(BoxIo, String)>> {
        async move {
            let (stream, peer) = self.listener.accept().await?;
            prepare(&stream)?;
            Ok((Box::new(stream) as BoxIo, peer.to_string()))
        }
        .boxed()
    }

    fn local_addr(&self) -> String {
        self.local.clone()
    }
}

fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let keepalive =
        TcpKeepalive::new().with_time(KEEPALIVE_IDLE).with_interval(KEEPALIVE_INTERVAL).with_retries(KEEPALIVE_PROBES);
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn a_byte_goes_through() {
        let mut listener = TcpTransport.listen("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr();
        let mut near = TcpTransport.connect(&address).await.unwrap();
        let (mut far, peer) = listener.accept().await.unwrap();
        assert!(peer.starts_with("127.0.0.1:"));
        near.write_all(b"x").await.unwrap();
        assert_eq!(far.read_u8().await.unwrap(), b'x');
    }

    #[tokio::test]
    async fn a_taken_address_is_named() {
        let listener = TcpTransport.listen("127.0.0.1:0").await.unwrap();
        let error = TcpTransport.listen(&listener.local_addr()).await.err().unwrap();
        assert!(error.to_string().contains(&listener.local_addr()), "{error}");
    }
}
