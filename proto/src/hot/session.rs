//! Sends and their acks.

use hansard_domain::{RequestId, RoomId};
use prost_types::Timestamp;

use super::fields::{
    bytes_len, id_of_digits, len_len, number_len, put_bytes, put_digits, put_len, put_number, take, take_number,
};
use crate::convert::timestamp;

/// Frames' numbers.
const SEND: u32 = 2;
const ACK: u32 = 2;

/// A `ConnectRequest` that is a send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SendFrame<'a> {
    /// The identity of the intent.
    pub request: RequestId,
    /// The room.
    pub room: RoomId,
    /// What is said.
    pub text: &'a str,
}

/// A `ConnectResponse` that is an ack.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AckFrame<'a> {
    /// The request that was committed.
    pub request: RequestId,
    /// Its room's id.
    pub room: &'a str,
    /// The entry's seq.
    pub seq: u64,
    /// The entry's time.
    pub time: Timestamp,
}

/// Writes a send, whatever the room is said to be.
pub fn send(request: &[u8; 16], room: &str, text: &str) -> Vec<u8> {
    let body = 34 + bytes_len(room.len()) + bytes_len(text.len());
    let mut out = Vec::with_capacity(len_len(body));
    put_len(&mut out, SEND, body);
    put_digits(&mut out, 1, request);
    put_bytes(&mut out, 2, room.as_bytes());
    put_bytes(&mut out, 3, text.as_bytes());
    out
}

/// Reads a send whose ids are in their canonical form.
pub fn read_send(frame: &[u8]) -> Option<SendFrame<'_>> {
    let mut rest = frame;
    let mut send = take(&mut rest, SEND)?;
    let (request, room, text) = (take(&mut send, 1)?, take(&mut send, 2)?, take(&mut send, 3)?);
    if !rest.is_empty() || !send.is_empty() {
        return None;
    }
    Some(SendFrame {
        request: RequestId::from_bytes(id_of_digits(request)?),
        room: RoomId::from_bytes(id_of_digits(room)?),
        text: std::str::from_utf8(text).ok()?,
    })
}

/// Writes an ack.
pub fn ack(request: RequestId, room: RoomId, seq: u64, time_us: i64) -> Vec<u8> {
    let time = timestamp(time_us);
    let (seconds, nanos) = (time.seconds.cast_unsigned(), i64::from(time.nanos).cast_unsigned());
    let time = number_len(seconds) + number_len(nanos);
    let body = 34 + 34 + number_len(seq) + len_len(time);
    let mut out = Vec::with_capacity(len_len(body));
    put_len(&mut out, ACK, body);
    put_digits(&mut out, 1, request.as_bytes());
    put_digits(&mut out, 2, room.as_bytes());
    put_number(&mut out, 3, seq);
    put_len(&mut out, 4, time);
    put_number(&mut out, 1, seconds);
    put_number(&mut out, 2, nanos);
    out
}

