//! The gRPC adapter: sessions, unary calls and health on one port.

mod queue;
mod session;
#[cfg(test)]
mod tests;
mod timely;

use std::convert::Infallible;
use std::future::ready;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use bytes::Bytes;
use hansard_domain::limits::MAX_FRAME_BYTES;
use hansard_proto::hot::BytesCodec;
use hansard_proto::status;
use hansard_runtime::Drain;
use hansard_runtime::net::Incoming;
use tonic::body::Body;
use tonic::server::Grpc;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic::{Code, Request, Response, Status};
use tower::{Service, service_fn};

use crate::edge::Edge;
use crate::limits::{CONNECTION_AGE, HEADER_BYTES, PENDING_RESETS, STREAMS, UNARY_BODY_TIMEOUT};
use crate::principal::Principal;
use crate::{layers, reason, unary};
use timely::Timely;

/// How often an idle connection is asked whether it lives.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(20);
/// How long the answer may take.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);
/// What a client may send on one stream before it is read, bytes.
const STREAM_WINDOW: u32 = 64 << 10;
/// What a client may send on one connection before it is read, bytes.
const CONNECTION_WINDOW: u32 = 1 << 20;
/// Streams that may be reset for the peer's errors before the connection is closed.
const ERROR_RESETS: usize = 64;
/// The session's path.
const CONNECT: &str = "/hansard.v1.SessionService/Connect";

/// Serves until the drain has begun and all streams have ended.
///
/// # Errors
/// When the server fails as a whole.
pub(crate) async fn serve(edge: Arc<Edge>, incoming: Incoming, drain: Drain) -> Result<(), tonic::transport::Error> {
    let (reporter, health) = tonic_health::server::health_reporter();
    let follow_drain = {
        let mut drain = drain.clone();
        async move {
            drain.wait().await;
            reporter.set_service_status("", tonic_health::ServingStatus::NotServing).await;
        }
    };
    tokio::spawn(follow_drain);
    let calls = layers::stack(edge.clone(), Calls { edge });
    let routes = Routes::from(Router::new().fallback_service(calls)).add_service(health);
    server(CONNECTION_AGE).add_routes(routes).serve_with_incoming_shutdown(incoming, drain.started_owned()).await
}

/// A server with our bounds on connections.
fn server(connection_age: Duration) -> Server {
    Server::builder()
        .max_connection_age(connection_age)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(STREAMS)
        .http2_max_header_list_size(HEADER_BYTES)
        .http2_max_pending_accept_reset_streams(Some(PENDING_RESETS))
        .http2_max_local_error_reset_streams(Some(ERROR_RESETS))
        .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
}

/// Whether a path needs no token of its own: sessions bring theirs in the hello.
pub(crate) fn is_session(path: &str) -> bool {
    path == CONNECT
}

/// Dispatches by path.
#[derive(Clone)]
struct Calls {
    edge: Arc<Edge>,
}

type Answer = Pin<Box<dyn Future<Output = Result<http::Response<Body>, Infallible>> + Send>>;

impl<B> Service<http::Request<B>> for Calls
where
    B: hyper::body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<tonic::codegen::StdError> + Send,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Answer {
        let edge = self.edge.clone();
        let mut grpc = Grpc::new(BytesCodec).max_decoding_message_size(MAX_FRAME_BYTES);
        if is_session(request.uri().path()) {
            let connect = service_fn(move |request| ready(Ok::<_, Status>(session::connect(edge.clone(), request))));
            return Box::pin(async move { Ok(grpc.streaming(connect, request).await) });
        }
        let Some(method) = unary::method(request.uri().path()).map(str::to_owned) else {
            let text = "there is no such method; see docs/protocol.md";
            let unknown = status::new(Code::Unimplemented, reason::METHOD_UNKNOWN, text);
            return Box::pin(ready(Ok(status::to_tonic(&unknown).into_http())));
        };
        let who = request.extensions().get::<Arc<Principal>>().cloned();
        let call = service_fn(move |request: Request<Bytes>| {
            let (edge, who, method) = (edge.clone(), who.clone(), method.clone());
            async move {
                let who = who.ok_or_else(|| Status::internal("a call came by the layer that authenticates it"))?;
                let answer = unary::call_bytes(&edge, &who, &method, request.into_inner()).await;
                answer.map(Response::new).map_err(|status| status::to_tonic(&status))
            }
        });
        let request = request.map(|body| Timely::new(body, UNARY_BODY_TIMEOUT));
        Box::pin(async move { Ok(grpc.unary(call, request).await) })
    }
}
