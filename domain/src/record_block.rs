//! The record's entries that one batch committed, in one row: for each, where it is or all of it.
//!
//! Key: index of the last entry, u64. Value, version 2 (1 was a single entry): version u8, number of rooms varint, their
//! ids, number of entries varint, and for each: 0 and all of it (header blob, salt 32, content), or the room's place in
//! the list, from 1, and the seq, as varints.

use bytes::Bytes;

use crate::ids::RoomId;
use crate::limits::{MAX_LEAF_BYTES, MAX_META_BYTES};
use crate::record::Header;
use crate::sealed::{Salt, Sealed};
use crate::wire::{CodecError, Reader, Write};

const VERSION: u8 = 2;
/// Entries of one batch at most; beyond what a batch can hold, each of its commands making at most one.
const MAX_ENTRIES: usize = 1 << 16;

/// Where an entry of the record is.
#[allow(
    clippy::large_enum_variant,
    reason = "nearly all are of the small kind; the large ones are rare, and soon gone"
)]
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Recorded {
    /// It is an entry of a room: header, salt and content are there.
    InRoom {
        /// The room.
        room: RoomId,
        /// The seq.
        seq: u64,
    },
    /// It is in no room: all of it is here.
    Whole {
        /// The header.
        header: Header,
        /// What the commitment was made with.
        salt: Salt,
        /// The content.
        content: Sealed,
    },
}

/// Consecutive entries of a record, on their way into a row.
#[derive(Default)]
pub(crate) struct RecordBlock {
    rooms: Vec<RoomId>,
    count: u64,
    entries: Vec<u8>,
}

impl RecordBlock {
    /// Gives a room its place in the list.
    pub(crate) fn add_room(&mut self, room: RoomId) -> u64 {
        self.rooms.push(room);
        self.rooms.len() as u64
    }

    /// Adds the next entry: one of the room at this place in the list.
    pub(crate) fn push_in_room(&mut self, place: u64, seq: u64) {
        self.count += 1;
        self.entries.put_varint(place);
        self.entries.put_varint(seq);
    }

    /// Adds the next entry, which is in no room.
    pub(crate) fn push_whole(&mut self, header: &Header, salt: &Salt, content: &Sealed) {
        self.count += 1;
        self.entries.put_varint(0);
        self.entries.put_blob(&header.encode());
        self.entries.put_array(&salt.0);
        content.encode(&mut self.entries);
    }

    /// Whether it has no entries.
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Writes the row's value. The block is empty afterwards.
    pub(crate) fn take(&mut self, out: &mut Vec<u8>) {
        out.put_u8(VERSION);
        out.put_varint(self.rooms.len() as u64);
        self.rooms.iter().for_each(|room| out.put_array(room.as_bytes()));
        out.put_varint(self.count);
        out.put_array(&self.entries);
        self.rooms.clear();
        self.entries.clear();
        self.count = 0;
    }
}

/// Reads a row: its entries, ascending; at least one.
pub(crate) fn decode_record(bytes: &Bytes) -> Result<Vec<Recorded>, CodecError> {
    let mut r = Reader::sharing(bytes, "block of the record");
    r.version(VERSION)?;
    let mut rooms = Vec::new();
    for _ in 0..r.count(MAX_ENTRIES)? {
        rooms.push(RoomId::from_bytes(r.array()?));
    }
    let count = r.count(MAX_ENTRIES)?;
    if count == 0 {
        return Err(r.malformed());
    }
    let mut entries = Vec::new();
    for _ in 0..count {
        entries.push(match r.count(rooms.len())? {
            0 => {
                let len = r.count(MAX_LEAF_BYTES)?;
                let header = Header::decode(r.take(len)?)?;
                let (salt, content) = (Salt(r.array()?), Sealed::decode_bounded(&mut r, MAX_META_BYTES)?);
                Recorded::Whole { header, salt, content }
            }
            place => Recorded::InRoom { room: rooms[place - 1], seq: r.varint()? },
        });
    }
    r.end()?;
    Ok(entries)
}
