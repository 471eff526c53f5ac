//! How much a person has not read.

use super::{Listing, mark};
use crate::ids::{PersonId, RoomId};
use crate::keys;
use crate::limits::MAX_PAGE;
use crate::rows::{Rows, Table};
use crate::stage::sound;

/// What is unread in a room.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unread {
    /// The room.
    pub room: RoomId,
    /// The read mark; 0 if there is none.
    pub read: u64,
    /// The room's newest seq.
    pub head: u64,
    /// Messages above the mark that the person may see.
    pub messages: u64,
}

/// Counts for these rooms; those that the person is not a member of are left out.
pub fn unread<R: Rows>(rows: &R, person: PersonId, rooms: &[RoomId]) -> Result<Vec<Unread>, R::Error> {
    let mut counts = Vec::with_capacity(rooms.len().min(MAX_PAGE));
    for room in rooms {
        counts.extend(count(rows, person, *room)?);
    }
    Ok(counts)
}

/// Counts for the person's rooms above `after`, at most `limit`.
pub fn unread_all<R: Rows>(
    rows: &R,
    person: PersonId,
    after: Option<RoomId>,
    limit: usize,
) -> Result<Listing<Unread>, R::Error> {
    let after = after.as_ref().map(RoomId::as_bytes);
    let ids = super::ids_after(rows, Table::PersonRoom, person.as_bytes(), after, limit.clamp(1, MAX_PAGE))?;
    let rooms: Vec<_> = ids.items.into_iter().map(RoomId::from_bytes).collect();
    Ok(Listing { items: unread(rows, person, &rooms)?, more: ids.more })
}

fn count<R: Rows>(rows: &R, person: PersonId, id: RoomId) -> Result<Option<Unread>, R::Error> {
    let (Some(room), Some(member)) = (super::room(rows, id)?, super::member(rows, id, person)?) else {
        return Ok(None);
    };
    let Some(interval) = member.intervals.last().filter(|i| i.to.is_none()) else {
        return Ok(None);
    };
    let row = rows.get(Table::ReadMark, &keys::person_room(person, id))?;
    let read = row.map_or(0, |row| sound(mark::decode(&row), Table::ReadMark));
    let base = match read.max(interval.from - 1) {
        0 => 0,
        seq => super::event(rows, id, seq)?.map_or(room.messages, |row| row.messages),
    };
    // Rows are read one by one: a message and a mark above it may have been committed since the room's row was read.
    let messages = room.messages.saturating_sub(base);
    Ok(Some(Unread { room: id, read, head: room.head, messages }))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use bytes::Bytes;

    use super::*;
    use crate::command::Action;
    use crate::room::Role;
    use crate::rows::MemRows;
    use crate::testkit::{ANN, BOB, ROOM, World};

    /// What one sees who read the room's row before the others changed.
    struct Torn {
        room: MemRows,
        others: MemRows,
    }

    impl Rows for Torn {
        type Error = Infallible;

        fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, Infallible> {
            if table == Table::Room { self.room.get(table, key) } else { self.others.get(table, key) }
        }

        fn scan(
            &self,
            table: Table,
            from: &[u8],
            to: &[u8],
            reverse: bool,
            visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
        ) -> Result<(), Infallible> {
            self.others.scan(table, from, to, reverse, visit)
        }
    }

    #[test]
    fn a_mark_that_is_newer_than_the_room_leaves_nothing_unread() {
        let mut world = World::with_bob(Role::Member);
        assert_eq!(world.say(ANN, "x"), Ok(3));
        let room = world.rows.clone();
        assert_eq!(world.say(ANN, "y"), Ok(4));
        assert_eq!(world.act(BOB, Action::MarkRead { room: ROOM, seq: 4 }), Ok(4));
        let Ok(counts) = unread(&Torn { room, others: world.rows }, BOB, &[ROOM]);
        assert_eq!(counts, [Unread { room: ROOM, read: 4, head: 3, messages: 0 }]);
    }
}
