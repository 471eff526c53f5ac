//! A room's entries that one batch committed, in one row: the engine's work is per row, and history is read in runs.
//!
//! Key: room, seq of the last entry, so that one seek finds the block that holds a seq. Value, version 3 (1 was a single
//! entry, 2 had nothing in common): version u8, number of entries u16, time and actor of the first entry as [`Common`], and of
//! each entry the length u32 and the bytes of its [`EventRow`].

use std::ops::Range;

use bytes::Bytes;

use crate::event::{Common, EventRow};
use crate::wire::{CodecError, Reader, Write};

const VERSION: u8 = 3;
const WHAT: &str = "block of entries";
/// Version and number.
const HEAD: usize = 3;
/// A block that reached so many bytes takes no more: an edit writes its block again, and a page reads whole blocks.
const FULL_BYTES: usize = 32 * 1_024;

/// Consecutive entries of a room, encoded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct EventBlock {
    first: u64,
    count: u16,
    bytes: Vec<u8>,
}

impl EventBlock {
    /// A block whose first entry will be `first`.
    pub(crate) fn new(first: u64) -> Self {
        Self::new_in(Vec::new(), first)
    }

    /// The same, in memory that was used before.
    pub(crate) fn new_in(mut bytes: Vec<u8>, first: u64) -> Self {
        bytes.clear();
        bytes.put_array(&[VERSION, 0, 0]);
        Self { first, count: 0, bytes }
    }

    /// A stored block of which `last` is the last seq.
    pub(crate) fn decode(last: u64, bytes: &[u8]) -> Result<Self, CodecError> {
        let count = ranges(bytes)?.len();
        let count = u16::try_from(count).map_err(|_| CodecError::Malformed(WHAT))?;
        Ok(Self { first: first(last, usize::from(count))?, count, bytes: bytes.to_vec() })
    }

    /// The seq of the last entry.
    pub(crate) fn last(&self) -> u64 {
        self.first + u64::from(self.count) - 1
    }

    /// Whether the entry with this seq is here.
    pub(crate) fn holds(&self, seq: u64) -> bool {
        seq >= self.first && seq - self.first < u64::from(self.count)
    }

    /// Whether it should take no more.
    pub(crate) fn is_full(&self) -> bool {
        self.bytes.len() >= FULL_BYTES
    }

    /// Adds the next entry.
    pub(crate) fn push(&mut self, row: &EventRow) {
        self.bytes.reserve(Common::BYTES + 4 + row.most_bytes());
        if self.count == 0 {
            Common::of(row).encode_to(&mut self.bytes);
        }
        let common = self.common().expect("it was just put there");
        let start = self.bytes.len();
        self.bytes.put_array(&[0; 4]);
        row.encode_to(&common, &mut self.bytes);
        let len = u32::try_from(self.bytes.len() - start - 4).expect("content is bounded");
        self.bytes[start..start + 4].copy_from_slice(&len.to_be_bytes());
        self.count = self.count.checked_add(1).expect("it is full long before");
        self.bytes[1..HEAD].copy_from_slice(&self.count.to_be_bytes());
    }

    /// The entry with this seq, which must be here.
    pub(crate) fn get(&self, seq: u64) -> Result<EventRow, CodecError> {
        EventRow::decode(&self.common()?, &Bytes::copy_from_slice(&self.bytes[self.place(seq)?]))
    }

    /// Puts another row in the place of the entry with this seq, which must be here.
    pub(crate) fn replace(&mut self, seq: u64, row: &EventRow) -> Result<(), CodecError> {
        let place = self.place(seq)?;
        let mut item = Vec::with_capacity(place.len() + 16);
        row.encode_to(&self.common()?, &mut item);
        let len = u32::try_from(item.len()).expect("content is bounded");
        self.bytes[place.start - 4..place.start].copy_from_slice(&len.to_be_bytes());
        self.bytes.splice(place, item);
        Ok(())
    }

    /// The row's value.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    fn common(&self) -> Result<Common, CodecError> {
        Common::decode(&mut Reader::new(&self.bytes[HEAD..], WHAT))
    }

    fn place(&self, seq: u64) -> Result<Range<usize>, CodecError> {
        assert!(self.holds(seq), "seq {seq} is not in the block {}..={}", self.first, self.last());
        Ok(ranges(&self.bytes)?.swap_remove((seq - self.first) as usize))
    }
}

