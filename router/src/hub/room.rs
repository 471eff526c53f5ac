//! One followed room: its ring, its followers, and the state of its feed. Sans-IO.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use hansard_domain::bug::{self, Bug};
use hansard_domain::{PersonId, RoomId};
use tokio::time::Instant;

use super::SharedEvent;
use super::ring::{Pushed, Read, Ring};
use crate::connection::{Inbox, Soft};
use crate::limits::{PRESENCE_FOLLOWERS, SUBSCRIBE_TIMEOUT, TYPING_INTERVAL};
use crate::upstream::ConnId;

/// People that a room remembers, for typing and presence.
const REMEMBERED: usize = 1_024;

/// Pause after a feed ended before it is asked for again: its leader is usually moving.
const ASK_PAUSE: Duration = Duration::from_millis(50);

/// Where the entries come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Feed {
    /// From nowhere: subscribe.
    Wanted,
    /// Asked for, not yet confirmed.
    Asked(ConnId, Instant),
    /// It stands.
    Standing(ConnId),
}

/// From where on a subscription is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// From the room's head.
    Now,
    /// After this seq.
    After(u64),
}

#[derive(Debug)]
struct Follower {
    inbox: Arc<Inbox>,
    /// It has been told of news that it has not read yet.
    told: bool,
}

#[derive(Debug)]
pub(super) struct Room {
    id: RoomId,
    pub(super) ring: Ring,
    pub(super) feed: Feed,
    /// A feed that ended is not asked for again before this.
    not_before: Option<Instant>,
    followers: HashMap<u64, Follower>,
    typed: HashMap<PersonId, Instant>,
    /// People who were seen here: followers, authors and typists.
    people: HashSet<PersonId>,
}

impl Room {
    pub(super) fn new(id: RoomId) -> Self {
        Self {
            id,
            ring: Ring::default(),
            feed: Feed::Wanted,
            not_before: None,
            followers: HashMap::new(),
            typed: HashMap::new(),
            people: HashSet::new(),
        }
    }

    /// Adds a follower, which is told to look at once: what came after the page that it has read, but before now, was told
    /// to others only.
    pub(super) fn attach(&mut self, inbox: Arc<Inbox>) {
        self.followers.insert(inbox.session, Follower { inbox: inbox.clone(), told: true });
        inbox.news(self.id);
    }

    /// Returns whether nobody follows any more.
    pub(super) fn detach(&mut self, session: u64) -> bool {
        self.followers.remove(&session);
        self.followers.is_empty()
    }

    /// Reads for a follower, which will be told of later news again.
    pub(super) fn read(&mut self, session: u64, cursor: u64, max: usize) -> Read {
        if let Some(follower) = self.followers.get_mut(&session) {
            follower.told = false;
        }
        self.ring.read(cursor, max)
    }

    /// Where to subscribe from, if it is time to.
    pub(super) fn wants(&self, now: Instant) -> Option<Start> {
        match self.feed {
            Feed::Standing(_) => None,
            Feed::Wanted if self.not_before.is_some_and(|at| now < at) => None,
            Feed::Asked(_, at) if now.saturating_duration_since(at) < SUBSCRIBE_TIMEOUT => None,
            Feed::Asked(..) | Feed::Wanted if bug::is(Bug::ResubscribeSkips) => Some(Start::Now),
            Feed::Asked(..) | Feed::Wanted => Some(self.ring.head().map_or(Start::Now, Start::After)),
        }
    }

    /// A subscription was confirmed. Returns whether it is the one in use.
    pub(super) fn stand(&mut self, conn: ConnId, after: u64) -> bool {
        let ours = self.comes_from() == Some(conn);
        if ours {
            self.feed = Feed::Standing(conn);
            self.ring.stand(after);
            self.tell();
        }
        ours
    }

    /// Entries came; authors that were not seen before are added to `authors`. Returns false if there is a hole.
    pub(super) fn feed(
        &mut self,
        conn: ConnId,
        entries: impl Iterator<Item = SharedEvent>,
        authors: &mut Vec<PersonId>,
    ) -> bool {
        if self.feed != Feed::Standing(conn) {
            return true;
        }
        let (mut added, mut whole) = (false, true);
        for entry in entries {
            authors.extend(entry.actor.filter(|actor| self.is_new(actor) && authors.last() != Some(actor)));
            match self.ring.push(entry) {
                Pushed::Added => added = true,
                Pushed::Known => {}
                Pushed::Hole => {
                    whole = false;
                    break;
                }
            }
        }
        if added {
            self.tell();
        }
        if !whole {
            self.feed = Feed::Wanted;
        }
        whole
    }

    /// The feed over this connection ended. Returns whether it was the one in use.
    pub(super) fn ended(&mut self, conn: ConnId, now: Instant) -> bool {
        let ours = self.comes_from() == Some(conn);
        if ours {
            self.feed = Feed::Wanted;
            self.not_before = Some(now + ASK_PAUSE);
        }
        ours
    }

    /// The connection that the feed comes or will come over.
    pub(super) fn comes_from(&self) -> Option<ConnId> {
        match self.feed {
            Feed::Wanted => None,
            Feed::Asked(conn, _) | Feed::Standing(conn) => Some(conn),
        }
    }

