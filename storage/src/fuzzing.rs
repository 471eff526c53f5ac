//! For `tests/fuzz` and `tests/instructions`, not part of the library's interface: the readers of what lies on disks, which are private to the
//! crate, each followed by its writer. Bytes that a reader takes must be what the writer makes of them.

use bytes::Bytes;

use crate::codec::CodecError;
use crate::entry::LogEntry;
use crate::identity::Identity;
use crate::log::format::{RecordHeader, RecordKey, SegmentHeader, find_records, put_record, read_record};
use crate::log::record::Record;
use crate::mark::AppliedMark;
use crate::snapshot::format::{Chunk, ChunkBuilder};
use crate::snapshot::partial::PartialRow;
use crate::state::directory::{ShardRow, mark_row, read_mark_row, read_store_row, store_row};

/// `IDENTITY`.
///
/// # Errors
/// The reader's, here and below.
pub fn identity(bytes: &[u8]) -> Result<Vec<u8>, CodecError> {
    Identity::decode(bytes).map(|identity| identity.encode())
}

/// The applied mark, in snapshots.
pub fn applied_mark(bytes: &[u8]) -> Result<Vec<u8>, CodecError> {
    AppliedMark::decode(bytes).map(|mark| mark.encode())
}

/// The directory's row of an applied mark.
pub fn applied_mark_row(bytes: &[u8]) -> Result<Vec<u8>, CodecError> {
    read_mark_row(bytes).map(|(mark, logged)| mark_row(&mark, logged))
}

/// The directory's row of the store.
pub fn directory_store_row(bytes: &[u8]) -> Result<Vec<u8>, CodecError> {
    read_store_row(bytes).map(|(store, cluster)| store_row(store, cluster))
}

/// The directory's row of a shard.
pub fn directory_shard_row(bytes: &[u8]) -> Result<Vec<u8>, CodecError> {
    ShardRow::decode(bytes).map(|row| row.encode())
}

/// The directory's row of a snapshot that is not installed.
pub fn directory_partial_row(bytes: &[u8]) -> Result<Vec<u8>, CodecError> {
    PartialRow::decode(bytes).map(|row| row.encode())
}

/// A header slot of a log segment, without the zeros that fill its block.
pub fn segment_header(bytes: &[u8]) -> Result<Vec<u8>, CodecError> {
    let whole = SegmentHeader::decode(bytes)?.encode();
    Ok(whole[..SegmentHeader::BYTES].to_vec())
}

/// The store whose log's records these are, and those of the golden file.
const STORE: [u8; 16] = [0x77; 16];

/// What the checksums of its records start from.
pub const RECORD_SEED: u32 = 0x7777_7777;

/// A record of the log: the first one in `bytes`, and only that is given back.
pub fn log_record(bytes: &[u8]) -> Result<Vec<u8>, CodecError> {
    let (header, body) = read_record(RecordKey::of(STORE), bytes)?;
    let record = Record::decode(header.kind, &Bytes::copy_from_slice(body))?;
    let mut out = Vec::new();
    put_record(RecordKey::of(STORE), &mut out, &RecordHeader { kind: record.kind(), ..header }, &record.body());
    Ok(out)
}

/// An entry's record, as the log writes it.
pub fn entry_record(entry: &LogEntry) -> Vec<u8> {
    let record = Record::Entry(entry.encoded());
    let mut out = Vec::new();
    let header = RecordHeader { kind: record.kind(), lsn: 9, delta: 1, epoch: 2, shard: 3 };
    put_record(RecordKey::of(STORE), &mut out, &header, &record.body());
    out
}

/// How many records there are in what is left after a break of the log, wherever they start.
pub fn records_after_a_break(bytes: &[u8]) -> usize {
    find_records(RecordKey::of(STORE), bytes).count()
}

/// A chunk of a snapshot.
pub fn snapshot_chunk(bytes: &[u8]) -> Result<Vec<u8>, CodecError> {
    let chunk = Chunk::decode(bytes)?;
    let mut builder = ChunkBuilder::new(chunk.number, chunk.mark.as_ref());
    let taken = chunk.rows.iter().all(|(row, value)| builder.add(row, value));
    // A builder stops a little before the bound that readers keep.
    Ok(if taken { builder.finish(chunk.total).to_vec() } else { bytes.to_vec() })
}
