//! HTTP/2, frame by frame, as no client library would let one.

use crate::{Target, raw::flood};

pub(crate) const DATA: u8 = 0x0;
const HEADERS: u8 = 0x1;
const RST_STREAM: u8 = 0x3;
const SETTINGS: u8 = 0x4;
const PING: u8 = 0x6;
const WINDOW_UPDATE: u8 = 0x8;
const CONTINUATION: u8 = 0x9;
const END_HEADERS: u8 = 0x4;

/// A frame; see RFC 9113, section 4.1.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// The preface and empty settings.
pub(crate) fn opening() -> Vec<u8> {
    let mut opening = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    opening.extend(frame(SETTINGS, 0, 0, &[]));
    opening
}

/// The headers of a gRPC call, without a token; see RFC 7541 for the bytes.
fn headers(path: &str) -> Vec<u8> {
    // :method POST and :scheme http from the static table; then literals that are not indexed.
    let mut block = vec![0x83, 0x86];
    for (name, value) in [(vec![0x04], path), (vec![0x01], "x"), (vec![0x0f, 0x10], "application/grpc")] {
        literal(&mut block, &name, value);
    }
    block.extend(b"\x00\x02te\x08trailers");
    block
}

/// A literal that is not indexed, after the bytes that say its name.
fn literal(block: &mut Vec<u8>, name: &[u8], value: &str) {
    block.extend(name);
    let mut length = value.len();
    if length < 0x7f {
        block.push(length as u8);
    } else {
        // Beyond its prefix of 7 bits a length goes on in groups of 7, the lowest first.
        block.push(0x7f);
        length -= 0x7f;
        while length >= 0x80 {
            block.push(length as u8 | 0x80);
            length >>= 7;
        }
        block.push(length as u8);
    }
    block.extend(value.as_bytes());
}

/// A call's HEADERS frame, its body to follow.
pub(crate) fn request(stream: u32, path: &str) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, &headers(path))
}

/// The same with a token.
pub(crate) fn request_as(stream: u32, path: &str, token: &str) -> Vec<u8> {
    let mut block = headers(path);
    literal(&mut block, &[0x0f, 0x08], &format!("Bearer {token}"));
    frame(HEADERS, END_HEADERS, stream, &block)
}

/// So many streams, each followed by `then` of its id.
fn streams(count: u32, then: impl Fn(u32) -> Vec<u8>) -> Vec<u8> {
    (0..count)
        .map(|n| 2 * n + 1)
        .flat_map(|id| [request(id, "/hansard.v1.RoomService/ListRooms"), then(id)].concat())
        .collect()
}

/// Streams that are reset as soon as they are opened.
pub(crate) async fn rapid_reset(target: &Target<'_>) -> u64 {
    let chunk = streams(5_000, |id| frame(RST_STREAM, 0, id, &8u32.to_be_bytes()));
    flood(&target.grpc, &[opening(), chunk].concat(), &[], 0, true).await;
    5_000
}

/// A header block that is continued without end.
pub(crate) async fn continuation_flood(target: &Target<'_>) -> u64 {
    let opening = [opening(), frame(HEADERS, 0, 1, &headers("/x"))].concat();
    // A literal header of 200 bytes in each.
    let literal = [&b"\x00\x01x\x7f\x49"[..], &[b'v'; 200]].concat();
    let flood = flood(&target.grpc, &opening, &frame(CONTINUATION, 0, 1, &literal), 50_000, true).await;
    assert!(flood.ended, "headers without end are not taken for ever");
    flood.written
}

/// Settings, each of which must be acknowledged.
pub(crate) async fn settings_flood(target: &Target<'_>) -> u64 {
    let chunk = frame(SETTINGS, 0, 0, &[]).repeat(100);
    100 * flood(&target.grpc, &opening(), &chunk, 200, false).await.written
}

/// Pings whose answers nobody reads.
pub(crate) async fn ping_flood(target: &Target<'_>) -> u64 {
    let chunk = frame(PING, 0, 0, &[7; 8]).repeat(100);
    100 * flood(&target.grpc, &opening(), &chunk, 500, false).await.written
}

/// A header of 3 KiB in the dynamic table, and requests that name it a thousand times each.
pub(crate) async fn header_bomb(target: &Target<'_>) -> u64 {
    // Literal with indexing, new name; the length 3,000 is 127 + 2,873 as a varint with a 7-bit prefix.
    let mut first = headers("/x");
    first.extend(b"\x40\x01x\x7f\xb9\x16");
    first.extend([b'v'; 3_000]);
    let mut bomb = headers("/x");
    bomb.extend([0xbe; 1_000]);
    let mut bytes = [opening(), frame(HEADERS, END_HEADERS, 1, &first)].concat();
    (1..200u32).for_each(|n| bytes.extend(frame(HEADERS, END_HEADERS, 2 * n + 1, &bomb)));
    flood(&target.grpc, &bytes, &[], 0, true).await;
    200
}

/// A window that grows beyond what the protocol allows.
pub(crate) async fn window_overflow(target: &Target<'_>) -> u64 {
    let update = frame(WINDOW_UPDATE, 0, 0, &0x7fff_ffffu32.to_be_bytes());
    let flood = flood(&target.grpc, &opening(), &update, 3, true).await;
    assert!(flood.ended, "a window that overflows is an error of the connection");
    flood.written
}

/// More streams than are allowed, none of which ends.
pub(crate) async fn streams_without_end(target: &Target<'_>) -> u64 {
    flood(&target.grpc, &[opening(), streams(2_000, |_| Vec::new())].concat(), &[], 0, true).await;
    2_000
}

/// A message that says it has a gigabyte, and comes.
pub(crate) async fn oversized_message(target: &Target<'_>) -> u64 {
    let mut bytes = [opening(), request(1, "/hansard.v1.RoomService/ListRooms")].concat();
    bytes.extend(frame(DATA, 0, 1, &[0, 0x40, 0, 0, 0]));
    flood(&target.grpc, &bytes, &frame(DATA, 0, 1, &[0; 8 << 10]), 64, true).await.written
}

/// Messages that end before their length.
pub(crate) async fn truncated_messages(target: &Target<'_>) -> u64 {
    const END_STREAM: u8 = 0x1;
    let chunk = streams(100, |id| frame(DATA, END_STREAM, id, &[0, 0, 0, 0, 9, 1, 2]));
    flood(&target.grpc, &[opening(), chunk].concat(), &[], 0, true).await;
    100
}
