//! Bytes of a log segment: two header slots, then synced batches of records.
//!
//! A segment starts with two header slots of one block each, written in turn, so that a torn write damages at most the
//! one being written. After them come batches. Each batch starts on a fresh block and is padded with zeros: bytes that
//! were acked are never rewritten, and no block has to be read before it is written. Records carry a dense sequence
//! number (LSN), their distance from the first record of their batch, and the epoch (count of openings): together
//! they tell a torn last batch, which was never acked, from damage.

use super::checksums::Checksums;
use crate::codec::{CodecError, Cursor};

/// Alignment of batches and header slots, in bytes.
pub(crate) const BLOCK: u64 = 4096;
/// Where the first batch of a segment starts.
pub(crate) const DATA_START: u64 = 2 * BLOCK;
/// Bytes of a record before its body.
pub(crate) const RECORD_HEADER: usize = 32;
/// Version of segments and records.
pub(crate) const VERSION: u8 = 2;

const SEGMENT_MAGIC: &[u8; 4] = b"HSEG";

/// What makes bytes a record of one store: how it starts, and what its checksum starts from. Both are of the store's random id, which
/// no client learns: messages lie in the log as they were sent, and whoever could write a record into one could have a log refused
/// as damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecordKey {
    magic: [u8; 2],
    seed: u32,
}

impl RecordKey {
    /// That of a store.
    pub(crate) fn of(store: [u8; 16]) -> Self {
        let [a, b, c, d, e, f, ..] = store;
        Self { magic: [a, b], seed: u32::from_be_bytes([c, d, e, f]) }
    }

    /// The checksum of a record's header, as far as it stands before the checksum.
    fn header_crc(self, bytes: &[u8]) -> u32 {
        crc32c::crc32c_append(self.seed, &bytes[..RECORD_HEADER - 4])
    }
}

/// What a segment says about itself and the log: the tail mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    /// The store the log belongs to.
    pub(crate) store: [u8; 16],
    /// Number of the segment.
    pub(crate) segment: u64,
    /// Grows with each write of a slot; the higher valid slot counts.
    pub(crate) counter: u64,
    /// Openings of the log so far.
    pub(crate) epoch: u32,
    /// Every record up to here was synced. 0: none yet.
    pub(crate) synced: u64,
    /// Segments below this one are not needed any more.
    pub(crate) first_live: u64,
    /// Whether the next segment is in use.
    pub(crate) next: bool,
}

impl SegmentHeader {
    /// Bytes before the zeros that fill its block: magic, version, store, five numbers, a flag, and the checksum.
    pub(crate) const BYTES: usize = 4 + 1 + 16 + 8 + 8 + 4 + 8 + 8 + 1 + 4;

    /// One slot, a whole block, so that writing it reads nothing.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(BLOCK as usize);
        out.extend_from_slice(SEGMENT_MAGIC);
        out.push(VERSION);
        out.extend_from_slice(&self.store);
        out.extend_from_slice(&self.segment.to_be_bytes());
        out.extend_from_slice(&self.counter.to_be_bytes());
        out.extend_from_slice(&self.epoch.to_be_bytes());
        out.extend_from_slice(&self.synced.to_be_bytes());
        out.extend_from_slice(&self.first_live.to_be_bytes());
        out.push(u8::from(self.next));
        let crc = crc32c::crc32c(&out);
        out.extend_from_slice(&crc.to_be_bytes());
        out.resize(BLOCK as usize, 0);
        out
    }

    pub(crate) fn decode(slot: &[u8]) -> Result<Self, CodecError> {
        let mut cursor = Cursor::new(slot);
        if cursor.take(4)? != SEGMENT_MAGIC {
            return Err(CodecError::Range);
        }
        cursor.version(VERSION)?;
        let header = Self {
            store: cursor.array()?,
            segment: cursor.u64()?,
            counter: cursor.u64()?,
            epoch: cursor.u32()?,
            synced: cursor.u64()?,
            first_live: cursor.u64()?,
            next: cursor.flag()?,
        };
        if cursor.u32()? != crc32c::crc32c(&slot[..Self::BYTES - 4]) {
            return Err(CodecError::Checksum);
        }
        Ok(header)
    }

    /// Offset of the slot this header goes to.
    pub(crate) fn slot(&self) -> u64 {
        (self.counter % 2) * BLOCK
    }
}

/// The fixed part of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecordHeader {
    pub(crate) kind: u8,
    /// Sequence number, dense over the whole log, from 1.
    pub(crate) lsn: u64,
    /// Distance from the first record of the batch.
    pub(crate) delta: u32,
    pub(crate) epoch: u32,
    /// Local number of the shard; 0 for records of no shard.
    pub(crate) shard: u32,
}

impl RecordHeader {
    /// LSN of the first record of the batch.
    pub(crate) fn batch(&self) -> u64 {
        self.lsn - u64::from(self.delta)
    }
}

/// Appends a record: `magic ‖ version ‖ kind ‖ body length ‖ lsn ‖ delta ‖ epoch ‖ shard ‖ CRC32C ‖ body`. The
/// checksum covers what stands before it and the body.
pub(crate) fn put_record(key: RecordKey, out: &mut Vec<u8>, header: &RecordHeader, body: &[u8]) {
    let start = out.len();
    out.extend_from_slice(&key.magic);
    out.push(VERSION);
    out.push(header.kind);
    out.extend_from_slice(&(body.len() as u32).to_be_bytes());
    out.extend_from_slice(&header.lsn.to_be_bytes());
    out.extend_from_slice(&header.delta.to_be_bytes());
    out.extend_from_slice(&header.epoch.to_be_bytes());
    out.extend_from_slice(&header.shard.to_be_bytes());
    let crc = crc32c::crc32c_append(key.header_crc(&out[start..]), body);
    out.extend_from_slice(&crc.to_be_bytes());
    out.extend_from_slice(body);
}