    /// Passes typing on, but to the one who types, and not too often. Returns whether it did.
    pub(super) fn typing(&mut self, person: PersonId, now: Instant) -> bool {
        if self.typed.get(&person).is_some_and(|last| now.saturating_duration_since(*last) < TYPING_INTERVAL) {
            return false;
        }
        if self.typed.len() >= REMEMBERED {
            // Forgotten as a whole: the next sign of each is passed on again.
            self.typed.clear();
        }
        self.typed.insert(person, now);
        let soft = Soft::Typing { room: self.id, person };
        self.followers.values().for_each(|follower| follower.inbox.soft(soft.clone()));
        true
    }

    /// Remembers that a person was seen here. Returns whether that is new.
    pub(super) fn see(&mut self, person: PersonId) -> bool {
        self.is_new(&person) && self.people.insert(person)
    }

    fn is_new(&self, person: &PersonId) -> bool {
        self.people.len() < REMEMBERED && !self.people.contains(person)
    }

    /// The people who were seen here.
    pub(super) fn people(&self) -> impl Iterator<Item = PersonId> + '_ {
        self.people.iter().copied()
    }

    /// Who hears of the presence of people who were seen here: all followers, where they are not too many.
    pub(super) fn audience(&self) -> impl Iterator<Item = &Arc<Inbox>> + '_ {
        let small = self.followers.len() <= PRESENCE_FOLLOWERS;
        self.followers.values().map(|follower| &follower.inbox).filter(move |_| small)
    }

    fn tell(&mut self) {
        for follower in self.followers.values_mut().filter(|follower| !follower.told) {
            follower.told = true;
            follower.inbox.news(self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use hansard_proto::v1::Event;

    use super::*;

    const CONN: ConnId = ConnId { node: 1, generation: 1 };

    fn entries(range: std::ops::RangeInclusive<u64>) -> impl Iterator<Item = SharedEvent> {
        range.map(|seq| SharedEvent::new(Event { seq, ..Event::default() }, None, None))
    }

    fn standing() -> (Room, Arc<Inbox>) {
        let mut room = Room::new(RoomId::from_bytes([7; 16]));
        let inbox = Arc::new(Inbox::new(1));
        room.attach(inbox.clone());
        room.feed = Feed::Asked(CONN, Instant::now());
        assert!(room.stand(CONN, 0));
        (room, inbox)
    }

    #[test]
    fn a_follower_is_told_once_until_it_reads() {
        let (mut room, inbox) = standing();
        assert_eq!(inbox.take().news.len(), 1);
        assert!(room.feed(CONN, entries(1..=2), &mut Vec::new()));
        assert!(inbox.take().news.is_empty(), "it was told when the feed stood and has not read yet");
        room.read(1, 0, 9);
        assert!(room.feed(CONN, entries(3..=3), &mut Vec::new()));
        assert_eq!(inbox.take().news.len(), 1);
    }

    #[test]
    fn what_came_between_the_page_and_the_attach_is_told() {
        let (mut room, _other) = standing();
        assert!(room.feed(CONN, entries(1..=1), &mut Vec::new()));
        // The session has read a page up to 1, and looks at the ring before it is attached.
        let late = Arc::new(Inbox::new(2));
        assert!(matches!(room.read(2, 1, 9), Read::Entries { entries, more: false } if entries.is_empty()));
        assert!(room.feed(CONN, entries(2..=2), &mut Vec::new()));
        room.attach(late.clone());
        assert_eq!(late.take().news, [room.id], "nobody else tells it of 2");
        assert!(matches!(room.read(2, 1, 9), Read::Entries { entries, .. } if entries.len() == 1));
        assert!(room.feed(CONN, entries(3..=3), &mut Vec::new()));
        assert_eq!(late.take().news.len(), 1);
    }

    #[test]
    fn a_hole_asks_again_after_the_last_good_entry() {
        let (mut room, _inbox) = standing();
        assert!(room.feed(CONN, entries(1..=2), &mut Vec::new()));
        assert!(!room.feed(CONN, entries(4..=4), &mut Vec::new()));
        assert_eq!(room.wants(Instant::now()), Some(Start::After(2)));
    }

    #[test]
    fn feeds_of_former_connections_are_ignored() {
        let (mut room, _inbox) = standing();
        let former = ConnId { node: 2, generation: 9 };
        assert!(room.feed(former, entries(5..=5), &mut Vec::new()));
        assert!(!room.stand(former, 99));
        assert!(!room.ended(former, Instant::now()));
        assert_eq!(room.comes_from(), Some(CONN));
    }

    #[test]
    fn an_unanswered_subscription_is_made_again() {
        let mut room = Room::new(RoomId::from_bytes([7; 16]));
        let now = Instant::now();
        room.feed = Feed::Asked(CONN, now);
        assert_eq!(room.wants(now), None);
        assert_eq!(room.wants(now + SUBSCRIBE_TIMEOUT), Some(Start::Now));
    }

    #[test]
    fn typing_is_passed_on_once() {
        let (mut room, inbox) = standing();
        let (person, now) = (PersonId::from_bytes([1; 16]), Instant::now());
        assert!(room.typing(person, now) && !room.typing(person, now + Duration::from_millis(10)));
        assert_eq!(inbox.take().soft.len(), 1);
        assert!(room.typing(person, now + TYPING_INTERVAL));
        assert_eq!(inbox.take().soft.len(), 1);
        assert!(room.see(person) && !room.see(person));
    }
}
