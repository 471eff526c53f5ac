//! Feeds that move, and all rings together, within their budget.

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use hansard_domain::{Content, Kind};
use hansard_proto::cluster::v1::{Entry, SubscribedAt};
use hansard_proto::convert::bytes;

use super::*;
use crate::connection::Codec;

const CONN: ConnId = ConnId { node: 1, generation: 1 };
const BUDGET: usize = 64 << 10;

struct OneNode;

impl Feeds for OneNode {
    fn subscribe(&self, _room: RoomId, _start: Start) -> Option<ConnId> {
        Some(CONN)
    }

    fn unsubscribe(&self, _conn: ConnId, _room: RoomId) {}

    fn leader(&self, _room: RoomId) -> Option<u64> {
        Some(CONN.node)
    }
}

fn room(number: u8) -> RoomId {
    RoomId::from_bytes([number; 16])
}

/// Hubs of so many rooms, with a follower each and feeds that stand.
fn hubs(rooms: u8) -> Hubs {
    let hubs = Hubs::new(BUDGET);
    for number in 1..=rooms {
        hubs.attach(room(number), Arc::new(Inbox::new(1)));
    }
    hubs.keep_once(&OneNode, Instant::now());
    for number in 1..=rooms {
        let subscribed = Some(SubscribedAt { after_seq: 0 });
        hubs.on_feed(CONN, room(number), RoomFeed { subscribed, ..RoomFeed::default() }, &OneNode);
    }
    hubs
}

fn say(hubs: &Hubs, number: u8, seq: u64) {
    let entry = Entry {
        seq,
        kind: Kind::Message.number().into(),
        actor: bytes(PersonId::from_bytes([9; 16])),
        content: Content::text("x".repeat(1_000)).encode(),
        ..Entry::default()
    };
    let feed = RoomFeed { room: Bytes::new(), entries: vec![entry], ..RoomFeed::default() };
    assert!(!hubs.on_feed(CONN, room(number), feed, &OneNode).hole);
}

fn read(hubs: &Hubs, number: u8, cursor: u64) -> Option<Vec<Arc<SharedEvent>>> {
    match hubs.read(room(number), 1, cursor, 100) {
        Read::Entries { entries, .. } => Some(entries),
        _ => None,
    }
}

const NEXT: ConnId = ConnId { node: 2, generation: 1 };

/// The other node leads. It counts how often it is asked.
#[derive(Default)]
struct Moved(AtomicUsize);

impl Feeds for Moved {
    fn subscribe(&self, _room: RoomId, _start: Start) -> Option<ConnId> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Some(NEXT)
    }

    fn unsubscribe(&self, _conn: ConnId, _room: RoomId) {}

    fn leader(&self, _room: RoomId) -> Option<u64> {
        Some(NEXT.node)
    }
}

#[test]
fn a_late_word_of_the_former_leader_does_not_end_the_search_for_the_next() {
    let (hubs, moved) = (hubs(1), Moved::default());
    hubs.on_leaders(&moved);
    let subscribed = || RoomFeed { subscribed: Some(SubscribedAt { after_seq: 0 }), ..RoomFeed::default() };
    hubs.on_feed(CONN, room(1), subscribed(), &moved);
    hubs.keep_once(&moved, Instant::now());
    assert_eq!(moved.0.load(Ordering::Relaxed), 1, "the next one is asked");
    hubs.on_feed(CONN, room(1), subscribed(), &moved);
    hubs.keep_once(&moved, Instant::now() + crate::limits::SUBSCRIBE_TIMEOUT);
    assert_eq!(moved.0.load(Ordering::Relaxed), 2, "and again when it does not answer");
    hubs.on_feed(NEXT, room(1), subscribed(), &moved);
    hubs.keep_once(&moved, Instant::now() + 2 * crate::limits::SUBSCRIBE_TIMEOUT);
    assert_eq!(moved.0.load(Ordering::Relaxed), 2, "it stands");
}

#[test]
fn rings_keep_to_their_budget_and_the_quiet_ones_give_way() {
    let hubs = hubs(10);
    for number in 1..=10 {
        for seq in 1..=20 {
            say(&hubs, number, seq);
            assert!(hubs.kept() <= BUDGET, "{} bytes", hubs.kept());
        }
        assert_eq!(read(&hubs, number, 0).map(|entries| entries.len()), Some(20), "the one that talks has all of it");
    }
    assert!(hubs.kept() > BUDGET / 2, "what there is room for is kept");
    assert!(read(&hubs, 1, 0).is_none(), "who is behind reads from storage");
    assert_eq!(read(&hubs, 1, 20).map(|entries| entries.len()), Some(0), "and then waits for news");
    // The room that was quiet longest talks again: another one gives way.
    for seq in 21..=40 {
        say(&hubs, 1, seq);
    }
    assert_eq!(read(&hubs, 1, 20).map(|entries| entries.len()), Some(20));
    assert!(hubs.kept() <= BUDGET);
}

#[test]
fn json_copies_count() {
    let hubs = hubs(2);
    (1..=20).for_each(|seq| say(&hubs, 1, seq));
    let before = hubs.kept();
    let json: usize = read(&hubs, 1, 0).unwrap().iter().map(|entry| entry.encoded(Codec::Json).len()).sum();
    assert!(json > 20_000);
    assert_eq!(hubs.kept(), before + json);
    // Asked for once more it is the same copy.
    read(&hubs, 1, 0).unwrap().iter().for_each(|entry| drop(entry.encoded(Codec::Json)));
    assert_eq!(hubs.kept(), before + json);
    (1..=40).for_each(|seq| say(&hubs, 2, seq));
    assert!(hubs.kept() <= BUDGET);
}

#[test]
fn rooms_that_nobody_follows_any_more_keep_nothing() {
    let hubs = hubs(3);
    (1..=3).for_each(|number| (1..=3).for_each(|seq| say(&hubs, number, seq)));
    let held = read(&hubs, 2, 2).unwrap();
    (1..=3).for_each(|number| hubs.detach(room(number), 1, &OneNode));
    assert!(hubs.kept() > 0, "a reader still has one");
    drop(held);
    assert_eq!(hubs.kept(), 0);
    assert_eq!(hubs.budget.quietest(), None);
}
