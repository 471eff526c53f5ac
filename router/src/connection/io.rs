//! What carries frames: gRPC or WebSocket, behind two traits.

use std::collections::VecDeque;
use std::future::Future;

use bytes::Bytes;
use hansard_proto::v1::connect_response::Frame;
use hansard_proto::v1::{Ack, ConnectRequest, ConnectResponse, Refusal, Reply, reply};
use hansard_proto::{hot, json, status};
use prost::Message;

use crate::convert;
use crate::limits::REPLY_BYTES;
use crate::proposal::{Committed, Proposal};
use crate::proposals;
use crate::reason;
use crate::session::{End, FrameFault, Tag};

/// What a client asks.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Asked {
    /// To commit what it sends, which is all right as it is.
    Send(Proposal),
    /// Whatever else, and whatever else is wrong.
    Frame(ConnectRequest),
}

impl From<ConnectRequest> for Asked {
    fn from(frame: ConnectRequest) -> Self {
        Self::Frame(frame)
    }
}

/// How frames are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Codec {
    /// Binary protobuf.
    Proto,
    /// ProtoJSON.
    Json,
}

impl Codec {
    /// Writes a frame.
    pub(crate) fn encode(self, frame: Frame) -> Bytes {
        let message = ConnectResponse { frame: Some(frame) };
        match self {
            Self::Proto => message.encode_to_vec().into(),
            Self::Json => json::encode(&message).unwrap_or_else(|error| unwritable(&error)).into(),
        }
    }

    /// Writes a frame that every carrier takes: a reply that is too large says so instead.
    pub(crate) fn encode_bounded(self, frame: Frame) -> Bytes {
        let call = if let Frame::Reply(reply) = &frame { Some(reply.id) } else { None };
        let bytes = self.encode(frame);
        match call {
            Some(id) if bytes.len() > REPLY_BYTES => self.encode(too_large(id, bytes.len())),
            _ => bytes,
        }
    }

    /// Writes an ack.
    pub(crate) fn ack(self, tag: Tag, committed: Committed) -> Bytes {
        let (Tag { request, room }, Committed { seq, time_us }) = (tag, committed);
        match self {
            Self::Proto => hot::ack(request, room, seq, time_us).into(),
            Self::Json => {
                let (request_id, room) = (request.to_string(), room.to_string());
                self.encode(Frame::Ack(Ack { request_id, room, seq, time: Some(convert::timestamp(time_us)) }))
            }
        }
    }

    /// Reads a frame.
    ///
    /// # Errors
    /// [`FrameFault::Malformed`] says what is wrong.
    pub(crate) fn decode(self, bytes: &[u8]) -> Result<Asked, FrameFault> {
        let malformed = |error: String| FrameFault::Malformed(error);
        let frame = match self {
            Self::Proto => {
                if let Some(proposal) = hot::read_send(bytes).and_then(|send| proposals::send_of(&send)) {
                    return Ok(Asked::Send(proposal));
                }
                ConnectRequest::decode(bytes).map_err(|error| malformed(format!("no protobuf frame: {error}")))
            }
            Self::Json => {
                let text = std::str::from_utf8(bytes).map_err(|error| malformed(format!("not UTF-8: {error}")))?;
                json::decode(text).map_err(|error| malformed(error.to_string()))
            }
        };
        frame.map(Asked::Frame)
    }
}

/// In the place of a frame that JSON cannot hold: details of a kind that only newer nodes know.
fn unwritable(error: &json::JsonError) -> String {
    tracing::error!(%error, "a frame could not be written as JSON");
    let text = "the answer cannot be written as JSON by this router";
    let status = Some(status::new(tonic::Code::Internal, reason::INTERNAL, text));
    let refusal = Frame::Refusal(Refusal { status, ..Refusal::default() });
    json::encode(&ConnectResponse { frame: Some(refusal) }).expect("a refusal of our own has a JSON form")
}

fn too_large(id: u64, found: usize) -> Frame {
    let text = format!("the answer has {found} bytes, and at most {REPLY_BYTES} are sent; ask for a smaller page");
    let limit = [("limit", REPLY_BYTES.to_string())];
    let status = status::with_metadata(tonic::Code::ResourceExhausted, reason::REPLY_TOO_LARGE, text, limit);
    Frame::Reply(Reply { id, outcome: Some(reply::Outcome::Status(status)) })
}

