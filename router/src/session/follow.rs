//! Followed rooms: replay from storage by pages, then live from the hub's ring, exactly once, in order, with no window.
//!
//! Each follow has a cursor, the last seq that it has delivered or skipped as a gap. Whatever it delivers next starts
//! right after the cursor, be it from a page or from the ring, so neither order nor doubles depend on timing.
//!
//! Access is decided by pages: a node builds them for the person. A follow goes live only from a page that reached the
//! room's head without ending the person's view: the person was a member there. From then on every entry is looked at
//! in order, and the one that ends the membership is the last that is delivered. Only then is the session attached to the
//! room's hub, and hears and tells of typing and presence there: former members get pages too, up to their removal.
//!
//! A room has at most one page under way. A follow that is started anew meanwhile waits for it to come back, and asks then:
//! following the same room over and over reads no more pages than following it once.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

use hansard_domain::bug::{self, Bug};
use hansard_domain::limits::MAX_FOLLOWS;
use hansard_domain::{PersonId, RoomId};
use hansard_proto::rpc::Status;
use hansard_proto::status;
use hansard_proto::v1::connect_response::Frame;
use hansard_proto::v1::{Followed, Gap, Refusal, Unfollowed};
use tokio::time::Instant;
use tonic::Code;

use super::effect::{Effect, Item, Page, PageRequest, Rings, ends};
use crate::hub::Read;
use crate::limits::{MAX_PAGES, PAGE_RETRY};
use crate::reason;

/// Live entries that one room may deliver before the next has its turn.
const TURN: usize = 64;
/// Authors that a follow remembers from one page to the next, until it is attached to the room: the newest.
const AUTHORS: usize = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// A page is needed.
    Replay,
    /// A page is needed, and one for a former follow of the room is under way.
    Held,
    /// A page is under way.
    Paging,
    /// A page could not be had; ask again at this time.
    Waiting(Instant),
    /// The ring has the rest.
    Live,
}

#[derive(Debug)]
struct Follow {
    generation: u64,
    cursor: u64,
    from_now: bool,
    /// The client was told that the follow stands.
    standing: bool,
    /// The session follows the room's hub.
    attached: bool,
    /// Who wrote on the pages before.
    authors: Vec<PersonId>,
    step: Step,
}

/// All follows of a session.
#[derive(Debug, Default)]
pub(crate) struct Follows {
    rooms: HashMap<RoomId, Follow>,
    generation: u64,
    /// Rooms whose page is under way, maybe for a follow that is over.
    pages: HashSet<RoomId>,
    replays: VecDeque<RoomId>,
    live: VecDeque<RoomId>,
    waiting: BTreeSet<(Instant, RoomId)>,
}

