//! Bytes without a protocol, connections without a purpose, requests without haste.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

use crate::{Target, http2, keep::keep};

/// How long an attacker waits for a refusal before it goes on.
const WAIT: Duration = Duration::from_secs(2);
/// Another address of this machine than the one that the honest come from, and any port.
const ELSEWHERE: ([u8; 4], u16) = ([127, 0, 0, 2], 0);

/// Opens a connection.
pub(crate) async fn dial(address: &str) -> TcpStream {
    timeout(crate::PATIENCE, TcpStream::connect(address))
        .await
        .expect("a connection within a minute")
        .expect("it listens")
}

/// Opens a connection from another address than that of the honest.
pub(crate) async fn dial_from_elsewhere(address: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(SocketAddr::from(ELSEWHERE)).expect("all of 127.0.0.0/8 is this machine");
    timeout(crate::PATIENCE, socket.connect(address.parse().expect("an address")))
        .await
        .expect("a connection within a minute")
        .expect("it listens")
}

/// A connection that has said these bytes.
async fn opened(address: &str, bytes: &[u8]) -> TcpStream {
    let mut stream = dial(address).await;
    let _ = stream.write_all(bytes).await;
    stream
}

/// What became of a connection that was flooded.
pub(crate) struct Flood {
    /// How often the chunk was written.
    pub(crate) written: u64,
    /// The server ended the connection.
    pub(crate) ended: bool,
}

/// Writes an opening and then the same chunk again and again, until the server ends the connection or `chunks` were written.
/// Answers are read if `read`; else they pile up at the server.
pub(crate) async fn flood(address: &str, opening: &[u8], chunk: &[u8], chunks: u64, read: bool) -> Flood {
    let (mut from, mut to) = dial(address).await.into_split();
    let reader = tokio::spawn(async move {
        let mut sink = [0; 16 << 10];
        while read && from.read(&mut sink).await.is_ok_and(|n| n > 0) {}
        from
    });
    let mut written = 0;
    let mut ended = to.write_all(opening).await.is_err();
    while !ended && written < chunks {
        match timeout(WAIT, to.write_all(chunk)).await {
            Ok(Ok(())) => written += 1,
            Ok(Err(_)) => ended = true,
            // The server takes no more, which is its right.
            Err(_) => break,
        }
    }
    ended |= read && timeout(WAIT, reader).await.is_ok();
    Flood { written, ended }
}

/// Writes bytes once and reads what comes, for as long as the server lets it.
pub(crate) async fn hold(address: &str, bytes: &[u8]) {
    let (mut from, mut to) = dial(address).await.into_split();
    let writes = async {
        let _ = to.write_all(bytes).await;
    };
    let reads = async {
        let mut sink = [0; 16 << 10];
        while from.read(&mut sink).await.is_ok_and(|n| n > 0) {}
    };
    tokio::join!(writes, reads);
}

/// Random-looking bytes to every port: none may answer as if it had understood, and none may hold the connection for ever.
pub(crate) async fn garbage(target: &Target<'_>) -> u64 {
    let bytes: Vec<u8> = (0..4_096u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for address in [&target.grpc, &target.ws, &target.metrics, &target.node] {
        let flood = flood(address, &bytes, &bytes, 64, true).await;
        assert!(flood.ended, "{address} ends a connection that speaks no protocol");
    }
    4
}

/// Connections that say nothing, and go again.
pub(crate) async fn connection_storm(target: &Target<'_>) -> u64 {
    let mut held = Vec::new();
    for n in 0..600 {
        let address = if n % 2 == 0 { &target.grpc } else { &target.ws };
        // Refused or reset connections are an answer too.
        held.extend(timeout(WAIT, TcpStream::connect(address)).await.ok().and_then(Result::ok));
    }
    held.len() as u64
}

/// HTTP/1 requests whose heads never end.
pub(crate) async fn slow_heads(target: &Target<'_>) -> u64 {
    const HEAD: &[u8] = b"GET /v1/connect HTTP/1.1\r\nhost: x\r\nx-slow: ";
    keep(100, || opened(&target.ws, HEAD), b"x", target.served()).await
}

/// Unary calls of one person whose bodies come byte by byte.
pub(crate) async fn slow_bodies(target: &Target<'_>) -> u64 {
    let token = target.cluster.token("mallory");
    let opening = [
        http2::opening(),
        http2::request_as(1, "/hansard.v1.RoomService/ListRooms", &token),
        http2::frame(http2::DATA, 0, 1, &[0, 0, 0, 4, 0]),
    ]
    .concat();
    let byte = http2::frame(http2::DATA, 0, 1, &[0]);
    keep(50, || opened(&target.grpc, &opening), &byte, target.served()).await
}