/// Reads an ack whose ids are in their canonical form.
pub fn read_ack(frame: &[u8]) -> Option<AckFrame<'_>> {
    let mut rest = frame;
    let mut ack = take(&mut rest, ACK)?;
    let (request, room) = (take(&mut ack, 1)?, take(&mut ack, 2)?);
    let seq = take_number(&mut ack, 3)?;
    let mut time = take(&mut ack, 4)?;
    let (seconds, nanos) = (take_number(&mut time, 1)?.cast_signed(), take_number(&mut time, 2)?);
    if !rest.is_empty() || !ack.is_empty() || !time.is_empty() {
        return None;
    }
    id_of_digits(room)?;
    Some(AckFrame {
        request: RequestId::from_bytes(id_of_digits(request)?),
        room: std::str::from_utf8(room).ok()?,
        seq,
        time: Timestamp { seconds, nanos: i32::try_from(nanos).ok()? },
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message;

    use super::*;
    use crate::v1::{Ack, ConnectRequest, ConnectResponse, Ping, Send, connect_request, connect_response};

    fn send(request_id: String, room: String, text: String) -> Vec<u8> {
        let frame = Some(connect_request::Frame::Send(Send { request_id, room, text }));
        ConnectRequest { frame }.encode_to_vec()
    }

    proptest! {
        #[test]
        fn sends_are_read_as_the_generated_code_writes_them(request: [u8; 16], room: [u8; 16], text in "\\PC{1,80}") {
            let (request, room) = (RequestId::from_bytes(request), RoomId::from_bytes(room));
            let frame = send(request.to_string(), room.to_string(), text.clone());
            prop_assert_eq!(read_send(&frame), Some(SendFrame { request, room, text: &text }));
        }

        #[test]
        fn sends_are_written_as_the_generated_code_does(request: [u8; 16], room in "\\PC{0,200}", text in "\\PC{0,200}") {
            let frame = super::send(&request, &room, &text);
            prop_assert_eq!(frame, send(RequestId::from_bytes(request).to_string(), room, text));
        }

        #[test]
        fn acks_are_written_as_the_generated_code_does(request: [u8; 16], room: [u8; 16], seq: u64, time_us: i64) {
            let (request, room) = (RequestId::from_bytes(request), RoomId::from_bytes(room));
            let time = timestamp(time_us);
            let said = Ack { request_id: request.to_string(), room: room.to_string(), seq, time: Some(time) };
            let frame = Some(connect_response::Frame::Ack(said));
            let bytes = ack(request, room, seq, time_us);
            prop_assert_eq!(&bytes, &ConnectResponse { frame }.encode_to_vec());
            prop_assert_eq!(read_ack(&bytes), Some(AckFrame { request, room: &room.to_string(), seq, time }));
        }

        #[test]
        fn what_is_read_here_is_read_the_same_by_the_generated_code(
            request: [u8; 16], text in "\\PC{0,20}", at: prop::sample::Index, byte: u8, cut: prop::sample::Index,
        ) {
            let request = RequestId::from_bytes(request).to_string();
            let mut frame = send(request.clone(), request, text);
            let at = at.index(frame.len());
            frame[at] = byte;
            frame.truncate(frame.len() - cut.index(3));
            if let Some(SendFrame { request, room, text }) = read_send(&frame) {
                let said = Send { request_id: request.to_string(), room: room.to_string(), text: text.to_owned() };
                let same = ConnectRequest { frame: Some(connect_request::Frame::Send(said)) };
                prop_assert_eq!(ConnectRequest::decode(frame.as_slice()), Ok(same));
            }
            let mut frame = ack(RequestId::from_bytes([3; 16]), RoomId::from_bytes([4; 16]), 5, 6_000_007);
            let at = at % frame.len();
            frame[at] = byte;
            if let Some(AckFrame { request, room, seq, time }) = read_ack(&frame) {
                let said = Ack { request_id: request.to_string(), room: room.to_owned(), seq, time: Some(time) };
                let same = ConnectResponse { frame: Some(connect_response::Frame::Ack(said)) };
                prop_assert_eq!(ConnectResponse::decode(frame.as_slice()), Ok(same));
            }
        }
    }

    #[test]
    fn other_forms_are_left_to_the_generated_code() {
        let id = "0a".repeat(16);
        let plain = send(id.clone(), id.clone(), "x".into());
        assert!(read_send(&plain).is_some());
        assert!(read_send(&[plain.clone(), plain].concat()).is_none(), "the last one counts");
        assert!(read_send(&send(id.to_uppercase(), id.clone(), "x".into())).is_none());
        assert!(read_send(&send(id.clone(), id, String::new())).is_none());
        let ping = ConnectRequest { frame: Some(connect_request::Frame::Ping(Ping { nonce: 1 })) };
        assert!(read_send(&ping.encode_to_vec()).is_none());
        assert!(read_send(&[]).is_none() && read_ack(&[]).is_none());
    }
}
