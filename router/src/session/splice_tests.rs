//! Replay and live, spliced under arbitrary interleavings: each entry exactly once, in order, and nothing after the
//! membership has ended.

use std::cell::RefCell;

use hansard_domain::{PersonId, RoomId};
use hansard_proto::status;
use hansard_proto::v1::Event;
use hansard_proto::v1::connect_response::Frame;
use proptest::prelude::*;
use tokio::time::Instant;
use tonic::Code;

use super::effect::{Effect, Item, Page, PageRequest, Rings};
use super::follow::Follows;
use crate::hub::{Read, Ring, SharedEvent};
use crate::limits::PAGE_RETRY;

const ROOM: RoomId = RoomId::from_bytes([7; 16]);
const ME: PersonId = PersonId::from_bytes([1; 16]);

/// What happens in the simulated world.
#[derive(Debug, Clone)]
enum Step {
    /// Somebody says something.
    Say,
    /// The person is removed.
    Remove,
    /// The person is invited again.
    Invite,
    /// The feed delivers up to so many entries.
    Feed(u8),
    /// The feed breaks, and stands again at the head.
    Restart,
    /// The feed breaks, and stands again so far before the ring's head.
    Resume(u8),
    /// The ring gives way to others: it drops its oldest entries, so many bytes of them.
    Shed(u16),
    /// The oldest page that is under way is answered as of now, with at most so many entries.
    Page(u8),
    /// It fails.
    Fail,
    /// The client follows anew, from where it is.
    Again,
    /// The client takes so many frames.
    Pump(u8),
    /// Time passes.
    Tick,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => Just(Step::Say),
        1 => Just(Step::Remove),
        1 => Just(Step::Invite),
        4 => (1u8..5).prop_map(Step::Feed),
        1 => Just(Step::Restart),
        1 => (0u8..5).prop_map(Step::Resume),
        1 => (1u16..1_000).prop_map(Step::Shed),
        4 => (1u8..6).prop_map(Step::Page),
        1 => Just(Step::Fail),
        1 => Just(Step::Again),
        5 => (1u8..6).prop_map(Step::Pump),
        1 => Just(Step::Tick),
    ];
    prop::collection::vec(step, 0..200)
}

struct World {
    /// For each seq, from 1: whether the person sees it, and whether it ends the membership.
    log: Vec<(bool, bool)>,
    member: bool,
    ring: RefCell<Ring>,
    fed: u64,
    follows: Follows,
    /// What the client knew at first.
    after: u64,
    pages: Vec<PageRequest>,
    now: Instant,
    /// Seqs as delivered, events and gaps.
    got: Vec<(u64, bool)>,
    following: bool,
    /// The hub tells this session of news.
    attached: bool,
}

impl Rings for World {
    fn read(&self, _room: RoomId, cursor: u64, max: usize) -> Read {
        self.ring.borrow().read(cursor, max)
    }
}

impl World {
    fn new(after: u64, head: u64) -> Self {
        let mut world = Self {
            log: (0..head).map(|_| (true, false)).collect(),
            member: true,
            ring: RefCell::new(Ring::default()),
            fed: 0,
            follows: Follows::default(),
            after,
            pages: Vec::new(),
            now: Instant::now(),
            got: Vec::new(),
            following: true,
            attached: false,
        };
        world.follows.start(ROOM, after, false, &mut Vec::new());
        world
    }

    fn head(&self) -> u64 {
        self.log.len() as u64
    }

    fn step(&mut self, step: &Step) {
        let mut out = Vec::new();
        match step {
            Step::Say => self.log.push((self.member, false)),
            Step::Remove if self.member => {
                self.log.push((true, true));
                self.member = false;
            }
            Step::Invite if !self.member => {
                self.log.push((true, false));
                self.member = true;
            }
            Step::Remove | Step::Invite => {}
            Step::Feed(most) => self.feed(u64::from(*most)),
            Step::Restart => self.stand(self.head()),
            Step::Resume(back) => {
                let head = self.ring.borrow().head().unwrap_or(0);
                self.stand(head.saturating_sub(u64::from(*back)));
            }
            Step::Shed(bytes) => drop(self.ring.borrow_mut().shed(usize::from(*bytes))),
            Step::Page(most) if !self.pages.is_empty() => {
                let request = self.pages.remove(0);
                let page = self.page(request.after, usize::from(*most));
                self.follows.page(request, Ok(page), self.now, &mut out);
            }
            Step::Fail if !self.pages.is_empty() => {
                let request = self.pages.remove(0);
                let failed = status::retryable(Code::Unavailable, "NO_LEADER", "x", PAGE_RETRY);
                self.follows.page(request, Err(failed), self.now, &mut out);
            }
            Step::Page(_) | Step::Fail => {}
            Step::Again if self.following => {
                let after = self.got.last().map_or(self.after, |(seq, _)| *seq);
                assert!(self.follows.start(ROOM, after, false, &mut out));
            }
            Step::Again => {}
            Step::Pump(budget) => {
                let mut follows = std::mem::take(&mut self.follows);
                follows.pump(ME, usize::from(*budget), self, &mut out);
                self.follows = follows;
            }
            Step::Tick => {
                self.now += PAGE_RETRY;
                self.follows.tick(self.now);
            }
        }
        self.take(out);
    }

