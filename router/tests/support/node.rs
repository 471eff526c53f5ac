//! A node that a router can link to: `EdgeService` over loopback.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hansard_domain::{PersonId, RoomId, ShardId};
use hansard_proto::cluster::v1::edge_service_server::{EdgeService, EdgeServiceServer};
use hansard_proto::cluster::v1::node_reply::Outcome;
use hansard_proto::cluster::v1::*;
use hansard_proto::convert::bytes;
use hansard_proto::status;
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::{Code, Request, Response, Streaming};

use super::world::World;

const SHARD: ShardId = ShardId::from_bytes([1; 16]);

struct LinkTo {
    sender: mpsc::Sender<Result<LinkResponse, tonic::Status>>,
    rooms: Vec<RoomId>,
}

/// The fake node.
#[derive(Default)]
pub(crate) struct FakeNode {
    pub(crate) world: Mutex<World>,
    id: u64,
    links: Mutex<HashMap<u64, LinkTo>>,
    next: AtomicU64,
    /// Whether it says that it is fresh.
    pub(crate) silent: AtomicBool,
    /// How many proposals are answered with NOT_LEADER first.
    pub(crate) not_leader: AtomicU64,
    /// How many proposals are carried out, but their link breaks instead of an answer.
    pub(crate) swallow: AtomicU64,
    /// How many proposals are turned away for want of space, once none is swallowed.
    pub(crate) turn_away: AtomicU64,
    /// Whose pages of history are not answered for now.
    pub(crate) holds_pages_of: Mutex<Option<PersonId>>,
    /// Those pages, with their links.
    held: Mutex<Vec<(u64, NodeCall)>>,
    /// Pages of history that were answered.
    pub(crate) pages: AtomicU64,
}

impl FakeNode {
    /// Starts it; returns its address.
    pub(crate) async fn start() -> (Arc<Self>, String) {
        Self::start_as(1).await
    }

    /// The same with another id than 1, which leads everything.
    pub(crate) async fn start_as(id: u64) -> (Arc<Self>, String) {
        let node = Arc::new(Self { id, ..Self::default() });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = tonic::transport::Server::builder()
            .add_service(EdgeServiceServer::new(Served(node.clone())))
            .serve_with_incoming(TcpListenerStream::new(listener));
        tokio::spawn(server);
        let beating = node.clone();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_millis(200)).await;
                if !beating.silent.load(Ordering::SeqCst) {
                    beating.tell(Directory { revision: 1, fresh: true, ..Directory::default() });
                }
            }
        });
        (node, address)
    }

    /// Tells all routers.
    pub(crate) fn tell(&self, directory: Directory) {
        self.to_all(|_| Some(LinkResponse { directory: Some(directory.clone()), ..LinkResponse::default() }));
    }

    /// Whether a router is linked.
    pub(crate) fn is_linked(&self) -> bool {
        !self.links.lock().unwrap().is_empty()
    }

    /// Breaks all links.
    pub(crate) fn break_links(&self) {
        self.links.lock().unwrap().clear();
    }

    fn to_all(&self, message: impl Fn(&LinkTo) -> Option<LinkResponse>) {
        for link in self.links.lock().unwrap().values() {
            if let Some(message) = message(link) {
                link.sender.try_send(Ok(message)).expect("the fake node's queue is long enough");
            }
        }
    }

    /// How many pages are held.
    pub(crate) fn held(&self) -> usize {
        self.held.lock().unwrap().len()
    }

    /// Answers all pages that are held, and holds no more.
    pub(crate) fn release_pages(&self) {
        *self.holds_pages_of.lock().unwrap() = None;
        let held = std::mem::take(&mut *self.held.lock().unwrap());
        held.iter().for_each(|(link, call)| self.call(*link, call));
    }

    /// Whether the call is one that is held.
    fn hold(&self, link: u64, call: &NodeCall) -> bool {
        if !matches!(call.call, Some(node_call::Call::ReadHistory(_))) {
            return false;
        }
        let who = call.principal.as_ref().and_then(|who| PersonId::from_slice(&who.person).ok());
        let holds = self.holds_pages_of.lock().unwrap();
        if holds.is_none() || *holds != who {
            self.pages.fetch_add(1, Ordering::SeqCst);
            return false;
        }
        self.held.lock().unwrap().push((link, call.clone()));
        true
    }

    fn call(&self, link: u64, call: &NodeCall) {
        if self.hold(link, call) {
            return;
        }
        let proposes = matches!(call.call, Some(node_call::Call::Propose(_)));
        let spend = |left: &AtomicU64| {
            proposes && left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
        };
        if spend(&self.not_leader) {
            let status = status::with_metadata(Code::Unavailable, "NOT_LEADER", "x", [("leader", "1".to_owned())]);
            return self.reply(link, call.id, Outcome::Status(status));
        }
        if self.swallow.load(Ordering::SeqCst) == 0 && spend(&self.turn_away) {
            let later = Duration::from_millis(1);
            return self.reply(
                link,
                call.id,
                Outcome::Status(status::retryable(Code::ResourceExhausted, "OVERLOADED", "x", later)),
            );
        }
        let (outcome, new) = self.world.lock().unwrap().answer(call);
        if spend(&self.swallow) {
            return self.break_links();
        }
        self.reply(link, call.id, outcome);
        if let Some((room, entry)) = new {
            let feed = RoomFeed { room: bytes(room), entries: vec![entry], ..RoomFeed::default() };
            let feeds = |link: &LinkTo| link.rooms.contains(&room).then(|| feed.clone());
            self.to_all(|link| feeds(link).map(|feed| LinkResponse { feeds: vec![feed], ..LinkResponse::default() }));
        }
    }

    fn reply(&self, link: u64, id: u64, outcome: Outcome) {
        let replies = vec![NodeReply { id, outcome: Some(outcome) }];
        if let Some(link) = self.links.lock().unwrap().get(&link) {
            link.sender.try_send(Ok(LinkResponse { replies, ..LinkResponse::default() })).unwrap();
        }
    }

    fn subscribe(&self, link: u64, wanted: &Subscribe) {
        let room = RoomId::from_slice(&wanted.room).unwrap();
        let world = self.world.lock().unwrap();
        let entries = world.rooms.get(&room).map(|room| room.entries.clone()).unwrap_or_default();
        let after_seq = if wanted.from_now { entries.len() as u64 } else { wanted.after_seq };
        let feed = RoomFeed {
            room: wanted.room.clone(),
            subscribed: Some(SubscribedAt { after_seq }),
            entries: entries.into_iter().filter(|entry| entry.seq > after_seq).collect(),
            ended: None,
        };
        if let Some(link) = self.links.lock().unwrap().get_mut(&link) {
            link.rooms.push(room);
            link.sender.try_send(Ok(LinkResponse { feeds: vec![feed], ..LinkResponse::default() })).unwrap();
        }
    }

    fn take(&self, link: u64, batch: LinkRequest) {
        batch.calls.iter().for_each(|call| self.call(link, call));
        batch.subscribe.iter().for_each(|wanted| self.subscribe(link, wanted));
        for room in &batch.unsubscribe {
            if let Some(link) = self.links.lock().unwrap().get_mut(&link) {
                link.rooms.retain(|known| known.as_bytes()[..] != room[..]);
            }
        }
        for signal in batch.signals {
            for (_, other) in self.links.lock().unwrap().iter().filter(|(id, _)| **id != link) {
                let signals = vec![signal.clone()];
                other.sender.try_send(Ok(LinkResponse { signals, ..LinkResponse::default() })).unwrap();
            }
        }
    }
}

