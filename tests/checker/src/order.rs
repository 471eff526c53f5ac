//! Real time: what was acked before another send began is before it in the room. A client that waits for its ack before its
//! next send thereby has its own order kept.

use crate::report::{Report, Violation};
use crate::rooms::{Entry, NEVER, NOBODY, Rooms};

/// Checks all rooms.
pub(crate) fn check(rooms: &Rooms, report: &mut Report) {
    for (room, entries) in &rooms.rooms {
        check_room(*room, entries, report);
    }
}

/// From the last entry to the first: the earliest ack of those behind must not be before an entry's begin.
fn check_room(room: u128, entries: &[Entry], report: &mut Report) {
    let mut earliest = (NEVER, 0);
    for (place, entry) in entries.iter().enumerate().rev().filter(|(_, entry)| entry.client != NOBODY) {
        if earliest.0 < entry.invoked {
            let (seq, before) = (place + 1, earliest.1 + 1);
            report.add(Violation::Reordered, || {
                let whose = if entry.client == entries[earliest.1].client { "the same client's" } else { "another's" };
                format!("room {room:032x}: seq {before} was acked before {whose} send began that has seq {seq}")
            });
        }
        if entry.returned < earliest.0 {
            earliest = (entry.returned, place);
        }
    }
}