/// A record as it lies there, its checksum not compared.
struct Raw<'a> {
    header: RecordHeader,
    crc: u32,
    body: &'a [u8],
}

fn read_raw(key: RecordKey, bytes: &[u8]) -> Result<Raw<'_>, CodecError> {
    let mut cursor = Cursor::new(bytes);
    if cursor.take(2)? != key.magic {
        return Err(CodecError::Range);
    }
    cursor.version(VERSION)?;
    let kind = cursor.u8()?;
    let len = cursor.u32()? as usize;
    let header =
        RecordHeader { kind, lsn: cursor.u64()?, delta: cursor.u32()?, epoch: cursor.u32()?, shard: cursor.u32()? };
    let crc = cursor.u32()?;
    let body = cursor.take(len)?;
    if header.lsn == 0 || u64::from(header.delta) >= header.lsn {
        return Err(CodecError::Range);
    }
    Ok(Raw { header, crc, body })
}

/// Reads the record at the front of `bytes`.
pub(crate) fn read_record(key: RecordKey, bytes: &[u8]) -> Result<(RecordHeader, &[u8]), CodecError> {
    let raw = read_raw(key, bytes)?;
    if raw.crc != crc32c::crc32c_append(key.header_crc(bytes), raw.body) {
        return Err(CodecError::Checksum);
    }
    Ok((raw.header, raw.body))
}

/// Every valid record in `bytes`, wherever it starts: what is left after a break in the chain.
pub(crate) fn find_records(key: RecordKey, bytes: &[u8]) -> impl Iterator<Item = RecordHeader> + '_ {
    let checksums = Checksums::new(bytes);
    let start = [key.magic[0], key.magic[1], VERSION];
    bytes.windows(3).enumerate().filter(move |(_, window)| *window == start).filter_map(move |(at, _)| {
        let raw = read_raw(key, &bytes[at..]).ok()?;
        let body = at + RECORD_HEADER..at + RECORD_HEADER + raw.body.len();
        (raw.crc == checksums.append(key.header_crc(&bytes[at..]), body)).then_some(raw.header)
    })
}

/// The next block boundary at or after `offset`.
pub(crate) fn align(offset: u64) -> u64 {
    offset.next_multiple_of(BLOCK)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: RecordKey = RecordKey { magic: *b"HR", seed: 0x0bad_cafe };

    #[test]
    fn golden_header() {
        let header = SegmentHeader {
            store: [0x11; 16],
            segment: 3,
            counter: 7,
            epoch: 2,
            synced: 0x0102_0304,
            first_live: 2,
            next: true,
        };
        let slot = header.encode();
        crate::golden::check("segment_header", &slot[..72]);
        assert_eq!(slot.len() as u64, BLOCK);
        assert_eq!(SegmentHeader::decode(&slot), Ok(header));
        assert_eq!(header.slot(), BLOCK);
    }

    #[test]
    fn record_roundtrip_and_damage() {
        let header = RecordHeader { kind: 4, lsn: 9, delta: 2, epoch: 1, shard: 5 };
        let mut bytes = Vec::new();
        put_record(KEY, &mut bytes, &header, b"body");
        assert_eq!(read_record(KEY, &bytes), Ok((header, &b"body"[..])));
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(read_record(KEY, &damaged).is_err(), "bit {bit}");
        }
        let mut noisy = vec![b'H'; 13];
        noisy.extend_from_slice(&bytes);
        assert_eq!(find_records(KEY, &noisy).collect::<Vec<_>>(), vec![header]);
    }

    #[test]
    fn what_only_looks_like_records_is_passed_over_in_little_time() {
        // As messages can hold it: each says that its body goes on for mebibytes. A pass for each would take minutes.
        let mut noisy = Vec::new();
        while noisy.len() < 8 << 20 {
            let claimed = ((8 << 20) - noisy.len() as u32).saturating_sub(RECORD_HEADER as u32);
            noisy.extend_from_slice(b"HR\x02\x04");
            noisy.extend_from_slice(&claimed.to_be_bytes());
            noisy.extend_from_slice(&[1; RECORD_HEADER - 8]);
        }
        let record = RecordHeader { kind: 4, lsn: 9, delta: 2, epoch: 1, shard: 5 };
        put_record(KEY, &mut noisy, &record, &[7; 1_000]);
        let begun = on_the_processor();
        assert_eq!(find_records(KEY, &noisy).collect::<Vec<_>>(), vec![record]);
        let took = on_the_processor() - begun;
        assert!(took < std::time::Duration::from_secs(30), "{took:?}");
    }

    #[test]
    fn a_record_of_another_store_is_none() {
        let header = RecordHeader { kind: 4, lsn: 9, delta: 2, epoch: 1, shard: 5 };
        let mut bytes = Vec::new();
        put_record(KEY, &mut bytes, &header, b"body");
        for other in [RecordKey { seed: KEY.seed + 1, ..KEY }, RecordKey { magic: *b"RH", ..KEY }] {
            assert!(read_record(other, &bytes).is_err());
            assert_eq!(find_records(other, &bytes).next(), None);
        }
        assert_eq!(RecordKey::of(*b"HR\x0b\xad\xca\xfe0123456789"), KEY);
    }

    /// How long this thread has run: other work on the machine does not count.
    fn on_the_processor() -> std::time::Duration {
        let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
        std::time::Duration::from_nanos(stat.split(' ').next().unwrap().parse().unwrap())
    }
}
