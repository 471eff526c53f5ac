//! From a shard's applied entries to the links that subscribe to its rooms.
//!
//! Live entries go from apply straight into each link's outbox. A subscription whose link can't keep up, or that starts
//! below the head, *lags*: the link's pump feeds it from storage until it is caught up, and then it is live again. Both
//! ways go by seq: what has been sent is skipped, what would leave a hole makes the subscription lag. So there is no window,
//! no hole and no double, whoever comes first.
//!
//! Only a serving leader feeds; when it ceases to be one, its subscriptions end.

mod pump;
mod shard;
mod sink;
mod source;

pub(crate) use pump::pump;
pub(crate) use source::{Page, RoomSource, StoredRooms};

use std::{
    collections::HashMap,
    sync::{Arc, RwLock, atomic::AtomicI64, atomic::Ordering},
};

use hansard_domain::{RoomId, ShardId};
use tokio::sync::Notify;

use crate::{links::Outbox, lock::Mutex};
use shard::ShardFeed;

/// Rooms that one router may subscribe to: beyond any router's need, and a bound for what one link costs.
pub(crate) const MAX_SUBSCRIPTIONS: usize = 262_144;

/// One link's side of its subscriptions.
pub(crate) struct LinkFeed {
    /// Unique in this process.
    pub(crate) id: u64,
    /// Where entries go.
    pub(crate) outbox: Arc<Outbox>,
    rooms: Mutex<HashMap<RoomId, ShardId>>,
    lagging: Mutex<std::collections::VecDeque<Lag>>,
    wake: Notify,
}

/// A subscription that the pump must feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lag {
    shard: ShardId,
    room: RoomId,
    subscription: u64,
}

impl LinkFeed {
    /// A link without subscriptions.
    pub(crate) fn new(id: u64, outbox: Arc<Outbox>) -> Arc<Self> {
        Arc::new(Self { id, outbox, rooms: Mutex::default(), lagging: Mutex::default(), wake: Notify::new() })
    }

    /// Whether the router wants this room's entries (and its typing).
    pub(crate) fn follows(&self, room: &RoomId) -> bool {
        self.rooms.lock().contains_key(room)
    }

    /// Bounded: a subscription is in the queue once at most.
    fn lag(&self, lag: Lag) {
        self.lagging.lock().push_back(lag);
        self.wake.notify_one();
    }

    fn next_lag(&self) -> Option<Lag> {
        self.lagging.lock().pop_front()
    }
}

/// All shards' feeds.
#[derive(Default)]
pub(crate) struct Fanout {
    shards: RwLock<HashMap<ShardId, Arc<ShardFeed>>>,
    gauges: Arc<Gauges>,
}

/// What the metrics show of the fan-out.
#[derive(Default)]
pub(crate) struct Gauges {
    /// Rooms that links are subscribed to, counted once per link.
    pub(crate) subscriptions: AtomicI64,
    /// Of these, the ones that are fed from storage.
    pub(crate) lagging: AtomicI64,
}

impl Fanout {
    /// See [`Gauges`].
    pub(crate) fn gauges(&self) -> &Gauges {
        &self.gauges
    }

    /// Subscribes a link to a room above `after` (`None`: from now on). What stood for this link and room is replaced.
    pub(crate) fn subscribe(&self, link: &Arc<LinkFeed>, shard: ShardId, room: RoomId, after: Option<u64>) {
        self.unsubscribe(link, &room);
        {
            let mut rooms = link.rooms.lock();
            if rooms.len() >= MAX_SUBSCRIPTIONS {
                link.outbox.ended(room, shard::too_many());
                return;
            }
            rooms.insert(room, shard);
        }
        if !self.feed(shard).subscribe(link, room, after) {
            link.rooms.lock().remove(&room);
        }
    }

    /// Feeds the room to this link no more.
    pub(crate) fn unsubscribe(&self, link: &Arc<LinkFeed>, room: &RoomId) {
        let shard = link.rooms.lock().remove(room);
        if let Some(shard) = shard {
            self.feed(shard).unsubscribe(link.id, room);
        }
    }

    /// Ends all of a link's subscriptions, without a word: the link is gone.
    pub(crate) fn drop_link(&self, link: &Arc<LinkFeed>) {
        let rooms = std::mem::take(&mut *link.rooms.lock());
        for (room, shard) in rooms {
            self.feed(shard).unsubscribe(link.id, &room);
        }
        link.outbox.close();
        link.wake.notify_one();
    }

    /// Whether this node serves the shard; if not, its subscriptions end and point to the leader.
    pub(crate) fn set_serving(&self, shard: ShardId, serving: bool, leader: Option<u64>) {
        self.feed(shard).set_serving(serving, leader);
    }

    fn feed(&self, shard: ShardId) -> Arc<ShardFeed> {
        if let Some(feed) = self.shards.read().expect("no panic under the lock").get(&shard) {
            return feed.clone();
        }
        let mut shards = self.shards.write().expect("no panic under the lock");
        shards.entry(shard).or_insert_with(|| Arc::new(ShardFeed::new(shard, self.gauges.clone()))).clone()
    }

    /// The shard stopped: what it fed ends, and it is forgotten.
    pub(crate) fn forget(&self, shard: ShardId) {
        let feed = self.shards.write().expect("no panic under the lock").remove(&shard);
        if let Some(feed) = feed {
            feed.set_serving(false, None);
        }
    }
}

impl Gauges {
    fn add(of: &AtomicI64, by: i64) {
        of.fetch_add(by, Ordering::Relaxed);
    }
}