    fn stand(&mut self, at: u64) {
        self.ring.borrow_mut().stand(at);
        self.fed = at;
        self.tell();
    }

    fn tell(&mut self) {
        if self.attached {
            self.follows.news(ROOM);
        }
    }

    fn feed(&mut self, most: u64) {
        if self.ring.borrow().head().is_none() {
            return;
        }
        for seq in self.fed + 1..=self.head().min(self.fed + most) {
            let ends = self.log[seq as usize - 1].1.then_some(ME);
            self.ring.borrow_mut().push(SharedEvent::new(Event { seq, ..Event::default() }, None, ends));
            self.fed = seq;
        }
        self.tell();
    }

    /// A page as domain makes it: gaps where the person was no member, up to where the view ends.
    fn page(&self, after: u64, most: usize) -> Page {
        let visible_to = match self.member {
            true => self.head(),
            false => self.log.iter().rposition(|(_, ends)| *ends).map_or(0, |at| at as u64 + 1),
        };
        let mut items = Vec::new();
        for seq in (after + 1..=visible_to).take(most) {
            items.push(match self.log[seq as usize - 1].0 {
                true => Item::Event(Event { seq, ..Event::default() }),
                false => Item::Gap { from: seq, to: seq, reason: 2 },
            });
        }
        let to = after + items.len() as u64;
        Page { items, head: visible_to, ended: !self.member && to >= visible_to }
    }

    fn take(&mut self, out: Vec<Effect>) {
        for effect in out {
            match effect {
                Effect::Page(request) => {
                    self.pages.push(request);
                    assert_eq!(self.pages.len(), 1, "one page of a room at a time");
                }
                Effect::Event(event) => self.got.push((event.seq, true)),
                Effect::Send(frame) => match *frame {
                    Frame::Event(event) => self.got.push((event.seq, true)),
                    Frame::Gap(gap) => self.got.extend((gap.from_seq..=gap.to_seq).map(|seq| (seq, false))),
                    Frame::Unfollowed(_) => self.following = false,
                    Frame::Followed(_) => {}
                    other => panic!("{other:?}"),
                },
                Effect::Attach(_) => {
                    assert!(self.member, "who is out is not attached");
                    self.attached = true;
                    self.tell();
                    if self.ring.borrow().head().is_none() {
                        self.stand(self.head());
                    }
                }
                Effect::Detach(_) => self.attached = false,
                other => panic!("{other:?}"),
            }
        }
    }

    fn settle(&mut self) {
        for _ in 0..2_000 {
            for step in [Step::Feed(100), Step::Page(3), Step::Pump(50), Step::Tick] {
                self.step(&step);
            }
        }
    }

    fn check(&self, after: u64) {
        for (at, (seq, event)) in self.got.iter().enumerate() {
            assert_eq!(*seq, after + 1 + at as u64, "exactly once and in order: {:?}", self.got);
            assert_eq!(self.log[*seq as usize - 1].0, *event, "what is not the person's is a gap: {seq}");
        }
    }
}

proptest! {
    #[test]
    fn exactly_once_in_order_without_a_window(after in 0u64..4, head in 4u64..20, steps in steps()) {
        let mut world = World::new(after, head);
        for step in &steps {
            world.step(step);
            world.check(after);
        }
        world.settle();
        world.check(after);
        let last = world.got.last().map_or(after, |(seq, _)| *seq);
        if world.following {
            prop_assert!(world.member, "a person who is out follows no more");
            prop_assert_eq!(last, world.head(), "nothing is missing at the end");
        } else {
            prop_assert!(world.log[last as usize - 1].1, "a follow ends with the entry that ends the membership");
        }
    }
}
