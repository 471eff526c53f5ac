//! A room's entries as they are fed to routers: all of them, whoever may see them.

use super::events;
use super::history::hide_edits_of_redacted;
use crate::entry::Entry;
use crate::ids::RoomId;
use crate::limits::{MAX_PAGE, MAX_PAGE_BYTES};
use crate::rows::Rows;

/// The room's newest seq; none if it is not in this shard.
pub fn room_head<R: Rows>(rows: &R, room: RoomId) -> Result<Option<u64>, R::Error> {
    Ok(super::room(rows, room)?.map(|room| room.head))
}

/// The room's oldest entries above `after`, without holes: at most `limit` (at most 1,000), and at most `limit_bytes` of
/// content (at most 1 MiB) but for the entry that crosses the bound.
pub fn feed<R: Rows>(
    rows: &R,
    room: RoomId,
    after: u64,
    limit: usize,
    limit_bytes: usize,
) -> Result<Vec<Entry>, R::Error> {
    let mut left = limit.clamp(1, MAX_PAGE);
    let mut bytes_left = limit_bytes.clamp(1, MAX_PAGE_BYTES) as i64;
    let mut entries = Vec::new();
    events::visit(rows, room, (after.saturating_add(1), u64::MAX), false, &mut |seq, row| {
        let entry = row.entry(seq, false);
        bytes_left -= entry.content.len() as i64;
        left -= 1;
        entries.push(entry);
        left > 0 && bytes_left > 0
    })?;
    hide_edits_of_redacted(rows, room, &mut entries)?;
    Ok(entries)
}
