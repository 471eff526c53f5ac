//! Connections without a purpose.

use futures_util::FutureExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use super::*;

const PING: u8 = 6;
const ACK: u8 = 1;
const PATIENCE: Duration = Duration::from_secs(20);

/// A client that opens a connection and does nothing but answer pings, until the server ends it.
async fn linger(address: &str) -> std::io::Result<()> {
    let mut socket = TcpStream::connect(address).await?;
    socket.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await?;
    loop {
        let mut head = [0; 9];
        socket.read_exact(&mut head).await?;
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        socket.read_exact(&mut payload).await?;
        if head[3] == PING && head[4] & ACK == 0 {
            head[4] = ACK;
            socket.write_all(&[&head[..], &payload].concat()).await?;
        }
    }
}

#[tokio::test]
async fn a_connection_without_streams_ends_in_time_and_one_with_streams_goes_on() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (_reporter, health) = tonic_health::server::health_reporter();
    let serves = server(Duration::from_millis(300)).add_service(health);
    tokio::spawn(serves.serve_with_incoming(TcpListenerStream::new(listener)));
    let channel = Channel::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap();
    let watched = HealthClient::new(channel).watch(HealthCheckRequest::default()).await.unwrap();
    let mut watched = watched.into_inner();
    assert!(watched.message().await.unwrap().is_some());
    let ended = tokio::time::timeout(PATIENCE, linger(&address)).await.expect("the server ends it");
    assert!(ended.is_err(), "it reads until the connection ends");
    // Older than the other one by now.
    assert!(watched.message().now_or_never().is_none(), "its stream goes on");
}