/// The entries of a stored block of which `last` is the last seq, ascending; their contents share `bytes`.
pub fn decode_events(last: u64, bytes: &Bytes) -> Result<Vec<(u64, EventRow)>, CodecError> {
    let ranges = ranges(bytes)?;
    let common = Common::decode(&mut Reader::new(&bytes[HEAD..], WHAT))?;
    let seqs = first(last, ranges.len())?..;
    seqs.zip(ranges).map(|(seq, range)| Ok((seq, EventRow::decode(&common, &bytes.slice(range))?))).collect()
}

fn first(last: u64, count: usize) -> Result<u64, CodecError> {
    last.checked_sub(count as u64 - 1).filter(|first| *first > 0).ok_or(CodecError::Malformed(WHAT))
}

/// Where the bytes of each entry are; at least one.
fn ranges(bytes: &[u8]) -> Result<Vec<Range<usize>>, CodecError> {
    let mut r = Reader::new(bytes, WHAT);
    r.version(VERSION)?;
    let count = r.u16()?;
    if count == 0 {
        return Err(r.malformed());
    }
    r.take(Common::BYTES)?;
    let mut ranges = Vec::with_capacity(usize::from(count).min(bytes.len() / 4));
    for _ in 0..count {
        let len = u32::from_be_bytes(r.array()?) as usize;
        let start = bytes.len() - r.rest().len();
        r.take(len)?;
        ranges.push(start..start + len);
    }
    r.end()?;
    Ok(ranges)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::Content;
    use crate::ids::PersonId;
    use crate::testkit::{BOB, row};

    fn block() -> EventBlock {
        let mut block = EventBlock::new(7);
        ["a", "bb", "ccc"].iter().for_each(|text| block.push(&row(&Content::text(*text))));
        block
    }

    #[test]
    fn entries_are_found_by_seq_and_replaced() {
        let mut block = block();
        assert_eq!((block.last(), block.holds(6), block.holds(7), block.holds(10)), (9, false, true, false));
        assert_eq!(block.get(8), Ok(row(&Content::text("bb"))));
        block.replace(8, &row(&Content::text("a longer one"))).unwrap();
        let stored = Bytes::from(block.clone().into_bytes());
        assert_eq!(EventBlock::decode(9, &stored), Ok(block));
        let seqs: Vec<_> = decode_events(9, &stored).unwrap();
        assert_eq!(seqs[1], (8, row(&Content::text("a longer one"))));
        assert_eq!((seqs[0].0, seqs[2].clone()), (7, (9, row(&Content::text("ccc")))));
    }

    #[test]
    fn what_entries_have_in_common_is_stored_once_and_what_differs_is_kept() {
        let first = row(&Content::text("a"));
        let (later, other) = (EventRow { time_us: 3, ..first.clone() }, EventRow { actor: BOB, ..first.clone() });
        let mut block = EventBlock::new(1);
        [&first, &first, &later, &other].into_iter().for_each(|row| block.push(row));
        block.replace(1, &other).unwrap();
        let stored = Bytes::from(block.into_bytes());
        let read: Vec<EventRow> = decode_events(4, &stored).unwrap().into_iter().map(|(_, row)| row).collect();
        assert_eq!(read, [other.clone(), first, later, other]);
        let ids = |id: &PersonId| stored.windows(16).filter(|bytes| bytes == id.as_bytes()).count();
        assert_eq!((ids(&read[1].actor), ids(&BOB)), (1, 2));
    }

    #[test]
    fn damage_is_an_error() {
        let bytes = block().into_bytes();
        assert!(EventBlock::decode(2, &bytes).is_err(), "there is no seq 0");
        assert!(EventBlock::decode(9, &bytes[..bytes.len() - 1]).is_err());
        assert!(EventBlock::decode(9, &[VERSION, 0, 0]).is_err());
        for at in 0..HEAD {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert!(decode_events(9, &damaged.into()).is_err(), "{at}");
        }
    }
}
