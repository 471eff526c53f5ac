//! The client's half of a session's stream: what gRPC polls for frames to send.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::Stream;
use hansard_proto::v1::ConnectRequest;
use prost::{Message, bytes::Bytes};

use crate::core::Core;

/// Yields the hello, then whatever the core has to say, until the core moves on to another session.
pub(crate) struct Outgoing {
    core: Arc<Core>,
    generation: u64,
    hello: Option<Bytes>,
}

impl Outgoing {
    pub(crate) fn new(core: Arc<Core>, generation: u64, hello: &ConnectRequest) -> Self {
        Self { core, generation, hello: Some(hello.encode_to_vec().into()) }
    }
}

impl Stream for Outgoing {
    type Item = Bytes;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let Some(hello) = self.hello.take() {
            return Poll::Ready(Some(hello));
        }
        self.core.poll_outgoing(self.generation, cx)
    }
}
