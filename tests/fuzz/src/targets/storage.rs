//! What lies on disks: the log, the directory of the state, snapshots. Damage is what it all is checked for, so inputs are
//! mostly sealed again: then it is lies that must be seen.

use hansard_storage::{LogEntry, fuzzing as storage};

use crate::corpus::golden::whole;
use crate::law::{canonical, one_form};
use crate::target::{Seen, Target, Verdict};

pub(super) const TARGETS: [Target; 10] = [
    Target::new("storage/identity", identities, |input| canonical(input, storage::identity)).sealed(seal_end),
    Target::new("storage/segment-header", segment_headers, |input| one_form(input, segment_header)).sealed(seal_end),
    Target::new("storage/log-record", records, log_record).sealed(seal_record),
    Target::new("storage/log-after-a-break", breaks, log_after_a_break),
    Target::new("storage/log-entry", entries, log_entry).sealed(seal_end),
    Target::new("storage/applied-mark", marks, |input| canonical(input, storage::applied_mark)),
    Target::new("storage/applied-mark-row", mark_rows, |input| canonical(input, storage::applied_mark_row)),
    Target::new("storage/shard-row", shard_rows, |input| canonical(input, storage::directory_shard_row)),
    Target::new("storage/partial-row", partial_rows, |input| canonical(input, storage::directory_partial_row)),
    Target::new("storage/snapshot-chunk", chunks, |input| canonical(input, storage::snapshot_chunk)).sealed(seal_end),
];

/// A CRC32C over all before it, big-endian.
fn seal_end(input: &mut [u8]) {
    if let Some(body) = input.len().checked_sub(4) {
        let crc = crc32c::crc32c(&input[..body]);
        input[body..].copy_from_slice(&crc.to_be_bytes());
    }
}

/// The checksum of the first record, for as much of a body as it says it has.
fn seal_record(input: &mut [u8]) {
    const HEAD: usize = 32;
    let Some(len) = input.get(4..8).map(|len| u32::from_be_bytes(len.try_into().expect("four bytes"))) else { return };
    let Some(body) = input.get(HEAD..HEAD.saturating_add(len as usize)) else { return };
    let crc = crc32c::crc32c_append(crc32c::crc32c_append(storage::RECORD_SEED, &input[..HEAD - 4]), body);
    input[HEAD - 4..HEAD].copy_from_slice(&crc.to_be_bytes());
}

fn identities() -> Vec<Vec<u8>> {
    vec![whole(include_str!("../../../../storage/tests/golden/identity.hex"))]
}

fn segment_headers() -> Vec<Vec<u8>> {
    let golden = whole(include_str!("../../../../storage/tests/golden/segment_header.hex"));
    let header = storage::segment_header(&golden).expect("golden");
    vec![header]
}

/// A slot goes on to the end of its block: what follows the header does not matter.
fn segment_header(input: &[u8]) -> Result<Vec<u8>, hansard_storage::CodecError> {
    let mut written = storage::segment_header(input)?;
    written.extend_from_slice(&input[written.len()..]);
    Ok(written)
}

fn log() -> Vec<u8> {
    whole(include_str!("../../../../storage/tests/golden/records.hex"))
}

fn records() -> Vec<Vec<u8>> {
    let (log, mut at) = (log(), 0);
    let mut records = vec![];
    while at < log.len() {
        let record = storage::log_record(&log[at..]).expect("golden");
        at += record.len();
        records.push(record);
    }
    records
}

/// The first record; what follows it is another's.
fn log_record(input: &[u8]) -> Verdict {
    one_form(input, |bytes| {
        let mut written = storage::log_record(bytes)?;
        written.extend_from_slice(&bytes[written.len().min(bytes.len())..]);
        Ok::<_, hansard_storage::CodecError>(written)
    })
}

fn breaks() -> Vec<Vec<u8>> {
    vec![log(), [vec![0; 100], log(), vec![0; 4_096], log()].concat()]
}

/// Whatever is left after a break, each record in it is found once.
fn log_after_a_break(input: &[u8]) -> Verdict {
    const SMALLEST: usize = 32;
    match storage::records_after_a_break(input) {
        0 => Ok(Seen::Refused),
        found if found <= input.len() / SMALLEST => Ok(Seen::Taken),
        found => Err(format!("{found} records in {} bytes", input.len())),
    }
}

fn entries() -> Vec<Vec<u8>> {
    [&b"payload"[..], b"", &[7; 300]].map(|payload| LogEntry::new(3, 7, payload).encoded().to_vec()).to_vec()
}

fn log_entry(input: &[u8]) -> Verdict {
    canonical(input, |bytes| {
        let entry = LogEntry::decode(bytes.to_vec().into())?;
        Ok::<_, hansard_storage::EntryError>(LogEntry::new(entry.term, entry.index, &entry.payload).encoded().to_vec())
    })
}

fn marks() -> Vec<Vec<u8>> {
    vec![whole(include_str!("../../../../storage/tests/golden/applied_mark.hex"))]
}

fn partial_rows() -> Vec<Vec<u8>> {
    vec![whole(include_str!("../../../../storage/tests/golden/partial_row.hex"))]
}

fn mark_rows() -> Vec<Vec<u8>> {
    marks().into_iter().map(|mark| [7_u64.to_be_bytes().to_vec(), mark].concat()).collect()
}

fn shard_rows() -> Vec<Vec<u8>> {
    vec![whole(include_str!("../../../../storage/tests/golden/shard_row.hex"))]
}

fn chunks() -> Vec<Vec<u8>> {
    vec![whole(include_str!("../../../../storage/tests/golden/snapshot_chunk.hex"))]
}
