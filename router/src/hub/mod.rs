//! Followed rooms. Each room that any session of this router follows has one hub, fed by the node that leads the room's
//! shard. Sessions are told of news and read it when they can: nobody ever waits for a session.

mod budget;
mod ring;
mod room;
mod shared;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hansard_domain::{PersonId, RoomId};
use hansard_proto::cluster::v1::RoomFeed;
use tokio::sync::Notify;
use tokio::time::Instant;

pub(crate) use ring::Read;
#[cfg(test)]
pub(crate) use ring::Ring;
pub(crate) use room::Start;
pub(crate) use shared::SharedEvent;

use crate::connection::{Inbox, Soft};
use crate::convert;
use crate::limits::PRESENCE_ROOMS;
use crate::upstream::ConnId;
use budget::Budget;
use room::{Feed, Room};

/// How often hubs without a feed try again.
const KEEP_INTERVAL: Duration = Duration::from_millis(100);

/// Where hubs get their entries.
pub(crate) trait Feeds: Send + Sync {
    /// Asks the node that leads the room's shard; the connection it was asked on, or `None` if there is none now.
    fn subscribe(&self, room: RoomId, start: Start) -> Option<ConnId>;
    /// Ends a feed.
    fn unsubscribe(&self, conn: ConnId, room: RoomId);
    /// The node that leads the room's shard, as far as is known.
    fn leader(&self, room: RoomId) -> Option<u64>;
}

/// What a feed brought beside its entries.
#[derive(Debug, Default)]
pub(crate) struct Fed {
    /// Entries were missing; they are asked for again.
    pub(crate) hole: bool,
    /// People who acted and were not seen in the room before.
    pub(crate) authors: Vec<PersonId>,
}

/// All hubs of this router.
#[derive(Debug)]
pub(crate) struct Hubs {
    rooms: Mutex<HashMap<RoomId, Arc<Mutex<Room>>>>,
    /// Rooms whose feed does not stand.
    wanted: Mutex<HashSet<RoomId>>,
    /// Where people were seen: who follows such a room hears of their presence. At most [`PRESENCE_ROOMS`] rooms each.
    seen: Mutex<HashMap<PersonId, Vec<RoomId>>>,
    /// What all rings may keep. Locks are taken in the order rooms, a room, this.
    budget: Budget,
    wake: Notify,
}

impl Hubs {
    /// No room is followed. All rings together keep at most `ring_bytes`.
    pub(crate) fn new(ring_bytes: usize) -> Self {
        let (rooms, wanted, seen) = (Mutex::default(), Mutex::default(), Mutex::default());
        Self { rooms, wanted, seen, budget: Budget::new(ring_bytes), wake: Notify::new() }
    }

    /// Adds a follower; the first one brings the hub up.
    pub(crate) fn attach(&self, id: RoomId, inbox: Arc<Inbox>) {
        let mut rooms = lock(&self.rooms);
        let hub = rooms.entry(id).or_insert_with(|| {
            self.want(id);
            let mut room = Room::new(id);
            room.ring = self.budget.ring();
            Arc::new(Mutex::new(room))
        });
        lock(hub).attach(inbox);
    }

    /// Removes a follower; with the last one the hub goes.
    pub(crate) fn detach(&self, id: RoomId, session: u64, feeds: &dyn Feeds) {
        let mut rooms = lock(&self.rooms);
        let Some(hub) = rooms.get(&id) else { return };
        let conn = {
            let mut room = lock(hub);
            if !room.detach(session) {
                return;
            }
            room.comes_from()
        };
        if let Some(hub) = rooms.remove(&id) {
            self.forget(id, &lock(&hub));
        }
        lock(&self.wanted).remove(&id);
        if let Some(conn) = conn {
            feeds.unsubscribe(conn, id);
        }
    }

    /// Reads at most `max` entries after a follower's cursor.
    pub(crate) fn read(&self, id: RoomId, session: u64, cursor: u64, max: usize) -> Read {
        self.hub(id).map_or(Read::NotReady, |hub| lock(&hub).read(session, cursor, max))
    }

    /// What all rings keep, bytes.
    pub(crate) fn kept(&self) -> usize {
        self.budget.bytes()
    }

    /// How many rooms are followed.
    pub(crate) fn len(&self) -> usize {
        lock(&self.rooms).len()
    }

    /// Something came over a connection for a room.
    pub(crate) fn on_feed(&self, conn: ConnId, id: RoomId, feed: RoomFeed, feeds: &dyn Feeds) -> Fed {
        let hub = {
            let rooms = lock(&self.rooms);
            match rooms.get(&id) {
                Some(hub) => hub.clone(),
                None => {
                    // Under the lock, so that it cannot overtake the subscription of a new follower.
                    if feed.ended.is_none() {
                        feeds.unsubscribe(conn, id);
                    }
                    return Fed::default();
                }
            }
        };
        let mut room = lock(&hub);
        if let Some(at) = &feed.subscribed
            && room.stand(conn, at.after_seq)
        {
            lock(&self.wanted).remove(&id);
        }
        let entries = feed.entries.iter().map(|entry| convert::shared(id, entry));
        let mut authors = Vec::new();
        let whole = room.feed(conn, entries, &mut authors);
        let ended = feed.ended.is_some() && room.ended(conn, Instant::now());
        if !feed.entries.is_empty() {
            self.budget.pushed(id, &mut room.ring);
        }
        drop(room);
        self.shed();
        if !whole || ended {
            self.want(id);
        }
        Fed { hole: !whole, authors }
    }

    /// A connection is gone, and the feeds with it.
    pub(crate) fn on_disconnect(&self, conn: ConnId) {
        for (id, hub) in self.all() {
            if lock(&hub).ended(conn, Instant::now()) {
                self.want(id);
            }
        }
    }

