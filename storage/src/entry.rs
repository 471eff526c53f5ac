//! One entry of a shard's log, framed once for the log and for replication.

use bytes::{BufMut, Bytes, BytesMut};

use crate::codec::{CodecError, Cursor};

/// Longest payload of one entry, in bytes: a batch of commands (256 KiB) with room for what wraps it.
pub const MAX_ENTRY_BYTES: usize = 1 << 20;

const VERSION: u8 = 1;
/// Version, term, index, payload length.
const HEADER: usize = 1 + 8 + 8 + 4;
const CRC: usize = 4;

/// Why framed bytes are not an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is not a log entry: {0}")]
pub struct EntryError(#[from] CodecError);

/// An entry: where it stands, its payload, and the frame that holds both.
///
/// The frame (`version ‖ term ‖ index ‖ payload length ‖ payload ‖ CRC32C`) is made once, by whoever makes
/// the entry; log and replication carry those very bytes. `payload` is a slice of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// Term of the leader that made it.
    pub term: u64,
    /// Place in the shard's log, from 1 (an index of 0 is allowed for bootstrapping).
    pub index: u64,
    /// What the entry says, opaque to storage.
    pub payload: Bytes,
    frame: Bytes,
}

impl LogEntry {
    /// Frames `payload`, which is copied for it. Whoever has the entry shares the frame; the log's writer, and each stream of
    /// replication, copies it once more into a buffer of its own.
    ///
    /// # Panics
    /// If the payload is longer than [`MAX_ENTRY_BYTES`].
    pub fn new(term: u64, index: u64, payload: &[u8]) -> Self {
        assert!(payload.len() <= MAX_ENTRY_BYTES, "an entry's payload is bounded by MAX_ENTRY_BYTES");
        let mut frame = BytesMut::with_capacity(HEADER + payload.len() + CRC);
        frame.put_u8(VERSION);
        frame.put_u64(term);
        frame.put_u64(index);
        frame.put_u32(payload.len() as u32);
        frame.put_slice(payload);
        frame.put_u32(crc32c::crc32c(&frame));
        let frame = frame.freeze();
        Self { term, index, payload: frame.slice(HEADER..HEADER + payload.len()), frame }
    }

    /// The framed bytes, shared: what the log stores and what replication sends.
    pub fn encoded(&self) -> Bytes {
        self.frame.clone()
    }

    /// Bytes of the frame.
    pub fn encoded_len(&self) -> usize {
        self.frame.len()
    }

    /// Term and index of a frame whose checksum was verified before.
    pub(crate) fn peek(frame: &[u8]) -> Result<(u64, u64), EntryError> {
        let mut cursor = Cursor::new(frame);
        cursor.version(VERSION)?;
        Ok((cursor.u64()?, cursor.u64()?))
    }

    /// Reads one frame; the entry keeps a reference to `frame` and copies nothing.
    ///
    /// # Errors
    /// Bytes that are short, long, of another version, over the limit, or whose checksum does not match.
    pub fn decode(frame: Bytes) -> Result<Self, EntryError> {
        Self::read(frame, true)
    }

    /// As [`decode`](Self::decode), for a frame that never left memory.
    pub(crate) fn trusted(frame: Bytes) -> Result<Self, EntryError> {
        Self::read(frame, false)
    }

    fn read(frame: Bytes, verify: bool) -> Result<Self, EntryError> {
        let mut cursor = Cursor::new(&frame);
        cursor.version(VERSION)?;
        let term = cursor.u64()?;
        let index = cursor.u64()?;
        let len = cursor.u32()? as usize;
        if len > MAX_ENTRY_BYTES {
            return Err(CodecError::Range.into());
        }
        cursor.take(len)?;
        let crc = cursor.u32()?;
        cursor.finish()?;
        if verify && crc != crc32c::crc32c(&frame[..HEADER + len]) {
            return Err(CodecError::Checksum.into());
        }
        Ok(Self { term, index, payload: frame.slice(HEADER..HEADER + len), frame })
    }
}
