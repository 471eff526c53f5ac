//! `SessionService.Connect`.

use std::future::poll_fn;
use std::sync::Arc;

use bytes::Bytes;
use hansard_domain::limits::MAX_FRAME_BYTES;
use hansard_proto::status::to_tonic;
use tonic::{Code, Request, Response, Streaming};

use super::queue::{Giver, Taker, queue};
use crate::connection::{self, Asked, Codec, FrameSink, FrameSource, Gone};
use crate::edge::Edge;
use crate::metrics::Carrier;
use crate::session::{End, FrameFault};

/// Starts a session over a pair of streams.
pub(super) fn connect(edge: Arc<Edge>, request: Request<Streaming<Bytes>>) -> Response<Taker> {
    let (giver, taker) = queue();
    let (source, sink) = (Source(request.into_inner()), Sink(giver));
    tokio::spawn(connection::serve(edge, source, sink, Codec::Proto, Carrier { transport: "grpc" }));
    Response::new(taker)
}

struct Source(Streaming<Bytes>);

impl FrameSource for Source {
    async fn next(&mut self) -> Option<Result<Asked, FrameFault>> {
        match self.0.message().await {
            Ok(Some(frame)) if frame.len() > MAX_FRAME_BYTES => Some(Err(FrameFault::TooLarge)),
            Ok(Some(frame)) => Some(Codec::Proto.decode(&frame)),
            Err(status) if status.code() == Code::OutOfRange => Some(Err(FrameFault::TooLarge)),
            Ok(None) | Err(_) => None,
        }
    }
}

struct Sink(Giver);

impl FrameSink for Sink {
    async fn ready(&mut self) -> Result<(), Gone> {
        poll_fn(|cx| self.0.poll_ready(cx)).await
    }

    fn push(&mut self, frame: Bytes) -> Result<(), Gone> {
        self.0.push(Ok(frame))
    }

    async fn flush(&mut self) -> Result<(), Gone> {
        self.0.flush()
    }

    async fn close(&mut self, end: &End) {
        // A client that is gone needs no farewell.
        if let Some(frame) = end.farewell().filter(|_| end.welcomed)
            && self.ready().await.is_ok()
        {
            let _ = self.0.push(Ok(Codec::Proto.encode(frame)));
        }
        if let Some(status) = end.status.as_ref().filter(|_| !(end.welcomed && end.invites_back()))
            && self.ready().await.is_ok()
        {
            let _ = self.0.push(Err(to_tonic(status)));
        }
    }
}
