//! A request's body that must be there in time: a client that dribbles must not keep a call's place meanwhile.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use hansard_proto::status;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::{Sleep, sleep};
use tonic::{Code, codegen::StdError};

use crate::reason;

/// See the module.
pub(super) struct Timely<B> {
    body: Pin<Box<B>>,
    within: Duration,
    /// Set once the body is waited for: most are there already.
    timer: Option<Pin<Box<Sleep>>>,
}

impl<B> Timely<B> {
    /// All of `body` within so long from the first look at it, or an error.
    pub(super) fn new(body: B, within: Duration) -> Self {
        Self { body: Box::pin(body), within, timer: None }
    }
}

impl<B> Body for Timely<B>
where
    B: Body,
    B::Error: Into<StdError>,
{
    type Data = B::Data;
    type Error = StdError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, StdError>>> {
        if let Poll::Ready(frame) = self.body.as_mut().poll_frame(cx) {
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let within = self.within;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(within)));
        timer.as_mut().poll(cx).map(|()| Some(Err(too_slow(within).into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn too_slow(within: Duration) -> tonic::Status {
    let text = format!("the request's body was not there within {} ms; nothing was done", within.as_millis());
    let status = status::retryable(Code::ResourceExhausted, reason::BODY_TOO_SLOW, text, status::DEFAULT_RETRY);
    status::to_tonic(&status)
}
