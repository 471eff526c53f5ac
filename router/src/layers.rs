//! Everything that a gRPC request passes before it is dispatched, on one screen.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll};

use hansard_domain::PersonId;
use hansard_proto::rpc::Status;
use hansard_proto::status;
use http::{HeaderMap, Request, Response, header};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tonic::Code;
use tonic::body::Body;
use tower::{BoxError, Service, ServiceBuilder, timeout};
use tracing::Instrument;

use crate::edge::Edge;
use crate::limits::{UNARY_CALLS, UNARY_CALLS_PER_PERSON, UNARY_TIMEOUT};
use crate::principal::Principal;
use crate::shares::{Share, Shares};
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
    let places =
        Arc::new(Places { all: Arc::new(Semaphore::new(UNARY_CALLS)), of_people: Shares::new(UNARY_CALLS_PER_PERSON) });
    ServiceBuilder::new()
        // A call that takes too long becomes a status.
        .layer_fn(Answered)
        // A session's streams live on; this bounds the way to their start, and unary calls as a whole.
        .timeout(UNARY_TIMEOUT)
        // A span, then a place, who calls, how fast, and a place among the person's; sessions have bounds of their own and say who
        // they are in their hello.
        .layer_fn(move |inner| Admitted { inner, edge: edge.clone(), places: places.clone() })
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
        // An error shows again at the call.
        self.0.poll_ready(cx).map(|_| Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Answer {
        let answer = self.0.call(request);
        Box::pin(async move { Ok(answer.await.unwrap_or_else(|error| refused(&error))) })
    }
}

fn refused(error: &BoxError) -> Response<Body> {
    let status = if error.is::<timeout::error::Elapsed>() {
        let text = "no answer in time; the outcome is unknown: send again with the same request id";
        status::retryable(Code::DeadlineExceeded, reason::DEADLINE_EXCEEDED, text, status::DEFAULT_RETRY)
    } else {
        status::new(Code::Internal, reason::INTERNAL, "the call failed inside the router")
    };
    status::to_tonic(&status).into_http()
}

/// How many unary calls may be under way. Too much at once is refused at once.
struct Places {
    all: Arc<Semaphore>,
    of_people: Shares<PersonId>,
}

impl Places {
    fn take(&self) -> Result<Share, Status> {
        let full = |_| refuse::overloaded("unary calls of this router", UNARY_CALLS);
        self.all.clone().try_acquire_owned().map_err(full)
    }

    fn take_of(&self, person: PersonId) -> Result<Share, Status> {
        let full = || refuse::overloaded("unary calls of a person", UNARY_CALLS_PER_PERSON);
        self.of_people.take(person).ok_or_else(full)
    }
}

/// Gives every call a span, and unary ones a place and a principal.
#[derive(Clone)]
struct Admitted<S> {
    inner: S,
    edge: Arc<Edge>,
    places: Arc<Places>,
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
        let (edge, places) = (self.edge.clone(), self.places.clone());
        let admitted = async move {
            if session {
                return inner.call(request).await;
            }
            match admit(&edge, &places, request.headers()).await {
                Ok((who, _held)) => {
                    request.extensions_mut().insert(Arc::new(who));
                    inner.call(request).await
                }
                Err(status) => Ok(status::to_tonic(&status).into_http()),
            }
        };
        Box::pin(admitted.instrument(span))
    }
}

/// Who calls, and the call's places.
async fn admit(edge: &Edge, places: &Places, headers: &HeaderMap) -> Result<(Principal, [Share; 2]), Status> {
    let place = places.take()?;
    let token = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = token.and_then(|value| value.strip_prefix("Bearer ").or_else(|| value.strip_prefix("bearer ")));
    let missing = || refuse::unauthenticated(reason::TOKEN_MISSING, "give a token: `authorization: Bearer TOKEN`");
    let who = edge.auth.admit(token.ok_or_else(missing)?, &edge.upstream).await?;
    let rate = edge.sessions.rate(who.person);
    let taken = rate.lock().unwrap_or_else(PoisonError::into_inner).take(1, Instant::now());
    let taken = taken.map_err(refuse::rate_limited).and_then(|()| places.take_of(who.person));
    let of_person = taken.inspect_err(|status| edge.refusals.add(&who, status))?;
    Ok((who, [place, of_person]))
}
