//! The rooms as the record has them, and what the clients know of each entry.

use std::collections::HashMap;

/// Memory per entry of the record that a part looks at: 48 in its room, 8 in its shard.
pub const BYTES_PER_ENTRY: usize = 56;

/// No client has claimed the entry.
pub(crate) const NOBODY: u32 = u32::MAX;
/// The sender never learned the outcome, so nothing can follow from when it did.
pub(crate) const NEVER: u64 = u64::MAX;

/// An entry of a room.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// The request id.
    pub(crate) request: u128,
    /// Of the text.
    pub(crate) digest: u64,
    /// When its send began; 0 if nobody claims it.
    pub(crate) invoked: u64,
    /// When its sender learned of it.
    pub(crate) returned: u64,
    /// Whose it is.
    pub(crate) client: u32,
    /// Whether a client's send made it.
    pub(crate) message: bool,
}

/// All rooms of a part. An entry's seq is its place, counted from 1.
#[derive(Debug, Default)]
pub(crate) struct Rooms {
    pub(crate) rooms: HashMap<u128, Vec<Entry>>,
    part: u128,
    parts: u128,
}

impl Rooms {
    pub(crate) fn new(part: u32, parts: u32) -> Self {
        Self { rooms: HashMap::new(), part: part.into(), parts: parts.into() }
    }

    /// Whether the part looks at a room. Room ids are hashes: their remainders are even.
    pub(crate) fn cover(&self, room: u128) -> bool {
        room % self.parts == self.part
    }

    /// The entry at a seq.
    pub(crate) fn at(&mut self, room: u128, seq: u64) -> Option<&mut Entry> {
        let place = usize::try_from(seq.checked_sub(1)?).ok()?;
        self.rooms.get_mut(&room)?.get_mut(place)
    }

    /// The last seq of a room; 0 if it has none.
    pub(crate) fn head(&self, room: u128) -> u64 {
        self.rooms.get(&room).map_or(0, |entries| entries.len() as u64)
    }

    /// Messages that no client has claimed: room, seq, request id.
    pub(crate) fn unclaimed(&self) -> impl Iterator<Item = (u128, u64, u128)> {
        self.rooms.iter().flat_map(|(room, entries)| {
            let unclaimed = entries.iter().enumerate().filter(|(_, entry)| entry.message && entry.client == NOBODY);
            unclaimed.map(|(place, entry)| (*room, place as u64 + 1, entry.request))
        })
    }
}
