//! `EdgeService`: one stream per router.

use std::{pin::Pin, sync::Arc, time::Duration};

use futures_util::{Stream, stream};
use hansard_proto::cluster::v1::{self as wire, edge_service_server::EdgeService};
use hansard_runtime::net::Role;
use tonic::{Request, Response, Status, Streaming};

use super::{handshake, link};
use crate::{error::HandshakeError, links::Outbox, state::Node};

/// How long a router may take for its hello.
const HELLO: Duration = Duration::from_secs(5);

/// See the module.
pub(crate) struct Edge(pub(crate) Arc<Node>);

type Responses = Pin<Box<dyn Stream<Item = Result<wire::LinkResponse, Status>> + Send>>;

#[tonic::async_trait]
impl EdgeService for Edge {
    type LinkStream = Responses;

    async fn link(&self, request: Request<Streaming<wire::LinkRequest>>) -> Result<Response<Responses>, Status> {
        handshake::role(request.extensions(), Role::Router)?;
        if self.0.binding.cluster().is_none() {
            return Err(HandshakeError::Homeless.into());
        }
        let mut requests = request.into_inner();
        let outbox = Arc::new(Outbox::default());
        let (node, sending) = (self.0.clone(), outbox.clone());
        // The hello is awaited beside the response, whose headers a router may want first.
        tokio::spawn(async move {
            if let Some(hello) = hello(&mut requests).await {
                link::serve(&node, hello, requests, &outbox).await;
            }
            outbox.close();
        });
        let responses = stream::unfold(Some(Sending(sending)), |sending| async move {
            let sending = sending?;
            let response = sending.0.next().await?;
            Some((Ok(response), Some(sending)))
        });
        Ok(Response::new(Box::pin(responses)))
    }
}

/// The writing end; when gRPC drops it, the router is gone.
struct Sending(Arc<Outbox>);

impl Drop for Sending {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

async fn hello(requests: &mut Streaming<wire::LinkRequest>) -> Option<wire::LinkHello> {
    match tokio::time::timeout(HELLO, requests.message()).await {
        Ok(Ok(Some(first))) if first.hello.is_some() => first.hello,
        Ok(Err(error)) => {
            tracing::debug!(%error, "a link ended before its hello");
            None
        }
        _ => {
            tracing::warn!("a link said no hello");
            None
        }
    }
}
