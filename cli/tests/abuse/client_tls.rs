//! A router's listeners under TLS: open to everybody, but to no protocol of the last century, and to nobody for ever.

use std::time::Instant;

use hansard_runtime::net::HANDSHAKE_TIMEOUT;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use crate::{PATIENCE, Target, http2, keep::keep, raw, tls, websocket};

/// The type of a TLS record that carries a handshake: what a server begins with that takes the client's version and words.
const HANDSHAKE: u8 = 0x16;
/// What the certificate is for.
const NAME: &str = "127.0.0.1";
const TLS12: [u8; 2] = [3, 3];

/// Handshakes that stop after the first bytes, at each listener more than it has under way at once.
pub(crate) async fn slow_handshakes(target: &Target<'_>) -> u64 {
    let mut opened = 0;
    for address in [&target.tls.grpc, &target.tls.ws] {
        let beside = async {
            newcomers(target).await;
            target.served().await;
        };
        opened += keep(tls::STOPPED, || tls::stopped(address), &[], beside).await;
    }
    opened
}

/// No TLS, SSL 3.0, TLS 1.0 and 1.1.
pub(crate) async fn downgrade(target: &Target<'_>) -> u64 {
    let old = [[3, 0], [3, 1], [3, 2]].map(|version| client_hello(version, &[]));
    let plain = [http2::opening(), websocket::UPGRADE.to_vec()];
    refused(target, &[&old[..], &plain[..]].concat()).await
}

/// Another server's name, names whose lengths lie, records that are too long, and what is no message at all.
pub(crate) async fn wrong_words(target: &Target<'_>) -> u64 {
    for address in [&target.tls.grpc, &target.tls.ws] {
        let config = tls::builder(&target.tls.ca, rustls::DEFAULT_VERSIONS).with_no_client_auth();
        let other = tls::shake(address, "elsewhere.example", config).await;
        assert!(other.is_err(), "the certificate is for one name, whichever is asked for");
    }
    let garbage = [
        // server_name: a list of 255 bytes in an extension of 5; an extension that is longer than all of them.
        client_hello(TLS12, &[0, 0, 0, 5, 0, 0xff, 0, 0, 1]),
        client_hello(TLS12, &[0, 0, 0xff, 0xff, 0]),
        [&[HANDSHAKE, 3, 1, 0xff, 0xff][..], &[1; 1 << 10]].concat(),
        [&[HANDSHAKE, 3, 1, 0, 32][..], &[0xaa; 32]].concat(),
    ];
    2 + refused(target, &garbage).await
}

/// At both listeners each of these is refused, and newcomers get in.
async fn refused(target: &Target<'_>, openings: &[Vec<u8>]) -> u64 {
    for address in [&target.tls.grpc, &target.tls.ws] {
        for bytes in openings {
            let answer = answered(address, bytes).await;
            assert_ne!(answer.first(), Some(&HANDSHAKE), "{bytes:02x?} begins no session");
        }
    }
    newcomers(target).await;
    2 * openings.len() as u64
}

/// What is answered to these bytes until the router ends the connection.
async fn answered(address: &str, bytes: &[u8]) -> Vec<u8> {
    let mut stream = raw::dial_from_elsewhere(address).await;
    let mut answer = Vec::new();
    let asks = async {
        // A reset is an end, too.
        let _ = stream.write_all(bytes).await;
        let _ = stream.read_to_end(&mut answer).await;
    };
    timeout(PATIENCE, asks).await.expect("the router ends what is no handshake");
    answer
}

/// Whoever does it right gets in at both listeners, and need not wait until the time of others is over.
async fn newcomers(target: &Target<'_>) {
    let http2 = http2::opening();
    for (address, opening) in [(&target.tls.grpc, &http2[..]), (&target.tls.ws, websocket::UPGRADE)] {
        let start = Instant::now();
        let config = tls::builder(&target.tls.ca, rustls::DEFAULT_VERSIONS).with_no_client_auth();
        let mut stream = tls::shake(address, NAME, config).await.expect("a newcomer is let in");
        assert!(tls::answers(&mut stream, opening).await, "a newcomer is served");
        assert!(start.elapsed() < HANDSHAKE_TIMEOUT / 2, "a newcomer waited {:?}", start.elapsed());
    }
}

/// A ClientHello of this version, in its record; see RFC 5246, section 7.4.1.2.
fn client_hello(version: [u8; 2], extensions: &[u8]) -> Vec<u8> {
    // The random bytes; no session; two suites with AES-128, by RSA and ECDHE; no compression.
    let head = [&version[..], &[7; 32], &[0], &[0, 4, 0x00, 0x2f, 0xc0, 0x13], &[1, 0]].concat();
    let body = [&head[..], &(extensions.len() as u16).to_be_bytes(), extensions].concat();
    let message = [&[1][..], &(body.len() as u32).to_be_bytes()[1..], &body[..]].concat();
    [&[HANDSHAKE, 3, 1][..], &(message.len() as u16).to_be_bytes(), &message].concat()
}