/// One shard on the first node, among these.
pub(crate) fn placement(nodes: &[(u64, &str)]) -> Placement {
    let info =
        |&(id, address): &(u64, &str)| NodeInfo { id, name: "n".into(), site: "s".into(), address: address.into() };
    Placement {
        nodes: nodes.iter().map(info).collect(),
        shards: vec![ShardPlace { shard: bytes(SHARD), epoch: 1, voters: vec![1] }],
        slots: vec![0; 4_096],
        moved: vec![],
    }
}

fn everything(address: &str) -> Directory {
    let leader = |shard| Leader { shard: bytes(shard), term: 1, node: 1 };
    Directory {
        revision: 1,
        fresh: true,
        placement: Some(placement(&[(1, address)])),
        leaders: vec![leader(ShardId::META), leader(SHARD)],
        ..Directory::default()
    }
}

struct Served(Arc<FakeNode>);

#[tonic::async_trait]
impl EdgeService for Served {
    type LinkStream = Pin<Box<dyn Stream<Item = Result<LinkResponse, tonic::Status>> + Send>>;

    async fn link(
        &self,
        request: Request<Streaming<LinkRequest>>,
    ) -> Result<Response<Self::LinkStream>, tonic::Status> {
        let address = request.local_addr().unwrap().to_string();
        let (node, mut requests) = (self.0.clone(), request.into_inner());
        let (sender, receiver) = mpsc::channel(65_536);
        let link = node.next.fetch_add(1, Ordering::SeqCst);
        tokio::spawn(async move {
            let Ok(Some(LinkRequest { hello: Some(_), .. })) = requests.message().await else { return };
            let info = NodeInfo { id: node.id, name: "n".into(), site: "s".into(), address: address.clone() };
            let welcome = LinkWelcome { node: Some(info), cluster: vec![9; 16].into(), protocol: 1 };
            let welcome = LinkResponse { welcome: Some(welcome), ..LinkResponse::default() };
            let directory = LinkResponse { directory: Some(everything(&address)), ..LinkResponse::default() };
            sender.try_send(Ok(welcome)).unwrap();
            sender.try_send(Ok(directory)).unwrap();
            node.links.lock().unwrap().insert(link, LinkTo { sender, rooms: vec![] });
            while let Ok(Some(batch)) = requests.message().await {
                node.take(link, batch);
            }
            node.links.lock().unwrap().remove(&link);
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }
}
