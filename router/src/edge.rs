//! The router's parts, and how what comes from the nodes reaches them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hansard_domain::{PersonId, RoomId};
use hansard_proto::cluster::v1::{Directory as DirectoryMessage, RoomFeed, Signal};
use hansard_proto::convert::bytes;
use hansard_proto::v1::Availability;
use hansard_runtime::{Clock, Entropy};
use tokio::time::Instant;

use crate::auth::Auth;
use crate::connection::{Inbox, Order, Sessions, Soft};
use crate::directory::{Directory, Target};
use crate::hub::Hubs;
use crate::metrics::Metrics;
use crate::presence::{Change, Presence, Presences};
use crate::refusals::Refusals;
use crate::upstream::{ConnId, LinkEvents, Upstream};
use crate::{convert, reason, refuse};

/// People of a room of whose presence a new follower is told.
const PRESENCES_TOLD: usize = 64;

/// Everything that connections and calls share.
pub(crate) struct Edge {
    /// The URL that clients reach this router by.
    pub(crate) advertise: String,
    /// Where rooms are.
    pub(crate) directory: Arc<Directory>,
    /// The way to the nodes.
    pub(crate) upstream: Arc<Upstream>,
    /// Followed rooms.
    pub(crate) hubs: Hubs,
    /// Tokens.
    pub(crate) auth: Auth,
    /// Open sessions.
    pub(crate) sessions: Sessions,
    /// Refusals on their way to the record.
    pub(crate) refusals: Refusals,
    /// Metrics.
    pub(crate) metrics: Arc<Metrics>,
    /// The clock.
    pub(crate) clock: Arc<dyn Clock>,
    /// Randomness.
    pub(crate) entropy: Arc<dyn Entropy>,
    /// Presence that is known. Interest in it: see [`Hubs::tell_of`].
    pub(crate) presences: Mutex<Presences>,
}

impl Edge {
    /// A person of this router types in a followed room.
    pub(crate) fn typing(&self, room: RoomId, person: PersonId) {
        if self.heard_typing(room, person) {
            let signal = Signal { person: bytes(person), room: bytes(room), ..Signal::default() };
            self.upstream.signal(Target::Room(room), signal);
        }
    }

    /// A person of this router says whether an answer can be had.
    pub(crate) fn set_presence(&self, person: PersonId, availability: i32, answer_at_s: i64) {
        let change = self.presences().note(person, (availability, answer_at_s), true, Instant::now());
        self.pass(change);
    }

    /// Passes on what was held back for as long as is needed.
    pub(crate) fn pass_presences(&self) {
        let due = self.presences().due(Instant::now());
        self.pass(due);
    }

    /// A person of this router has read a room so far: told to the person's sessions everywhere, but for the one that knows.
    pub(crate) fn read(&self, session: u64, person: PersonId, room: RoomId, seq: u64) {
        self.sessions.tell(person, Some(session), &Soft::ReadMark { room, seq });
        let signal = Signal { person: bytes(person), room: bytes(room), read_seq: seq, ..Signal::default() };
        self.upstream.signal(Target::Room(room), signal);
    }

    /// A person's last session here has ended.
    pub(crate) fn gone(&self, person: PersonId) {
        let change = self.presences().gone(person, Instant::now());
        self.pass(change);
    }

    /// Adds a follower, and tells it who is present among those seen in the room.
    pub(crate) fn attach(&self, room: RoomId, person: PersonId, inbox: &Arc<Inbox>) {
        self.hubs.attach(room, inbox.clone());
        self.known(self.hubs.people(room)).into_iter().take(PRESENCES_TOLD).for_each(|soft| inbox.soft(soft));
        self.saw(room, vec![person]);
    }

    /// These people act in a followed room. Presence is told once, when it changes: whoever is seen for the first time
    /// later than that is told of now.
    pub(crate) fn saw(&self, room: RoomId, people: Vec<PersonId>) {
        let new = self.hubs.see(room, people);
        self.known(new).into_iter().for_each(|soft| self.hubs.tell(room, &soft));
    }

