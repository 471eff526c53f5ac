//! Frames in WebSocket messages.

use std::future::poll_fn;
use std::pin::Pin;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code};
use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{Sink as _, StreamExt};
use hansard_domain::limits::MAX_FRAME_BYTES;
use hansard_proto::status;

use crate::connection::{Asked, Codec, FrameSink, FrameSource, Gone};
use crate::reason;
use crate::session::{End, FrameFault};

/// Longest reason in a close frame, bytes (RFC 6455: 125 with the code).
const MAX_CLOSE_REASON: usize = 120;

pub(super) struct Source {
    stream: SplitStream<WebSocket>,
    codec: Codec,
}

impl Source {
    pub(super) fn new(stream: SplitStream<WebSocket>, codec: Codec) -> Self {
        Self { stream, codec }
    }
}

impl FrameSource for Source {
    async fn next(&mut self) -> Option<Result<Asked, FrameFault>> {
        loop {
            let bytes = match (self.stream.next().await?, self.codec) {
                (Ok(Message::Text(text)), Codec::Json) => Bytes::from(text),
                (Ok(Message::Binary(bytes)), Codec::Proto) => bytes,
                (Ok(Message::Text(_)), Codec::Proto) => return Some(Err(wrong_kind("binary messages"))),
                (Ok(Message::Binary(_)), Codec::Json) => return Some(Err(wrong_kind("text messages"))),
                (Ok(Message::Ping(_) | Message::Pong(_)), _) => continue,
                (Ok(Message::Close(_)), _) => return None,
                (Err(error), _) => return fault(&error.to_string()).map(Err),
            };
            if bytes.len() > MAX_FRAME_BYTES {
                return Some(Err(FrameFault::TooLarge));
            }
            return Some(self.codec.decode(&bytes));
        }
    }
}

fn wrong_kind(wanted: &str) -> FrameFault {
    FrameFault::Malformed(format!("this subprotocol has {wanted} only"))
}

/// What the library says when a message cannot be read; it reads no more after that.
fn fault(error: &str) -> Option<FrameFault> {
    let error = error.to_ascii_lowercase();
    if error.contains("too long") || error.contains("too large") || error.contains("too big") {
        Some(FrameFault::TooLarge)
    } else if error.contains("utf-8") || error.contains("utf8") {
        Some(FrameFault::Broken("a text message is not UTF-8".to_owned()))
    } else {
        None
    }
}

pub(super) struct Sink {
    sink: SplitSink<WebSocket, Message>,
    codec: Codec,
}

impl Sink {
    pub(super) fn new(sink: SplitSink<WebSocket, Message>, codec: Codec) -> Self {
        Self { sink, codec }
    }

    fn start(&mut self, message: Message) -> Result<(), Gone> {
        Pin::new(&mut self.sink).start_send(message).map_err(|_| Gone)
    }
}

impl FrameSink for Sink {
    async fn ready(&mut self) -> Result<(), Gone> {
        poll_fn(|cx| Pin::new(&mut self.sink).poll_ready(cx)).await.map_err(|_| Gone)
    }

    fn push(&mut self, frame: Bytes) -> Result<(), Gone> {
        let message = match self.codec {
            Codec::Proto => Message::Binary(frame),
            Codec::Json => Message::Text(Utf8Bytes::try_from(frame).map_err(|_| Gone)?),
        };
        self.start(message)
    }

    async fn flush(&mut self) -> Result<(), Gone> {
        poll_fn(|cx| Pin::new(&mut self.sink).poll_flush(cx)).await.map_err(|_| Gone)
    }

    async fn close(&mut self, end: &End) {
        let closing = async {
            if let Some(frame) = end.farewell() {
                self.ready().await?;
                self.push(self.codec.encode(frame))?;
            }
            self.ready().await?;
            self.start(Message::Close(Some(close_frame(end))))?;
            self.flush().await
        };
        // A client that is gone needs no farewell.
        let _: Result<(), Gone> = closing.await;
    }
}

fn close_frame(end: &End) -> CloseFrame {
    let reason = end.status.as_ref().and_then(status::reason_of).unwrap_or_default();
    let code = match reason.as_str() {
        "" => close_code::NORMAL,
        reason::FRAME_TOO_LARGE => close_code::SIZE,
        _ if end.invites_back() => close_code::AWAY,
        _ => close_code::POLICY,
    };
    let reason: String = reason.chars().take(MAX_CLOSE_REASON).collect();
    CloseFrame { code, reason: reason.into() }
}
