//! Bytes of a snapshot chunk.
//!
//! `version ‖ number ‖ flags ‖ rows in the chunk ‖ body ‖ CRC32C`. The body of chunk 0 starts with the applied mark
//! (length, bytes); then come rows: table, key length, key, value length, value. The last chunk ends with the count of
//! all rows.

use bytes::Bytes;

use crate::codec::{CodecError, Cursor, put_varint};
use crate::mark::AppliedMark;

/// Longest chunk, in bytes.
pub const CHUNK_BYTES: usize = 1 << 20;
/// Longest key and value of a row together, in bytes.
pub(crate) const MAX_ROW: usize = CHUNK_BYTES / 2;

const VERSION: u8 = 1;
const LAST: u8 = 1;
const HEADER: usize = 1 + 4 + 1 + 4;

/// A chunk being filled.
pub(crate) struct ChunkBuilder {
    bytes: Vec<u8>,
    rows: u32,
}

impl ChunkBuilder {
    /// Chunk `number`; the first one needs the mark.
    pub(crate) fn new(number: u32, mark: Option<&AppliedMark>) -> Self {
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(&number.to_be_bytes());
        bytes.extend_from_slice(&[0; 5]);
        if let Some(mark) = mark {
            let mark = mark.encode();
            put_varint(&mut bytes, mark.len() as u64);
            bytes.extend_from_slice(&mark);
        }
        Self { bytes, rows: 0 }
    }

    /// Adds a row (its key led by the table) unless the chunk is full.
    pub(crate) fn add(&mut self, row: &[u8], value: &[u8]) -> bool {
        let after = self.bytes.len() + row.len() + value.len() + 2 * 10 + 8 + 4;
        if after > CHUNK_BYTES {
            return false;
        }
        self.bytes.push(row[0]);
        put_varint(&mut self.bytes, (row.len() - 1) as u64);
        self.bytes.extend_from_slice(&row[1..]);
        put_varint(&mut self.bytes, value.len() as u64);
        self.bytes.extend_from_slice(value);
        self.rows += 1;
        true
    }

    pub(crate) fn rows(&self) -> u32 {
        self.rows
    }

    /// The chunk; `total` rows of all chunks if it is the last.
    pub(crate) fn finish(mut self, total: Option<u64>) -> Bytes {
        self.bytes[6..10].copy_from_slice(&self.rows.to_be_bytes());
        if let Some(total) = total {
            self.bytes[5] = LAST;
            self.bytes.extend_from_slice(&total.to_be_bytes());
        }
        let crc = crc32c::crc32c(&self.bytes);
        self.bytes.extend_from_slice(&crc.to_be_bytes());
        self.bytes.into()
    }
}

/// A row of a chunk: its key led by the table, and its value.
pub(crate) type Row = (Vec<u8>, Vec<u8>);

/// A chunk that was read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Chunk {
    pub(crate) number: u32,
    /// In chunk 0.
    pub(crate) mark: Option<AppliedMark>,
    pub(crate) rows: Vec<Row>,
    /// In the last chunk.
    pub(crate) total: Option<u64>,
}

impl Chunk {
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        if bytes.len() > CHUNK_BYTES {
            return Err(CodecError::Long(bytes.len() - CHUNK_BYTES));
        }
        let body_len = bytes.len().checked_sub(4).filter(|len| *len >= HEADER).ok_or(CodecError::Short)?;
        let (covered, crc) = bytes.split_at(body_len);
        if crc32c::crc32c(covered).to_be_bytes() != crc {
            return Err(CodecError::Checksum);
        }
        let mut cursor = Cursor::new(covered);
        cursor.version(VERSION)?;
        let number = cursor.u32()?;
        let last = cursor.flag()?;
        let count = cursor.u32()?;
        let mark = if number == 0 { Some(AppliedMark::decode(cursor.prefixed()?)?) } else { None };
        let mut rows = Vec::new();
        for _ in 0..count {
            let mut key = vec![cursor.u8()?];
            key.extend_from_slice(cursor.prefixed()?);
            rows.push((key, cursor.prefixed()?.to_vec()));
        }
        let total = if last { Some(cursor.u64()?) } else { None };
        cursor.finish()?;
        Ok(Self { number, mark, rows, total })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden() {
        let mark = AppliedMark { term: 2, index: 5, membership: Bytes::from_static(b"m") };
        let mut builder = ChunkBuilder::new(0, Some(&mark));
        assert!(builder.add(b"\x04room", b"value"));
        assert!(builder.add(b"\x05", b""));
        let bytes = builder.finish(Some(2));
        crate::golden::check("snapshot_chunk", &bytes);
        let rows = vec![(b"\x04room".to_vec(), b"value".to_vec()), (b"\x05".to_vec(), Vec::new())];
        assert_eq!(Chunk::decode(&bytes), Ok(Chunk { number: 0, mark: Some(mark), rows, total: Some(2) }));
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.to_vec();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(Chunk::decode(&damaged).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_full_chunk_takes_no_more_and_keeps_the_bound() {
        let mut builder = ChunkBuilder::new(1, None);
        while builder.add(b"\x04key", &[7; 1000]) {}
        assert!(builder.finish(Some(u64::MAX)).len() <= CHUNK_BYTES);
    }
}
