//! How far a snapshot has come that is taken in and not installed: a row of the directory, written in one batch with each
//! chunk's rows, so that what a crash leaves of both is of the same chunk.

use crate::codec::{CodecError, Cursor, put_varint};
use crate::mark::{AppliedMark, LogPosition};
use crate::state::directory::Keyspace;

const VERSION: u8 = 1;

/// How much of a snapshot was read or taken in: so many chunks, and the CRC-32C over all their bytes. Two sides that agree on
/// both have the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Chunks from the first on.
    pub chunks: u32,
    /// Over their bytes.
    pub crc: u32,
}

impl Taken {
    /// With the next chunk.
    pub(crate) fn and(self, chunk: &[u8]) -> Self {
        Self { chunks: self.chunks + 1, crc: crc32c::crc32c_append(self.crc, chunk) }
    }
}

/// A snapshot of which some chunks are here, beside the shard's rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partial {
    /// The last entry that the snapshot holds.
    pub last: LogPosition,
    /// What is here of it.
    pub taken: Taken,
}

/// Its row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PartialRow {
    /// Where its rows are.
    pub(crate) keyspace: Keyspace,
    pub(crate) taken: Taken,
    /// Rows in these chunks.
    pub(crate) rows: u64,
    /// The last chunk is among them.
    pub(crate) complete: bool,
    pub(crate) mark: AppliedMark,
    /// The last row's key, led by its table.
    pub(crate) last_key: Vec<u8>,
}

impl PartialRow {
    pub(crate) fn partial(&self) -> Partial {
        Partial { last: self.mark.position(), taken: self.taken }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        out.extend_from_slice(&self.keyspace.to_be_bytes());
        out.extend_from_slice(&self.taken.chunks.to_be_bytes());
        out.extend_from_slice(&self.taken.crc.to_be_bytes());
        out.extend_from_slice(&self.rows.to_be_bytes());
        out.push(u8::from(self.complete));
        let mark = self.mark.encode();
        put_varint(&mut out, mark.len() as u64);
        out.extend_from_slice(&mark);
        put_varint(&mut out, self.last_key.len() as u64);
        out.extend_from_slice(&self.last_key);
        out
    }

    pub(crate) fn decode(row: &[u8]) -> Result<Self, CodecError> {
        let mut cursor = Cursor::new(row);
        cursor.version(VERSION)?;
        let keyspace = cursor.u32()?;
        let taken = Taken { chunks: cursor.u32()?, crc: cursor.u32()? };
        let (rows, complete) = (cursor.u64()?, cursor.flag()?);
        let mark = AppliedMark::decode(cursor.prefixed()?)?;
        let last_key = cursor.prefixed()?.to_vec();
        cursor.finish()?;
        Ok(Self { keyspace, taken, rows, complete, mark, last_key })
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn golden() {
        let mark = AppliedMark { term: 3, index: 258, membership: Bytes::from_static(b"voters") };
        let taken = Taken { chunks: 2, crc: 0x1234_5678 };
        let row = PartialRow { keyspace: 7, taken, rows: 513, complete: false, mark, last_key: b"\x04room".to_vec() };
        crate::golden::check("partial_row", &row.encode());
        assert_eq!(PartialRow::decode(&row.encode()), Ok(row));
    }

    #[test]
    fn two_that_took_the_same_agree() {
        let one = Taken::default().and(b"one").and(b"two");
        assert_eq!(one, Taken { chunks: 2, crc: crc32c::crc32c(b"onetwo") });
        assert_ne!(one, Taken::default().and(b"one").and(b"twO"));
    }
}
