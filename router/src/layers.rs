//! Everything that a gRPC request passes before it is dispatched, on one screen.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll};

use hansard_proto::rpc::Status;
use hansard_proto::status;
use http::{HeaderMap, Request, Response, header};
use tokio::time::Instant;
use tonic::Code;
use tonic::body::Body;
use tower::{BoxError, Service, ServiceBuilder, load_shed, timeout};
use tracing::Instrument;

use crate::edge::Edge;
use crate::limits::{UNARY_CALLS, UNARY_TIMEOUT};
use crate::principal::Principal;
use crate::{grpc, reason, refuse};

/// The stack, outermost first.
pub(crate) fn stack<S, B>(
    edge: Arc<Edge>,
    calls: S,
) -> impl Service<Request<B>, Response = Response<Body>, Error = Infallible, Future: Send + 'static>
+ Clone
+ Send
+ Sync
+ 'static
where
    S: Service<Request<B>, Response = Response<Body>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
    B: Send + 'static,
{
    ServiceBuilder::new()
        // Whatever the layers below refuse becomes a status.
        .layer_fn(Answered)
        // Too much at once is refused at once.
        .load_shed()
        .concurrency_limit(UNARY_CALLS)
        // A session's streams live on; this bounds the way to their start, and unary calls as a whole.
        .timeout(UNARY_TIMEOUT)
        // A span, then who calls (sessions say so in their hello), then how fast.
        .layer_fn(move |inner| Admitted { inner, edge: edge.clone() })
        .service(calls)
}

/// Turns the errors of layers into statuses.
#[derive(Clone)]
struct Answered<S>(S);

impl<S, B> Service<Request<B>> for Answered<S>
where
    S: Service<Request<B>, Response = Response<Body>, Error = BoxError>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // Load is shed below, so it is ready; an error shows again at the call.
        self.0.poll_ready(cx).map(|_| Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Answer {
        let answer = self.0.call(request);
        Box::pin(async move { Ok(answer.await.unwrap_or_else(|error| refused(&error))) })
    }
}

fn refused(error: &BoxError) -> Response<Body> {
    let status = if error.is::<load_shed::error::Overloaded>() {
        refuse::overloaded("unary calls of this router", UNARY_CALLS)
    } else if error.is::<timeout::error::Elapsed>() {
        let text = "no answer in time; the outcome is unknown: send again with the same request id";
        status::retryable(Code::DeadlineExceeded, reason::DEADLINE_EXCEEDED, text, status::DEFAULT_RETRY)
    } else {
        status::new(Code::Internal, reason::INTERNAL, "the call failed inside the router")
    };
    status::to_tonic(&status).into_http()
}

/// Gives every call a span, and unary ones a principal.
#[derive(Clone)]
struct Admitted<S> {
    inner: S,
    edge: Arc<Edge>,
}

type Answer = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

impl<S, B> Service<Request<B>> for Admitted<S>
where
    S: Service<Request<B>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
    B: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Answer {
        let path = request.uri().path();
        let session = grpc::is_session(path);
        // Only paths that are known are shown: the others are the caller's text.
        let known = crate::unary::method(path).unwrap_or(if session { "session" } else { "unknown" });
        let span = tracing::info_span!("grpc", method = known);
        if let Some(parent) = request.headers().get("traceparent").and_then(|value| value.to_str().ok()) {
            hansard_runtime::telemetry::continue_trace(&span, parent);
        }
        let ready = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, ready);
        let edge = self.edge.clone();
        let admitted = async move {
            if !session {
                match admit(&edge, request.headers()).await {
                    Ok(who) => drop(request.extensions_mut().insert(Arc::new(who))),
                    Err(status) => return Ok(status::to_tonic(&status).into_http()),
                }
            }
            inner.call(request).await
        };
        Box::pin(admitted.instrument(span))
    }
}

async fn admit(edge: &Edge, headers: &HeaderMap) -> Result<Principal, Status> {
    let token = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = token.and_then(|value| value.strip_prefix("Bearer ").or_else(|| value.strip_prefix("bearer ")));
    let missing = || refuse::unauthenticated(reason::TOKEN_MISSING, "give a token: `authorization: Bearer TOKEN`");
    let who = edge.auth.admit(token.ok_or_else(missing)?, &edge.upstream).await?;
    let rate = edge.sessions.rate(who.person);
    let taken = rate.lock().unwrap_or_else(PoisonError::into_inner).take(1, Instant::now());
    taken.map_err(|wait| {
        let status = refuse::rate_limited(wait);
        edge.refusals.add(&who, &status);
        status
    })?;
    Ok(who)
}
