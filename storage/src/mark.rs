//! Small values that name places in a shard's log.

use bytes::Bytes;

use crate::codec::{CodecError, Cursor, put_varint};

/// Term and index of an entry, in that order, as consensus compares them.
pub type LogPosition = (u64, u64);

/// What a replica promised in an election.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Vote {
    /// The term that was voted in.
    pub term: u64,
    /// The node that was voted for.
    pub node: u64,
    /// Whether a quorum granted it.
    pub committed: bool,
}

/// The ends of a shard's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct LogBounds {
    /// The last entry that was purged; entries start right after it.
    pub purged: Option<LogPosition>,
    /// The last entry, or the last purged one if there is none after it.
    pub last: Option<LogPosition>,
}

/// Up to where the log has been applied to the rows, kept in the same write as the rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppliedMark {
    /// Term of the last applied entry.
    pub term: u64,
    /// Index of the last applied entry.
    pub index: u64,
    /// The membership in force there, opaque to storage.
    pub membership: Bytes,
}

const MARK_VERSION: u8 = 1;

impl AppliedMark {
    /// Term and index.
    pub fn position(&self) -> LogPosition {
        (self.term, self.index)
    }

    /// Canonical bytes: version, term, index (big-endian), length and bytes of the membership.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(1 + 16 + 5 + self.membership.len());
        out.push(MARK_VERSION);
        out.extend_from_slice(&self.term.to_be_bytes());
        out.extend_from_slice(&self.index.to_be_bytes());
        put_varint(&mut out, self.membership.len() as u64);
        out.extend_from_slice(&self.membership);
        out
    }

    /// Reads what [`encode`](Self::encode) wrote, with nothing left over.
    ///
    /// # Errors
    /// Bytes that are short, long or of another version.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut cursor = Cursor::new(bytes);
        cursor.version(MARK_VERSION)?;
        let term = cursor.u64()?;
        let index = cursor.u64()?;
        let membership = Bytes::copy_from_slice(cursor.prefixed()?);
        cursor.finish()?;
        Ok(Self { term, index, membership })
    }
}
