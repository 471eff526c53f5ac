//! One shard's subscriptions.

use std::{collections::HashMap, sync::Arc};

use hansard_domain::{RoomId, ShardId};
use hansard_proto::{cluster::v1::Entry, reason, rpc::Status, status};
use tonic::Code;

use super::{Gauges, Lag, LinkFeed, Page};
use crate::lock::Mutex;

/// See the module.
pub(crate) struct ShardFeed {
    id: ShardId,
    state: Mutex<State>,
    gauges: Arc<Gauges>,
}

#[derive(Default)]
struct State {
    serving: bool,
    leader: Option<u64>,
    last: u64,
    rooms: HashMap<RoomId, Room>,
}

#[derive(Default)]
struct Room {
    /// The newest seq that apply handed out since somebody subscribed. What is older can be read from storage.
    head: u64,
    subscriptions: Vec<Subscription>,
}

struct Subscription {
    id: u64,
    link: Arc<LinkFeed>,
    /// The last seq sent; `None` until the pump has found the head, for one that starts now.
    cursor: Option<u64>,
    started: bool,
    live: bool,
}

/// What the pump must do next for a subscription.
pub(crate) struct Turn {
    /// Read above this seq; `None`: only find the head.
    pub(crate) after: Option<u64>,
}

/// How a page went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Live, ended or gone.
    Settled,
    /// There is more to read.
    More,
    /// The link's queue is full.
    Full,
}

impl ShardFeed {
    pub(crate) fn new(id: ShardId, gauges: Arc<Gauges>) -> Self {
        Self { id, state: Mutex::default(), gauges }
    }

    /// Whether the subscription was taken; if not, the link was told.
    pub(crate) fn subscribe(&self, link: &Arc<LinkFeed>, room: RoomId, after: Option<u64>) -> bool {
        let mut state = self.state.lock();
        if !state.serving {
            link.outbox.ended(room, not_leader(state.leader));
            return false;
        }
        state.last += 1;
        let id = state.last;
        state.rooms.entry(room).or_default().subscriptions.push(Subscription {
            id,
            link: link.clone(),
            cursor: after,
            started: false,
            live: false,
        });
        drop(state);
        Gauges::add(&self.gauges.subscriptions, 1);
        Gauges::add(&self.gauges.lagging, 1);
        link.lag(self.lag(room, id));
        true
    }

    pub(crate) fn unsubscribe(&self, link: u64, room: &RoomId) {
        let mut state = self.state.lock();
        let Some(entry) = state.rooms.get_mut(room) else { return };
        let at = entry.subscriptions.iter().position(|subscription| subscription.link.id == link);
        if let Some(at) = at {
            let gone = entry.subscriptions.swap_remove(at);
            self.count_out(&gone);
        }
        if entry.subscriptions.is_empty() {
            state.rooms.remove(room);
        }
    }

    pub(crate) fn set_serving(&self, serving: bool, leader: Option<u64>) {
        let mut state = self.state.lock();
        state.serving = serving;
        state.leader = leader;
        if serving {
            return;
        }
        for (room, entry) in std::mem::take(&mut state.rooms) {
            for subscription in entry.subscriptions {
                self.end(&room, &subscription, not_leader(leader));
            }
        }
    }

    /// A room's next entries, ascending and without holes, as they were applied; their rows can be read already.
    pub(crate) fn applied(&self, room: RoomId, entries: &[Entry]) {
        let mut state = self.state.lock();
        let Some(fed) = state.rooms.get_mut(&room) else { return };
        let Some(newest) = entries.last() else { return };
        fed.head = newest.seq;
        for subscription in fed.subscriptions.iter_mut().filter(|subscription| subscription.live) {
            let sent = subscription.cursor.unwrap_or(0);
            let fresh = &entries[entries.partition_point(|entry| entry.seq <= sent)..];
            let Some(first) = fresh.first() else { continue };
            if first.seq == sent + 1 && subscription.link.outbox.entries(room, fresh.to_vec()).is_ok() {
                subscription.cursor = Some(newest.seq);
            } else {
                subscription.live = false;
                Gauges::add(&self.gauges.lagging, 1);
                subscription.link.lag(self.lag(room, subscription.id));
            }
        }
    }