    /// Leaders changed: feeds of nodes that do not lead any more are moved.
    pub(crate) fn on_leaders(&self, feeds: &dyn Feeds) {
        for (id, hub) in self.all() {
            let mut room = lock(&hub);
            let Some(conn) = room.comes_from() else { continue };
            if feeds.leader(id).is_some_and(|leader| leader != conn.node) {
                room.feed = Feed::Wanted;
                feeds.unsubscribe(conn, id);
                drop(room);
                self.want(id);
            }
        }
    }

    /// Somebody types. Returns whether that was passed on.
    pub(crate) fn typing(&self, id: RoomId, person: PersonId, now: Instant) -> bool {
        self.hub(id).is_some_and(|hub| lock(&hub).typing(person, now))
    }

    /// Remembers who acts in a followed room. Returns those who are new there.
    pub(crate) fn see(&self, id: RoomId, mut people: Vec<PersonId>) -> Vec<PersonId> {
        if people.is_empty() {
            return people;
        }
        // Held throughout, so that the hub does not go meanwhile and leave its people behind.
        let rooms = lock(&self.rooms);
        let Some(hub) = rooms.get(&id) else { return Vec::new() };
        let mut room = lock(hub);
        people.retain(|person| room.see(*person));
        self.saw(id, &people);
        people
    }

    /// Tells soft state to everybody who follows a room.
    pub(crate) fn tell(&self, id: RoomId, soft: &Soft) {
        if let Some(hub) = self.hub(id) {
            lock(&hub).audience().for_each(|inbox| inbox.soft(soft.clone()));
        }
    }

    /// Tells soft state of a person to everybody who follows a room where the person was seen, once each.
    pub(crate) fn tell_of(&self, person: PersonId, soft: &Soft) {
        let rooms = lock(&self.seen).get(&person).cloned().unwrap_or_default();
        let mut told = HashSet::new();
        for hub in rooms.into_iter().filter_map(|id| self.hub(id)) {
            for inbox in lock(&hub).audience() {
                if told.insert(inbox.session) {
                    inbox.soft(soft.clone());
                }
            }
        }
    }

    /// The people who were seen in a room.
    pub(crate) fn people(&self, id: RoomId) -> Vec<PersonId> {
        self.hub(id).map(|hub| lock(&hub).people().collect()).unwrap_or_default()
    }

    /// Subscribes for hubs that have no feed, for ever.
    pub(crate) async fn keep(&self, feeds: &dyn Feeds) {
        loop {
            if lock(&self.wanted).is_empty() {
                self.wake.notified().await;
            }
            self.keep_once(feeds, Instant::now());
            // Woken early for new rooms only: a failing one must not spin.
            let _ = tokio::time::timeout(KEEP_INTERVAL, self.wake.notified()).await;
        }
    }

    /// Subscribes for each hub that has no feed.
    pub(crate) fn keep_once(&self, feeds: &dyn Feeds, now: Instant) {
        let wanted: Vec<RoomId> = lock(&self.wanted).iter().copied().collect();
        for id in wanted {
            let hub = {
                let rooms = lock(&self.rooms);
                let Some(hub) = rooms.get(&id) else {
                    // Under the lock, so that a hub that comes up again meanwhile stays wanted.
                    lock(&self.wanted).remove(&id);
                    continue;
                };
                hub.clone()
            };
            let mut room = lock(&hub);
            let Some(start) = room.wants(now) else {
                if matches!(room.feed, Feed::Standing(_)) {
                    lock(&self.wanted).remove(&id);
                }
                continue;
            };
            if let Some(conn) = feeds.subscribe(id, start) {
                room.feed = Feed::Asked(conn, now);
            }
        }
    }

    fn saw(&self, id: RoomId, people: &[PersonId]) {
        if people.is_empty() {
            return;
        }
        let mut seen = lock(&self.seen);
        for person in people {
            let rooms = seen.entry(*person).or_default();
            if rooms.len() < PRESENCE_ROOMS && !rooms.contains(&id) {
                rooms.push(id);
            }
        }
    }

    /// Has the rooms that were quiet longest drop what all keep beyond the budget. Only what was pushed since the last time is
    /// too much, so there is little to do.
    fn shed(&self) {
        let mut excess = self.budget.excess();
        while excess > 0 {
            let Some((place, id)) = self.budget.quietest() else { return };
            let hub = self.hub(id);
            let mut room = hub.as_deref().map(lock);
            // Unless it had news meanwhile, or went and came back.
            let ring = room.as_mut().map(|room| &mut room.ring).filter(|ring| ring.place == Some(place));
            excess -= ring.map_or(0, |ring| ring.shed(excess)).min(excess);
            if excess > 0 {
                self.budget.forget(place);
            }
        }
    }

    fn forget(&self, id: RoomId, room: &Room) {
        room.ring.place.into_iter().for_each(|place| self.budget.forget(place));
        let mut seen = lock(&self.seen);
        for person in room.people() {
            let Some(rooms) = seen.get_mut(&person) else { continue };
            rooms.retain(|known| *known != id);
            if rooms.is_empty() {
                seen.remove(&person);
            }
        }
    }

    fn want(&self, id: RoomId) {
        lock(&self.wanted).insert(id);
        self.wake.notify_one();
    }

    fn hub(&self, id: RoomId) -> Option<Arc<Mutex<Room>>> {
        lock(&self.rooms).get(&id).cloned()
    }

    fn all(&self) -> Vec<(RoomId, Arc<Mutex<Room>>)> {
        lock(&self.rooms).iter().map(|(id, hub)| (*id, hub.clone())).collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
