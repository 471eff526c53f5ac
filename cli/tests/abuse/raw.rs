//! Bytes without a protocol, connections without a purpose, requests without haste.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::Target;

/// How long an attacker waits for a refusal before it goes on.
const WAIT: Duration = Duration::from_secs(2);

/// Opens a connection.
pub(crate) async fn dial(address: &str) -> TcpStream {
    timeout(crate::PATIENCE, TcpStream::connect(address))
        .await
        .expect("a connection within a minute")
        .expect("it listens")
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
    let mut held = Vec::new();
    for _ in 0..100 {
        let mut stream = dial(&target.ws).await;
        let _ = stream.write_all(b"GET /v1/connect HTTP/1.1\r\nhost: x\r\nx-slow: ").await;
        held.push(stream);
    }
    for _ in 0..4 {
        for stream in &mut held {
            let _ = stream.write_all(b"x").await;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    held.len() as u64
}

/// Unary calls whose bodies come byte by byte.
pub(crate) async fn slow_bodies(target: &Target<'_>) -> u64 {
    let mut held = Vec::new();
    for _ in 0..50 {
        let mut stream = dial(&target.grpc).await;
        let mut opening = crate::http2::opening();
        opening.extend(crate::http2::request(1, "/hansard.v1.RoomService/ListRooms"));
        opening.extend(crate::http2::frame(crate::http2::DATA, 0, 1, &[0, 0, 0, 4, 0]));
        let _ = stream.write_all(&opening).await;
        held.push(stream);
    }
    for _ in 0..4 {
        for stream in &mut held {
            let _ = stream.write_all(&crate::http2::frame(crate::http2::DATA, 0, 1, &[0])).await;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    held.len() as u64
}
