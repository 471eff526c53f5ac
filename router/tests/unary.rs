//! Unary calls over plain gRPC, and those who misuse them.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{Stream, stream};
use hansard_proto::hot::BytesCodec;
use hansard_proto::rpc::Status;
use hansard_proto::status;
use hansard_router::limits::{UNARY_BODY_TIMEOUT, UNARY_CALLS_PER_PERSON};
use http::uri::PathAndQuery;
use support::client::PATIENCE;
use support::{Carrier, Stage};
use tokio::task::JoinSet;
use tonic::Request;
use tonic::client::Grpc;
use tonic::transport::Channel;

const LIST_ROOMS: &str = "/hansard.v1.RoomService/ListRooms";

async fn channel(stage: &Stage) -> Channel {
    Channel::from_shared(format!("http://{}", stage.router.grpc_addr)).unwrap().connect().await.unwrap()
}

/// Lists rooms; the request is whatever `messages` says.
async fn list<S>(channel: &Channel, token: &str, messages: S) -> Result<Bytes, Status>
where
    S: Stream<Item = Bytes> + Send + 'static,
{
    let mut grpc = Grpc::new(channel.clone());
    grpc.ready().await.unwrap();
    let mut request = Request::new(messages);
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    let answer = grpc.client_streaming(request, PathAndQuery::from_static(LIST_ROOMS), BytesCodec).await;
    answer.map(tonic::Response::into_inner).map_err(|status| status::from_tonic(&status))
}

/// A request without fields.
fn whole() -> impl Stream<Item = Bytes> {
    stream::iter([Bytes::new()])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_never_ends_is_refused_in_time() {
    let stage = Stage::new().await;
    let (channel, token, start) = (channel(&stage).await, stage.token("alice"), Instant::now());
    let refused = tokio::time::timeout(PATIENCE, list(&channel, &token, stream::pending())).await.unwrap().unwrap_err();
    assert!(start.elapsed() >= UNARY_BODY_TIMEOUT);
    assert_eq!(status::reason_of(&refused).as_deref(), Some("BODY_TOO_SLOW"), "{refused:?}");
    assert!(status::retry_after(&refused).is_some());
    list(&channel, &token, whole()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_never_end_keep_out_nobody_but_their_sender() {
    let stage = Stage::new().await;
    let (slow, token, too_slow) = (channel(&stage).await, stage.token("mallory"), Arc::new(AtomicUsize::new(0)));
    let mut slow_ones = JoinSet::new();
    for _ in 0..UNARY_CALLS_PER_PERSON + 8 {
        let (slow, token, too_slow) = (slow.clone(), token.clone(), too_slow.clone());
        slow_ones.spawn(async move {
            loop {
                let refused = list(&slow, &token, stream::pending()).await.unwrap_err();
                match status::reason_of(&refused).as_deref() {
                    Some("BODY_TOO_SLOW") => drop(too_slow.fetch_add(1, Ordering::Relaxed)),
                    Some("OVERLOADED") => tokio::time::sleep(Duration::from_millis(10)).await,
                    _ => panic!("{refused:?}"),
                }
            }
        });
    }
    let deadline = Instant::now() + PATIENCE;
    let refused = loop {
        assert!(Instant::now() < deadline, "their sender is refused for having too many");
        if let Err(refused) = list(&slow, &token, whole()).await {
            break refused;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    assert!(status::has_reason(&refused, "OVERLOADED") && status::retry_after(&refused).is_some(), "{refused:?}");
    list(&channel(&stage).await, &stage.token("alice"), whole()).await.expect("others have places of their own");
    stage.client(Carrier::Grpc, "mallory").await;
    while too_slow.load(Ordering::Relaxed) == 0 {
        assert!(Instant::now() < deadline, "the slow ones are told so");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(slow_ones.try_join_next().is_none(), "none of them heard anything else");
}
