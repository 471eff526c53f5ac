//! Between the cluster's wire types and the clients'.

use std::ops::RangeInclusive;

use bytes::Bytes;
use hansard_domain::{Kind, PersonId, RoomId};
use hansard_proto::cluster::v1 as edge;
pub(crate) use hansard_proto::convert::{duration, timestamp};
use hansard_proto::v1;
use prost_types::{Duration, Timestamp};

use crate::hub::SharedEvent;
use crate::session::{Item, Page};

/// The seconds that a timestamp can have, and JSON can say: the years 1 to 9999.
const SECONDS: RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;

/// A timestamp from seconds UTC; the first or last one for what is beyond them, as tokens and clients may say.
pub(crate) fn timestamp_s(seconds: i64) -> Timestamp {
    Timestamp { seconds: seconds.clamp(*SECONDS.start(), *SECONDS.end()), nanos: 0 }
}

/// A duration from milliseconds.
pub(crate) fn milliseconds(milliseconds: u32) -> Duration {
    Duration { seconds: i64::from(milliseconds / 1_000), nanos: (milliseconds % 1_000 * 1_000_000) as i32 }
}

/// A room's id from the wire.
pub(crate) fn room(bytes: &Bytes) -> Option<RoomId> {
    RoomId::from_slice(bytes).ok()
}

/// A person's id from the wire.
pub(crate) fn person(bytes: &Bytes) -> Option<PersonId> {
    PersonId::from_slice(bytes).ok()
}

/// A person's id as clients see it; empty for the system.
pub(crate) fn person_text(bytes: &Bytes) -> String {
    match person(bytes) {
        Some(person) if person != PersonId::SYSTEM => person.to_string(),
        _ => String::new(),
    }
}

/// A room's id as clients see it.
pub(crate) fn room_text(bytes: &Bytes) -> String {
    room(bytes).map(|room| room.to_string()).unwrap_or_default()
}

/// An entry as clients see it. One that cannot be read (a fault of the node's) keeps its place and says nothing.
pub(crate) fn event(room: RoomId, entry: &edge::Entry) -> v1::Event {
    hansard_proto::convert::event_from_wire(room, entry).unwrap_or_else(|error| {
        tracing::error!(%error, seq = entry.seq, "a node sent an entry that cannot be read");
        v1::Event {
            room: room.to_string(),
            seq: entry.seq,
            time: Some(timestamp(entry.time_us)),
            ..v1::Event::default()
        }
    })
}

/// An entry for a hub.
pub(crate) fn shared(room: RoomId, entry: &edge::Entry) -> SharedEvent {
    let actor = person(&entry.actor);
    let ends = match u16::try_from(entry.kind).ok().and_then(Kind::from_number) {
        Some(Kind::Left) => actor,
        Some(Kind::Removed) => person(&entry.person),
        _ => None,
    };
    SharedEvent::new(event(room, entry), actor, ends)
}

/// A page of history for a session.
pub(crate) fn page(room: RoomId, page: &edge::HistoryPage) -> Page {
    let mut items: Vec<Item> = page.entries.iter().map(|entry| Item::Event(event(room, entry))).collect();
    items.extend(page.gaps.iter().map(|gap| Item::Gap {
        from: gap.from_seq,
        to: gap.to_seq,
        reason: i32::try_from(gap.reason).unwrap_or(0),
    }));
    items.sort_by_key(|item| match item {
        Item::Event(event) => event.seq,
        Item::Gap { from, .. } => *from,
    });
    Page { items, head: page.head_seq, ended: page.ended }
}

/// A gap as clients see it.
pub(crate) fn gap(room: &str, gap: &edge::SeqGap) -> v1::Gap {
    v1::Gap {
        room: room.to_owned(),
        from_seq: gap.from_seq,
        to_seq: gap.to_seq,
        reason: i32::try_from(gap.reason).unwrap_or(0),
    }
}

/// A room as clients see it.
pub(crate) fn room_view(view: &edge::RoomView) -> v1::Room {
    v1::Room {
        id: room_text(&view.room),
        name: view.name.clone(),
        topic: view.topic.clone(),
        visibility: i32::try_from(view.visibility).unwrap_or(0),
        head_seq: view.head_seq,
        created: Some(timestamp(view.created_us)),
        members: view.members,
        role: i32::try_from(view.role).unwrap_or(0),
        peer: person_text(&view.peer),
    }
}

#[cfg(test)]
mod tests {
    use hansard_proto::convert::bytes;

    use super::*;

    #[test]
    fn every_time_has_a_json_form() {
        for seconds in [i64::MIN, -1, 0, 1_900_000_000, i64::MAX] {
            let presence = v1::Presence { answer_at: Some(timestamp_s(seconds)), ..v1::Presence::default() };
            assert!(hansard_proto::json::encode(&presence).is_ok(), "{seconds}");
        }
    }

    #[test]
    fn ends_are_known() {
        let (actor, other) = (PersonId::from_bytes([1; 16]), PersonId::from_bytes([2; 16]));
        let entry = |kind: Kind| edge::Entry {
            kind: kind.number().into(),
            actor: bytes(actor),
            person: bytes(other),
            ..edge::Entry::default()
        };
        let room = RoomId::from_bytes([3; 16]);
        assert_eq!(shared(room, &entry(Kind::Left)).ends, Some(actor));
        assert_eq!(shared(room, &entry(Kind::Removed)).ends, Some(other));
        assert_eq!(shared(room, &entry(Kind::Invited)).ends, None);
    }
}
