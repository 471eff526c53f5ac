//! What carries frames: gRPC or WebSocket, behind two traits.

use std::collections::VecDeque;
use std::future::Future;

use bytes::Bytes;
use hansard_proto::v1::connect_response::Frame;
use hansard_proto::v1::{Ack, ConnectRequest, ConnectResponse, Refusal};
use hansard_proto::{hot, json, status};
use prost::Message;

use crate::convert;
use crate::proposal::{Committed, Proposal};
use crate::proposals;
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
    let status = Some(status::new(tonic::Code::Internal, crate::reason::INTERNAL, text));
    let refusal = Frame::Refusal(Refusal { status, ..Refusal::default() });
    json::encode(&ConnectResponse { frame: Some(refusal) }).expect("a refusal of our own has a JSON form")
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
