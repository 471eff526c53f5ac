//! Entries of a room as they are stored, block by block.

use bytes::Bytes;

use crate::event::EventRow;
use crate::event_block::{EventBlock, decode_events};
use crate::ids::RoomId;
use crate::keys;
use crate::rows::{Rows, Table};
use crate::stage::sound;

/// Called with each seq and entry; `false` stops.
type Visit<'a> = dyn FnMut(u64, EventRow) -> bool + 'a;

/// Visits the entries `from..=to` that are there, ascending, or descending if `backwards`.
pub(super) fn visit<R: Rows>(
    rows: &R,
    room: RoomId,
    (from, to): (u64, u64),
    backwards: bool,
    visit: &mut Visit<'_>,
) -> Result<(), R::Error> {
    let end = match backwards {
        // The block that holds `to` has a later key, if `to` is not its last entry.
        true => last_of(rows, room, to)?.unwrap_or(to),
        false => u64::MAX,
    };
    let (low, high) = (keys::event(room, from), keys::after(&keys::event(room, end)));
    rows.scan(Table::Event, &low, &high, backwards, &mut |key, value| {
        let last = keys::last_seq(key);
        let block = sound(decode_events(last, &Bytes::copy_from_slice(value)), Table::Event);
        let mut wanted = block.into_iter().filter(|(seq, _)| (from..=to).contains(seq));
        let mut go_on = |(seq, row)| visit(seq, row);
        match backwards {
            true => wanted.rev().all(&mut go_on),
            false => wanted.all(&mut go_on) && last < to,
        }
    })
}

/// The stored block that holds a seq.
pub(crate) fn block<R: Rows>(rows: &R, room: RoomId, seq: u64) -> Result<Option<EventBlock>, R::Error> {
    let mut found = None;
    let (from, to) = (keys::event(room, seq), keys::after(&keys::event(room, u64::MAX)));
    rows.scan(Table::Event, &from, &to, false, &mut |key, value| {
        found = Some(sound(EventBlock::decode(keys::last_seq(key), value), Table::Event));
        false
    })?;
    Ok(found.filter(|block| block.holds(seq)))
}

/// The entry with a seq.
pub(crate) fn event<R: Rows>(rows: &R, room: RoomId, seq: u64) -> Result<Option<EventRow>, R::Error> {
    Ok(block(rows, room, seq)?.map(|block| sound(block.get(seq), Table::Event)))
}

fn last_of<R: Rows>(rows: &R, room: RoomId, seq: u64) -> Result<Option<u64>, R::Error> {
    Ok(block(rows, room, seq)?.map(|block| block.last()))
}