    /// Returns whether it was passed on.
    fn heard_typing(&self, room: RoomId, person: PersonId) -> bool {
        let passed = self.hubs.typing(room, person, Instant::now());
        self.saw(room, vec![person]);
        passed
    }

    /// What is known of these people's presence.
    fn known(&self, people: Vec<PersonId>) -> Vec<Soft> {
        let presences = self.presences();
        people.into_iter().filter_map(|person| Some(presence_of(person, presences.get(person)?))).collect()
    }

    /// Closes all sessions when the directory has been stale for too long.
    pub(crate) fn check_dead(&self) {
        if self.directory.is_dead() {
            let text = "this router has had no sure news of revocations for 30 s; go on at another router";
            let order = Order {
                status: refuse::unavailable(reason::DIRECTORY_STALE, text),
                after: Some(Duration::from_millis(500 + self.entropy.below(1_500))),
            };
            self.sessions.inboxes().iter().for_each(|inbox| inbox.order(order.clone()));
        }
    }

    fn pass(&self, changes: impl IntoIterator<Item = Change>) {
        for Change { person, presence, tell, announce } in changes {
            if tell {
                self.hubs.tell_of(person, &presence_of(person, presence));
            }
            if announce {
                self.announce(person, presence);
            }
        }
    }

    fn presences(&self) -> MutexGuard<'_, Presences> {
        self.presences.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the person's home node, which tells the other routers; of an end, every node.
    fn announce(&self, person: PersonId, (availability, answer_at_s): Presence) {
        let availability = u32::try_from(availability).unwrap_or(0);
        let signal = Signal { person: bytes(person), availability, answer_at_s, ..Signal::default() };
        if availability == Availability::Offline as u32 {
            self.upstream.signal_all(&signal);
        } else {
            self.upstream.signal(Target::Home(person), signal);
        }
    }
}

fn presence_of(person: PersonId, (availability, answer_at_s): Presence) -> Soft {
    Soft::Presence { person, availability, answer_at_s }
}

/// The edge as links see it.
pub(crate) struct FromNodes(pub(crate) Arc<Edge>);

impl LinkEvents for FromNodes {
    fn up(&self, _conn: ConnId) {}

    fn down(&self, conn: ConnId) {
        self.0.hubs.on_disconnect(conn);
    }

    fn directory(&self, _conn: ConnId, message: DirectoryMessage, first: bool) {
        let edge = &self.0;
        let changes = edge.directory.merge(message, first);
        for token in &changes.tokens {
            edge.sessions.revoke_token(token);
        }
        for (person, not_before_s) in &changes.people {
            edge.sessions.revoke_person(*person, *not_before_s);
        }
        for (shard, leader) in &changes.leaders {
            edge.upstream.leader_changed(*shard, *leader);
        }
        if changes.placement {
            edge.upstream.placement_changed();
        }
        if changes.placement || !changes.leaders.is_empty() {
            edge.hubs.on_leaders(edge.upstream.as_ref());
        }
    }

    fn feed(&self, conn: ConnId, feed: RoomFeed) {
        let Some(room) = convert::room(&feed.room) else { return };
        let fed = self.0.hubs.on_feed(conn, room, feed, self.0.upstream.as_ref());
        if fed.hole {
            self.0.metrics.feed_holes.inc();
        }
        self.0.saw(room, fed.authors);
    }

    fn signal(&self, signal: Signal) {
        let edge = &self.0;
        let Some(person) = convert::person(&signal.person) else { return };
        match (convert::room(&signal.room), signal.read_seq) {
            (Some(room), 0) => {
                edge.heard_typing(room, person);
                return;
            }
            (Some(room), seq) => return edge.sessions.tell(person, None, &Soft::ReadMark { room, seq }),
            (None, 0) => {}
            (None, _) => return,
        }
        let presence = (i32::try_from(signal.availability).unwrap_or(0), signal.answer_at_s);
        if presence.0 == i32::from(Availability::Offline) && edge.sessions.has(person) {
            // Gone elsewhere, but still here: say so again.
            let here = edge.presences().get(person);
            return here.into_iter().for_each(|here| edge.announce(person, here));
        }
        let change = edge.presences().note(person, presence, false, Instant::now());
        edge.pass(change);
    }
}
