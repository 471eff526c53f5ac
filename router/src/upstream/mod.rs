//! To the nodes: one link each, batched both ways, and calls that find the leader.

mod asker;
mod batch;
mod call;
mod conn;
mod link;
mod pages;
mod waiting;

use std::collections::{HashMap, HashSet};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use hansard_domain::{NodeId, PersonId, RoomId, ShardId};
use hansard_proto::cluster::v1::{Directory as DirectoryMessage, LinkHello, RoomFeed, Signal, Subscribe};
use hansard_proto::convert::bytes;
use hansard_runtime::net::Tls;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

pub(crate) use asker::{Answered, Asker};
pub(crate) use call::{First, Ticket};
pub(crate) use conn::{Conn, ConnId};

use crate::directory::{Directory, Target};
use crate::hub::{Feeds, Start};
use crate::limits::PAGES_PER_PERSON;
use crate::metrics::Metrics;
use crate::run::Seams;
use crate::shares::Shares;
use batch::Item;

/// How often the list of links is compared with the placement, besides when that changes.
const REVIEW_INTERVAL: Duration = Duration::from_secs(5);

/// Who hears what comes over links. Calls must not block.
pub(crate) trait LinkEvents: Send + Sync + 'static {
    /// A link stands.
    fn up(&self, conn: ConnId);
    /// A link broke.
    fn down(&self, conn: ConnId);
    /// The directory changed; `first` on the first message of a link.
    fn directory(&self, conn: ConnId, message: DirectoryMessage, first: bool);
    /// Something happened in a room.
    fn feed(&self, conn: ConnId, feed: RoomFeed);
    /// Typing or presence.
    fn signal(&self, signal: Signal);
}

/// All links.
pub(crate) struct Upstream {
    directory: Arc<Directory>,
    seams: Seams,
    tls: Option<Arc<Tls>>,
    hello: LinkHello,
    metrics: Arc<Metrics>,
    conns: RwLock<HashMap<NodeId, Arc<Conn>>>,
    generation: AtomicU64,
    review: Notify,
    /// Wakes calls that wait for a leader: some shard has another one.
    led: Notify,
    /// Pages that people have under way at shards.
    pages: Shares<(PersonId, ShardId)>,
}

impl Upstream {
    /// No link yet; see [`Upstream::keep`].
    pub(crate) fn new(
        directory: Arc<Directory>,
        seams: Seams,
        tls: Option<Arc<Tls>>,
        hello: LinkHello,
        metrics: Arc<Metrics>,
    ) -> Self {
        let (conns, generation) = (RwLock::default(), AtomicU64::new(1));
        let (review, led, pages) = (Notify::new(), Notify::new(), Shares::new(PAGES_PER_PERSON));
        Self { directory, seams, tls, hello, metrics, conns, generation, review, led, pages }
    }

    /// Keeps links to the seeds and to all nodes of the placement, until dropped.
    pub(crate) async fn keep(self: Arc<Self>, seeds: Vec<String>, events: Arc<dyn LinkEvents>) {
        let links = Links::default();
        loop {
            let wanted: HashSet<String> = seeds.iter().cloned().chain(self.directory.addresses()).collect();
            links.review(&wanted, |address| {
                tokio::spawn(link::keep(self.clone(), address, events.clone())).abort_handle()
            });
            let _ = tokio::time::timeout(REVIEW_INTERVAL, self.review.notified()).await;
        }
    }

    /// The placement changed.
    pub(crate) fn placement_changed(&self) {
        self.review.notify_one();
    }

    /// The shard has another leader: calls that wait for the former one are made again.
    pub(crate) fn leader_changed(&self, shard: ShardId, leader: NodeId) {
        for conn in self.conns().into_iter().filter(|conn| conn.id.node != leader) {
            conn.deposed(shard);
        }
        self.led.notify_waiters();
    }

    /// How many links stand, and how many calls wait for answers.
    pub(crate) fn load(&self) -> (usize, usize) {
        let conns = self.conns();
        (conns.len(), conns.iter().map(|conn| conn.in_flight()).sum())
    }

    /// Passes a signal to the leader of its room's shard, or of the person's home shard. Lost if that cannot be reached.
    pub(crate) fn signal(&self, target: Target, signal: Signal) {
        let leader = self.directory.route(target).and_then(|route| route.leader);
        if let Some(conn) = leader.and_then(|node| self.conn(node)) {
            let _ = conn.send(Item::Signal(signal));
        }
    }

    /// Passes a signal to every node.
    pub(crate) fn signal_all(&self, signal: &Signal) {
        for conn in self.conns() {
            let _ = conn.send(Item::Signal(signal.clone()));
        }
    }

    /// A duration between half of `around` and one and a half times it.
    fn jittered(&self, around: Duration) -> Duration {
        let micros = u64::try_from(around.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(micros / 2 + self.seams.entropy.below(micros))
    }

    fn conn(&self, node: NodeId) -> Option<Arc<Conn>> {
        self.conns.read().unwrap_or_else(PoisonError::into_inner).get(&node).cloned()
    }

    fn conns(&self) -> Vec<Arc<Conn>> {
        self.conns.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    fn register(&self, conn: &Arc<Conn>) -> bool {
        let mut conns = self.conns.write().unwrap_or_else(PoisonError::into_inner);
        if conns.contains_key(&conn.id.node) {
            return false;
        }
        conns.insert(conn.id.node, conn.clone());
        true
    }

    fn unregister(&self, id: ConnId) {
        self.conns.write().unwrap_or_else(PoisonError::into_inner).remove(&id.node);
    }
}

impl Feeds for Upstream {
    fn subscribe(&self, room: RoomId, start: Start) -> Option<ConnId> {
        let route = self.directory.route(Target::Room(room))?;
        let conn = self.conn(route.leader?)?;
        let (after_seq, from_now) = match start {
            Start::Now => (0, true),
            Start::After(seq) => (seq, false),
        };
        let item = Subscribe { room: bytes(room), shard: bytes(route.shard), after_seq, from_now };
        conn.send(Item::Subscribe(item)).ok()?;
        Some(conn.id)
    }

    fn unsubscribe(&self, id: ConnId, room: RoomId) {
        // A queue that is full or a link that is gone: the node's next entry for it is answered the same way.
        if let Some(conn) = self.conn(id.node).filter(|conn| conn.id == id) {
            let _ = conn.send(Item::Unsubscribe(bytes(room)));
        }
    }

    fn leader(&self, room: RoomId) -> Option<NodeId> {
        self.directory.route(Target::Room(room))?.leader
    }
}

/// The tasks that keep links, by address; aborted when dropped.
#[derive(Default)]
struct Links(Mutex<HashMap<String, AbortHandle>>);

impl Links {
    fn review(&self, wanted: &HashSet<String>, start: impl Fn(String) -> AbortHandle) {
        let mut links = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        links.retain(|address, task| {
            let keep = wanted.contains(address);
            if !keep {
                task.abort();
            }
            keep
        });
        for address in wanted {
            links.entry(address.clone()).or_insert_with(|| start(address.clone()));
        }
    }
}

impl Drop for Links {
    fn drop(&mut self) {
        for task in self.0.get_mut().unwrap_or_else(PoisonError::into_inner).values() {
            task.abort();
        }
    }
}
