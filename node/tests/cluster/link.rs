//! A router's link to one node.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use hansard_domain::{RoomId, ShardId};
use hansard_proto::{
    cluster::v1::{
        self as wire, Directory, LinkHello, LinkRequest, NodeCall, RoomFeed, Signal, Subscribe,
        edge_service_client::EdgeServiceClient, node_call::Call, node_reply::Outcome,
    },
    convert::bytes,
    rpc::Status,
    status,
};
use hansard_runtime::net::{Role, TcpTransport, Tls, channel};
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;

type Waiting = Arc<Mutex<HashMap<u64, oneshot::Sender<Outcome>>>>;

pub(crate) struct Link {
    requests: mpsc::Sender<LinkRequest>,
    waiting: Waiting,
    next: std::sync::atomic::AtomicU64,
    pub(crate) directory: Arc<Mutex<Directory>>,
    pub(crate) fresh: Arc<std::sync::atomic::AtomicU64>,
    pub(crate) feeds: tokio::sync::Mutex<mpsc::Receiver<RoomFeed>>,
    pub(crate) signals: tokio::sync::Mutex<mpsc::Receiver<Signal>>,
    reader: tokio::task::JoinHandle<()>,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Link {
    pub(crate) async fn open(address: &str) -> Result<Self, Status> {
        Self::open_as(address, "r1").await
    }

    pub(crate) async fn open_as(address: &str, router: &str) -> Result<Self, Status> {
        Self::open_with(address, router, None).await
    }

    pub(crate) async fn open_with(address: &str, router: &str, tls: Option<Arc<Tls>>) -> Result<Self, Status> {
        let channel = channel(Arc::new(TcpTransport), address, tls, Role::Node).unwrap();
        let (requests, outgoing) = mpsc::channel(1_024);
        let hello = LinkHello {
            router: router.into(),
            site: "boston".into(),
            client_address: format!("http://{router}"),
            protocol: 2,
        };
        requests.send(LinkRequest { hello: Some(hello), ..LinkRequest::default() }).await.unwrap();
        let mut client = EdgeServiceClient::new(channel).max_decoding_message_size(4 << 20);
        let mut responses = client.link(ReceiverStream::new(outgoing)).await.map_err(Status::from)?.into_inner();
        let first = responses.message().await.map_err(Status::from)?;
        let welcome = first.and_then(|first| first.welcome).ok_or_else(|| status::unknown_outcome("no welcome"))?;
        assert_eq!((welcome.protocol, welcome.cluster.len()), (2, 16));
        let (waiting, directory) = (Waiting::default(), Arc::<Mutex<Directory>>::default());
        let fresh = Arc::<std::sync::atomic::AtomicU64>::default();
        let (feed, feeds) = mpsc::channel(1_024);
        let (signal, signals) = mpsc::channel(1_024);
        let (of_waiting, of_directory, of_fresh) = (waiting.clone(), directory.clone(), fresh.clone());
        let reader = tokio::spawn(async move {
            while let Ok(Some(response)) = responses.message().await {
                let wire::Committed { calls, seqs, times_us } = response.committed.unwrap_or_default();
                assert_eq!((calls.len(), calls.len()), (seqs.len(), times_us.len()), "lists of one length");
                let committed = calls.into_iter().zip(seqs).zip(times_us).map(|((id, seq), time_us)| {
                    let proposed = wire::Proposed { seq, time_us, repeated: false };
                    wire::NodeReply { id, outcome: Some(Outcome::Proposed(proposed)) }
                });
                for reply in committed.chain(response.replies) {
                    if let Some(waiter) = of_waiting.lock().unwrap().remove(&reply.id) {
                        let _ = waiter.send(reply.outcome.unwrap());
                    }
                }
                if let Some(news) = response.directory {
                    of_fresh.fetch_add(u64::from(news.fresh), std::sync::atomic::Ordering::SeqCst);
                    learn(&mut of_directory.lock().unwrap(), news);
                }
                for fed in response.feeds {
                    let _ = feed.send(fed).await;
                }
                for told in response.signals {
                    let _ = signal.send(told).await;
                }
            }
            of_waiting.lock().unwrap().clear();
        });
        Ok(Self {
            requests,
            waiting,
            next: 1.into(),
            directory,
            fresh,
            feeds: feeds.into(),
            signals: signals.into(),
            reader,
        })
    }

    pub(crate) fn is_open(&self) -> bool {
        !self.reader.is_finished()
    }

    pub(crate) async fn send(&self, request: LinkRequest) {
        let _ = self.requests.send(request).await;
    }

    pub(crate) async fn call(
        &self,
        shard: ShardId,
        epoch: u64,
        principal: Option<wire::Principal>,
        call: Call,
    ) -> Result<Outcome, Status> {
        let id = self.next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let (answer, wait) = oneshot::channel();
        self.waiting.lock().unwrap().insert(id, answer);
        let call = NodeCall {
            id,
            shard: bytes(shard),
            epoch,
            principal,
            traceparent: String::new(),
            deadline_ms: 5_000,
            call: Some(call),
        };
        self.send(LinkRequest { calls: vec![call], ..LinkRequest::default() }).await;
        match tokio::time::timeout(Duration::from_secs(6), wait).await {
            Ok(Ok(Outcome::Status(status))) => Err(status),
            Ok(Ok(outcome)) => Ok(outcome),
            _ => Err(status::unknown_outcome("the link broke, or no answer came")),
        }
    }

    pub(crate) async fn subscribe(&self, room: RoomId, shard: ShardId, after: Option<u64>) {
        let subscribe = Subscribe {
            room: bytes(room),
            shard: bytes(shard),
            after_seq: after.unwrap_or(0),
            from_now: after.is_none(),
        };
        self.send(LinkRequest { subscribe: vec![subscribe], ..LinkRequest::default() }).await;
    }

    /// The next feed, or none within so long.
    pub(crate) async fn feed(&self, within: Duration) -> Option<RoomFeed> {
        tokio::time::timeout(within, self.feeds.lock().await.recv()).await.ok().flatten()
    }
}

fn learn(known: &mut Directory, news: Directory) {
    known.revision = known.revision.max(news.revision);
    if news.placement.is_some() {
        known.placement = news.placement;
    }
    if !news.leaders.is_empty() {
        known.leaders = news.leaders;
    }
    if !news.routers.is_empty() {
        known.routers = news.routers;
    }
    known.revoked.extend(news.revoked);
}