/// The other side is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gone;

/// Where frames come from.
pub(crate) trait FrameSource: Send {
    /// The next frame; `None` when the client is gone. Cancel safe.
    fn next(&mut self) -> impl Future<Output = Option<Result<Asked, FrameFault>>> + Send;
}

/// Where frames go.
pub(crate) trait FrameSink: Send {
    /// Returns when a frame can be pushed. Cancel safe.
    fn ready(&mut self) -> impl Future<Output = Result<(), Gone>> + Send;
    /// Takes a frame; only after `ready`.
    fn push(&mut self, frame: Bytes) -> Result<(), Gone>;
    /// Returns when all that was pushed has been handed on. Cancel safe.
    fn flush(&mut self) -> impl Future<Output = Result<(), Gone>> + Send;
    /// Ends the stream and says why.
    fn close(&mut self, end: &End) -> impl Future<Output = ()> + Send;
}

/// Frames that wait for the client.
#[derive(Debug, Default)]
pub(crate) struct Outbound {
    frames: VecDeque<Bytes>,
    bytes: usize,
}

impl Outbound {
    /// Adds a frame.
    pub(crate) fn push(&mut self, frame: Bytes) {
        self.bytes += frame.len();
        self.frames.push_back(frame);
    }

    /// Takes the oldest frame.
    pub(crate) fn pop(&mut self) -> Option<Bytes> {
        let frame = self.frames.pop_front()?;
        self.bytes -= frame.len();
        if self.frames.is_empty() {
            // Idle connections hold no buffers.
            self.frames = VecDeque::new();
        }
        Some(frame)
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.frames.len()
    }

    /// Whether none waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Their bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use hansard_domain::limits::{MAX_NAME_BYTES, MAX_PAGE, MAX_PAGE_BYTES, MAX_TEXT_BYTES, MAX_TOPIC_BYTES};
    use hansard_proto::any::pack;
    use hansard_proto::v1::{Event, ListHistoryResponse, ListRoomsResponse, Room};

    use super::*;

    /// What takes most bytes in JSON.
    fn text(bytes: usize) -> String {
        "\u{1}".repeat(bytes)
    }

    fn written(body: prost_types::Any) -> ConnectResponse {
        let reply = Reply { id: 7, outcome: Some(reply::Outcome::Body(body)) };
        let bytes = Codec::Json.encode_bounded(Frame::Reply(reply));
        assert!(bytes.len() <= REPLY_BYTES, "{} bytes", bytes.len());
        json::decode(std::str::from_utf8(&bytes).unwrap()).unwrap()
    }

    #[test]
    fn the_largest_pages_are_sent_and_what_is_larger_is_refused_by_name() {
        let id = || "ab".repeat(16);
        let event = |bytes| Event {
            room: id(),
            sender: id(),
            seq: u64::MAX,
            time: Some(convert::timestamp(1_900_000_000_123_456)),
            kind: "message".into(),
            text: text(bytes),
            ..Event::default()
        };
        let history = |events| pack(&ListHistoryResponse { events, ..ListHistoryResponse::default() });
        let few = MAX_PAGE_BYTES / MAX_TEXT_BYTES + 1;
        let room = || Room { id: id(), name: text(MAX_NAME_BYTES), topic: text(MAX_TOPIC_BYTES), ..Room::default() };
        let rooms = (0..MAX_PAGE).map(|_| room()).collect();
        for body in [
            history((0..few).map(|_| event(MAX_TEXT_BYTES)).collect()),
            history((0..MAX_PAGE).map(|_| event(MAX_PAGE_BYTES / MAX_PAGE)).collect()),
            pack(&ListRoomsResponse { rooms, ..ListRoomsResponse::default() }),
        ] {
            let Some(Frame::Reply(Reply { id: 7, outcome })) = written(body.clone()).frame else { panic!() };
            assert!(matches!(outcome, Some(reply::Outcome::Body(read)) if read.value.len() == body.value.len()));
        }
        let huge = history((0..few * 2).map(|_| event(MAX_TEXT_BYTES)).collect());
        let Some(Frame::Reply(Reply { id: 7, outcome: Some(reply::Outcome::Status(status)) })) = written(huge).frame
        else {
            panic!("a call is answered by its id");
        };
        assert!(status::has_reason(&status, reason::REPLY_TOO_LARGE));
    }
}
