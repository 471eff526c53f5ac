//! Connections that end when the node stops: streams between nodes and routers have no end of their own.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_util::{Stream, StreamExt, future::BoxFuture};
use hansard_runtime::{
    Drain,
    net::{Incoming, PeerInfo, PeerIo},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tonic::transport::server::Connected;

/// An accepted connection that breaks once the drain begins.
pub(crate) struct Cut {
    io: PeerIo,
    drain: BoxFuture<'static, ()>,
    broken: bool,
}

/// Breaks every accepted connection once the drain begins.
pub(crate) fn cut(incoming: Incoming, drain: Drain) -> impl Stream<Item = io::Result<Cut>> {
    incoming.map(move |accepted| {
        let drain: BoxFuture<'static, ()> = Box::pin(drain.clone().started_owned());
        accepted.map(|io| Cut { io, drain, broken: false })
    })
}

impl Cut {
    fn poll_broken(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if !self.broken && self.drain.as_mut().poll(cx).is_ready() {
            self.broken = true;
        }
        match self.broken {
            true => Err(io::Error::new(io::ErrorKind::ConnectionAborted, "this node has stopped")),
            false => Ok(()),
        }
    }
}

impl Connected for Cut {
    type ConnectInfo = PeerInfo;

    fn connect_info(&self) -> PeerInfo {
        self.io.connect_info()
    }
}

impl AsyncRead for Cut {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.poll_broken(cx)?;
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for Cut {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.io).poll_write(cx, buf));
        Poll::Ready(if self.broken { Err(io::ErrorKind::ConnectionAborted.into()) } else { written })
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}
