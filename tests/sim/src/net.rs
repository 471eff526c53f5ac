//! turmoil's network behind the product's seams.

use std::{io, sync::Arc};

use futures_util::FutureExt;
use hansard_client::Connector;
use hansard_runtime::net::{BoxFuture, BoxIo, Listener, Transport};
use turmoil::net::{TcpListener, TcpStream};

/// What nodes and routers use.
pub(crate) struct TurmoilTransport;

impl Transport for TurmoilTransport {
    fn connect(&self, address: &str) -> BoxFuture<'static, io::Result<BoxIo>> {
        let address = address.to_owned();
        async move { Ok(Box::new(TcpStream::connect(address.as_str()).await?) as BoxIo) }.boxed()
    }

    fn listen(&self, address: &str) -> BoxFuture<'static, io::Result<Box<dyn Listener>>> {
        let address = address.to_owned();
        async move {
            let listener = TcpListener::bind(address.as_str()).await?;
            let local = listener.local_addr()?.to_string();
            Ok(Box::new(Listening { listener, local }) as Box<dyn Listener>)
        }
        .boxed()
    }
}

struct Listening {
    listener: TcpListener,
    local: String,
}

impl Listener for Listening {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<(BoxIo, String)>> {
        async move {
            let (stream, peer) = self.listener.accept().await?;
            Ok((Box::new(stream) as BoxIo, peer.to_string()))
        }
        .boxed()
    }

    fn local_addr(&self) -> String {
        self.local.clone()
    }
}

/// What the SDK uses.
pub(crate) fn connector() -> Connector {
    Connector(Arc::new(|address| {
        async move {
            let stream = TcpStream::connect(address.as_str()).await?;
            Ok(Box::new(stream) as Box<dyn hansard_client::Io>)
        }
        .boxed()
    }))
}