impl Follows {
    /// The followed rooms.
    pub(crate) fn rooms(&self) -> impl Iterator<Item = RoomId> + '_ {
        self.rooms.keys().copied()
    }

    /// Whether the follow is live: the person was a member at the room's head, and has not been shown the end of that.
    pub(crate) fn is_live(&self, room: RoomId) -> bool {
        self.rooms.get(&room).is_some_and(|follow| follow.step == Step::Live)
    }

    /// Starts a follow, anew if there is one. False: there are too many.
    pub(crate) fn start(&mut self, room: RoomId, after: u64, from_now: bool, out: &mut Vec<Effect>) -> bool {
        if !self.rooms.contains_key(&room) && self.rooms.len() >= MAX_FOLLOWS {
            return false;
        }
        self.forget(room, out);
        self.generation += 1;
        let follow = Follow {
            generation: self.generation,
            cursor: after,
            from_now,
            standing: false,
            attached: false,
            authors: Vec::new(),
            step: Step::Replay,
        };
        self.rooms.insert(room, follow);
        self.replays.push_back(room);
        true
    }

    /// Ends a follow on the client's wish.
    pub(crate) fn stop(&mut self, room: RoomId, out: &mut Vec<Effect>) {
        self.forget(room, out);
        send(out, Frame::Unfollowed(Unfollowed { room: room.to_string(), status: None }));
    }

    /// The hub has news.
    pub(crate) fn news(&mut self, room: RoomId) {
        if self.rooms.get(&room).is_some_and(|follow| follow.step == Step::Live) {
            self.live.push_back(room);
        }
    }

    /// A page came, or not.
    pub(crate) fn page(
        &mut self,
        request: PageRequest,
        answer: Result<Page, Status>,
        now: Instant,
        out: &mut Vec<Effect>,
    ) {
        let room = request.room;
        self.pages.remove(&room);
        let Some(follow) = self.rooms.get_mut(&room) else { return };
        if follow.generation != request.generation {
            // The page of a former follow: now the one in its place may ask.
            if follow.step == Step::Held {
                self.go(room, Step::Replay);
            }
            return;
        }
        match answer {
            Err(status) if status::is_unknown_outcome(&status) || status::retry_after(&status).is_some() => {
                self.wait(room, now);
            }
            Err(status) => self.end(room, status, out),
            Ok(page) => {
                if !follow.standing && !follow.from_now && follow.cursor > page.head {
                    let ahead = cursor_ahead(follow.cursor, page.head);
                    return self.end(room, ahead, out);
                }
                stand(follow, room, &page, out);
                note_authors(follow, &page);
                let before = follow.cursor;
                let whole = deliver(follow, room, page.items, out);
                let progress = follow.cursor > before;
                let cursor = follow.cursor;
                match whole {
                    Delivered::Hole => self.end(room, hole(cursor), out),
                    _ if page.ended => self.end(room, ended(), out),
                    _ if cursor >= page.head => self.go_live(room, out),
                    _ if progress => self.go(room, Step::Replay),
                    // A page that says nothing though there is more: not now, then.
                    _ => self.wait(room, now),
                }
            }
        }
    }

    /// Delivers what is there, at most about `budget` entries, and asks for pages.
    pub(crate) fn pump(&mut self, person: PersonId, mut budget: usize, rings: &dyn Rings, out: &mut Vec<Effect>) {
        while budget > 0 {
            let Some(room) = self.live.pop_front() else { break };
            let Some(follow) = self.rooms.get_mut(&room).filter(|follow| follow.step == Step::Live) else { continue };
            match rings.read(room, follow.cursor, budget.min(TURN)) {
                Read::NotReady => {}
                Read::Behind if bug::is(Bug::ResubscribeSkips) => {
                    follow.cursor += 1;
                    self.live.push_back(room);
                }
                Read::Behind => self.go(room, Step::Replay),
                Read::Entries { entries, more } => {
                    budget -= entries.len().min(budget);
                    let mut last = false;
                    for entry in entries {
                        assert_eq!(entry.seq, follow.cursor + 1, "a ring is contiguous");
                        follow.cursor = entry.seq;
                        last = ends(&entry, person);
                        out.push(Effect::Event(entry));
                        if last {
                            break;
                        }
                    }
                    if last {
                        self.end(room, ended(), out);
                    } else if more {
                        self.live.push_back(room);
                    }
                }
            }
        }
        while budget > 0 && self.pages.len() < MAX_PAGES {
            let Some(room) = self.replays.pop_front() else { break };
            let Some(follow) = self.rooms.get_mut(&room).filter(|follow| follow.step == Step::Replay) else { continue };
            if !self.pages.insert(room) {
                follow.step = Step::Held;
                continue;
            }
            follow.step = Step::Paging;
            let (generation, after, from_now) = (follow.generation, follow.cursor, follow.from_now);
            out.push(Effect::Page(PageRequest { room, generation, after, from_now }));
        }
    }

    /// Takes up the follows whose pause is over.
    pub(crate) fn tick(&mut self, now: Instant) {
        while let Some(&(at, room)) = self.waiting.first().filter(|(at, _)| *at <= now) {
            self.waiting.pop_first();
            if self.rooms.get(&room).is_some_and(|follow| follow.step == Step::Waiting(at)) {
                self.go(room, Step::Replay);
            }
        }
    }

    /// When the next pause is over.
    pub(crate) fn next_tick(&self) -> Option<Instant> {
        self.waiting.first().map(|(at, _)| *at)
    }

    fn go(&mut self, room: RoomId, step: Step) {
        let Some(follow) = self.rooms.get_mut(&room) else { return };
        follow.step = step;
        match step {
            Step::Replay => self.replays.push_back(room),
            Step::Live => self.live.push_back(room),
            Step::Held | Step::Paging | Step::Waiting(_) => {}
        }
    }

    /// Attached after whatever was read before: the hub has the session look at the ring at once, so that nothing is lost
    /// that came in between.
    fn go_live(&mut self, room: RoomId, out: &mut Vec<Effect>) {
        let Some(follow) = self.rooms.get_mut(&room) else { return };
        if !follow.attached {
            follow.attached = true;
            out.push(Effect::Attach(room));
        }
        let authors = std::mem::take(&mut follow.authors);
        if !authors.is_empty() {
            // After the attach, before which the room may have no hub that remembers them.
            out.push(Effect::Saw(room, authors));
        }
        self.go(room, Step::Live);
    }

    fn wait(&mut self, room: RoomId, now: Instant) {
        self.waiting.insert((now + PAGE_RETRY, room));
        self.go(room, Step::Waiting(now + PAGE_RETRY));
    }

    fn end(&mut self, room: RoomId, status: Status, out: &mut Vec<Effect>) {
        let standing = self.rooms.get(&room).is_some_and(|follow| follow.standing);
        self.forget(room, out);
        let (room, status) = (room.to_string(), Some(status));
        send(
            out,
            match standing {
                true => Frame::Unfollowed(Unfollowed { room, status }),
                false => Frame::Refusal(Refusal { request_id: String::new(), room, status }),
            },
        );
    }

    fn forget(&mut self, room: RoomId, out: &mut Vec<Effect>) {
        let Some(follow) = self.rooms.remove(&room) else { return };
        if let Step::Waiting(at) = follow.step {
            self.waiting.remove(&(at, room));
        }
        if follow.step == Step::Replay {
            self.replays.retain(|waiting| *waiting != room);
        }
        if follow.attached {
            out.push(Effect::Detach(room));
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Delivered {
    All,
    Hole,
}

fn stand(follow: &mut Follow, room: RoomId, page: &Page, out: &mut Vec<Effect>) {
    if follow.from_now {
        follow.from_now = false;
        follow.cursor = page.head;
    }
    if !follow.standing {
        follow.standing = true;
        let (after_seq, head_seq) = (follow.cursor, page.head);
        send(out, Frame::Followed(Followed { room: room.to_string(), after_seq, head_seq }));
    }
}

/// Remembers who wrote on a page, oldest first, each once.
fn note_authors(follow: &mut Follow, page: &Page) {
    let before = follow.authors.len().saturating_sub(AUTHORS);
    follow.authors.drain(..before);
    let mut known: HashSet<PersonId> = follow.authors.iter().copied().collect();
    let author = |item: &Item| match item {
        Item::Event(event) => event.sender.parse().ok(),
        Item::Gap { .. } => None,
    };
    follow.authors.extend(page.items.iter().filter_map(author).filter(|author| known.insert(*author)));
}

fn deliver(follow: &mut Follow, room: RoomId, items: Vec<Item>, out: &mut Vec<Effect>) -> Delivered {
    for item in items {
        let (from, to) = match &item {
            Item::Event(event) => (event.seq, event.seq),
            Item::Gap { from, to, .. } => (*from, *to),
        };
        if to <= follow.cursor {
            continue;
        }
        if from.max(follow.cursor + 1) != follow.cursor + 1 {
            return Delivered::Hole;
        }
        let from_seq = follow.cursor + 1;
        follow.cursor = to;
        send(
            out,
            match item {
                Item::Event(event) => Frame::Event(event),
                Item::Gap { reason, .. } => Frame::Gap(Gap { room: room.to_string(), from_seq, to_seq: to, reason }),
            },
        );
    }
    Delivered::All
}

fn send(out: &mut Vec<Effect>, frame: Frame) {
    out.push(Effect::Send(Box::new(frame)));
}

fn ended() -> Status {
    let text = "the membership ended with the last event; nothing after it is shown";
    status::new(Code::PermissionDenied, reason::MEMBERSHIP_ENDED, text)
}

fn hole(cursor: u64) -> Status {
    let text = "the history is not contiguous; follow again, and report this";
    status::with_metadata(Code::DataLoss, reason::HISTORY_HOLE, text, [("after_seq", cursor.to_string())])
}

fn cursor_ahead(cursor: u64, head: u64) -> Status {
    let text = "the cursor is above the room's newest seq; it was made in another room or another cluster";
    let metadata = [("after_seq", cursor.to_string()), ("head_seq", head.to_string())];
    status::with_metadata(Code::OutOfRange, reason::CURSOR_AHEAD, text, metadata)
}
