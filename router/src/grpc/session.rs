//! `SessionService.Connect`.

use std::sync::Arc;

use bytes::Bytes;
use hansard_domain::limits::MAX_FRAME_BYTES;
use hansard_proto::status::to_tonic;
use hansard_proto::v1::ConnectRequest;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Response, Status, Streaming};

use crate::connection::{self, Codec, FrameSink, FrameSource, Gone};
use crate::edge::Edge;
use crate::limits::GRPC_FRAMES;
use crate::metrics::Carrier;
use crate::session::{End, FrameFault};

/// What goes to the client.
pub(super) type Frames = ReceiverStream<Result<Bytes, Status>>;

/// Starts a session over a pair of streams.
pub(super) fn connect(edge: Arc<Edge>, request: Request<Streaming<Bytes>>) -> Response<Frames> {
    let (sender, receiver) = mpsc::channel(GRPC_FRAMES);
    let (source, sink) = (Source(request.into_inner()), Sink(sender));
    tokio::spawn(connection::serve(edge, source, sink, Codec::Proto, Carrier { transport: "grpc" }));
    Response::new(ReceiverStream::new(receiver))
}

struct Source(Streaming<Bytes>);

impl FrameSource for Source {
    async fn next(&mut self) -> Option<Result<ConnectRequest, FrameFault>> {
        match self.0.message().await {
            Ok(Some(frame)) if frame.len() > MAX_FRAME_BYTES => Some(Err(FrameFault::TooLarge)),
            Ok(Some(frame)) => Some(Codec::Proto.decode(&frame)),
            Err(status) if status.code() == Code::OutOfRange => Some(Err(FrameFault::TooLarge)),
            Ok(None) | Err(_) => None,
        }
    }
}

struct Sink(mpsc::Sender<Result<Bytes, Status>>);

impl FrameSink for Sink {
    async fn ready(&mut self) -> Result<(), Gone> {
        self.0.reserve().await.map(drop).map_err(|_| Gone)
    }

    fn push(&mut self, frame: Bytes) -> Result<(), Gone> {
        self.0.try_send(Ok(frame)).map_err(|_| Gone)
    }

    async fn flush(&mut self) -> Result<(), Gone> {
        Ok(())
    }

    async fn close(&mut self, end: &End) {
        if let Some(frame) = end.farewell().filter(|_| end.welcomed) {
            // A client that is gone needs no farewell.
            let _ = self.0.send(Ok(Codec::Proto.encode(frame))).await;
        }
        if let Some(status) = end.status.as_ref().filter(|_| !(end.welcomed && end.invites_back())) {
            let _ = self.0.send(Err(to_tonic(status))).await;
        }
    }
}
