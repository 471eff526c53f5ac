//! WebSockets that break the rules, or say nothing.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::{
    PATIENCE, Target,
    keep::keep,
    raw::{self, flood},
};

pub(crate) const UPGRADE: &[u8] = b"GET /v1/connect HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
    sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\nsec-websocket-protocol: hansard.v1.json\r\n\r\n";

/// A client's frame, masked with zeros; see RFC 6455, section 5.2. `first` is FIN and opcode.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match u16::try_from(payload.len()) {
        Ok(len) if len < 126 => frame.push(0x80 | len as u8),
        Ok(len) => {
            frame.push(0x80 | 126);
            frame.extend(len.to_be_bytes());
        }
        Err(_) => {
            frame.push(0x80 | 127);
            frame.extend((payload.len() as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

async fn upgraded(target: &Target<'_>) -> TcpStream {
    let mut stream = raw::dial(&target.ws).await;
    stream.write_all(UPGRADE).await.expect("the router reads");
    let mut answer = [0; 12];
    tokio::time::timeout(PATIENCE, stream.read_exact(&mut answer)).await.expect("an answer").expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 101");
    stream
}

/// Each breaks another rule; the router ends the connection.
pub(crate) async fn broken_frames(target: &Target<'_>) -> u64 {
    let broken: [Vec<u8>; 5] = [
        // Not masked; an opcode that is none; a continuation of nothing; a PING that is too long; a reserved bit.
        vec![0x81, 0x02, b'{', b'}'],
        frame(0x83, b"x"),
        frame(0x80, b"x"),
        frame(0x89, &[0; 200]),
        frame(0xc1, b"{}"),
    ];
    for bytes in &broken {
        let flood = flood(&target.ws, &[UPGRADE, bytes].concat(), &[], 0, true).await;
        assert!(flood.ended, "{bytes:02x?} ends the connection");
    }
    broken.len() as u64
}

/// Fragments, and never the last one.
pub(crate) async fn message_without_end(target: &Target<'_>) -> u64 {
    let opening = [UPGRADE, &frame(0x01, b"{")].concat();
    let flood = flood(&target.ws, &opening, &frame(0x00, &[b' '; 32 << 10]), 256, true).await;
    assert!(flood.ended, "a message without end is not kept for ever");
    flood.written
}

/// Sessions that are open, and say no hello.
pub(crate) async fn silent_sessions(target: &Target<'_>) -> u64 {
    keep(100, || upgraded(target), &[], target.served()).await
}

/// Pings whose answers nobody reads.
pub(crate) async fn ping_flood(target: &Target<'_>) -> u64 {
    100 * flood(&target.ws, UPGRADE, &frame(0x89, &[7; 100]).repeat(100), 300, false).await.written
}