    /// Whether there is any subscription at all: spares apply the encoding.
    pub(crate) fn is_idle(&self) -> bool {
        self.state.lock().rooms.is_empty()
    }

    /// Whether anybody subscribes to this room.
    pub(crate) fn feeds(&self, room: &RoomId) -> bool {
        self.state.lock().rooms.contains_key(room)
    }

    /// What the pump reads next, unless the subscription is gone.
    pub(crate) fn turn(&self, lag: &Lag) -> Option<Turn> {
        let mut state = self.state.lock();
        let subscription = state.find(lag)?.1;
        Some(Turn { after: subscription.cursor })
    }

    /// What the pump read for this turn; `None`: the room is not here.
    pub(crate) fn page(&self, lag: &Lag, turn: &Turn, page: Option<Page>) -> Progress {
        let mut state = self.state.lock();
        let Some((head, subscription)) = state.find(lag) else { return Progress::Settled };
        let Some(page) = page else {
            let gone = state.take(lag);
            if let Some(gone) = gone {
                self.end(&lag.room, &gone, room_unknown());
            }
            return Progress::Settled;
        };
        let after = turn.after.unwrap_or(page.head);
        if !subscription.started {
            subscription.started = true;
            subscription.link.outbox.subscribed(lag.room, after);
        }
        subscription.cursor = Some(after);
        if let Some(newest) = page.entries.last().map(|entry| entry.seq) {
            let dense = page.entries.iter().zip(after + 1..).all(|(entry, seq)| entry.seq == seq);
            assert!(dense, "a room's entries have no holes in storage");
            if subscription.link.outbox.entries(lag.room, page.entries).is_err() {
                return Progress::Full;
            }
            subscription.cursor = Some(newest);
        }
        let cursor = subscription.cursor.unwrap_or(0);
        if cursor < head.max(page.head) {
            return Progress::More;
        }
        subscription.live = true;
        Gauges::add(&self.gauges.lagging, -1);
        Progress::Settled
    }

    fn lag(&self, room: RoomId, subscription: u64) -> Lag {
        Lag { shard: self.id, room, subscription }
    }

    fn end(&self, room: &RoomId, subscription: &Subscription, why: Status) {
        self.count_out(subscription);
        let mut rooms = subscription.link.rooms.lock();
        if rooms.get(room) == Some(&self.id) {
            rooms.remove(room);
        }
        drop(rooms);
        subscription.link.outbox.ended(*room, why);
    }

    fn count_out(&self, subscription: &Subscription) {
        Gauges::add(&self.gauges.subscriptions, -1);
        if !subscription.live {
            Gauges::add(&self.gauges.lagging, -1);
        }
    }
}

impl State {
    fn find(&mut self, lag: &Lag) -> Option<(u64, &mut Subscription)> {
        let room = self.rooms.get_mut(&lag.room)?;
        let found = room.subscriptions.iter_mut().find(|subscription| subscription.id == lag.subscription);
        found.map(|subscription| (room.head, subscription))
    }

    fn take(&mut self, lag: &Lag) -> Option<Subscription> {
        let room = self.rooms.get_mut(&lag.room)?;
        let at = room.subscriptions.iter().position(|subscription| subscription.id == lag.subscription)?;
        let gone = room.subscriptions.swap_remove(at);
        if room.subscriptions.is_empty() {
            self.rooms.remove(&lag.room);
        }
        Some(gone)
    }
}

fn not_leader(leader: Option<u64>) -> Status {
    let leader = leader.map(|node| node.to_string()).unwrap_or_default();
    status::with_metadata(
        Code::Unavailable,
        reason::NOT_LEADER,
        "this node does not lead the shard; subscribe at its leader",
        [("leader", leader)],
    )
}

fn room_unknown() -> Status {
    status::new(Code::NotFound, "ROOM_UNKNOWN", "no such room in this shard")
}

pub(super) fn too_many() -> Status {
    status::new(Code::ResourceExhausted, reason::OVERLOADED, "this link has as many subscriptions as a node takes")
}
