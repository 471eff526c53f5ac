//! Rows: a target for each table whose rows say something. They come from disks, and in snapshots from other nodes.

use bytes::Bytes;
use hansard_domain::fuzzing::{EVENT_KEY_BYTES, answer, row};
use hansard_domain::limits::SLOTS;
use hansard_domain::{CodecError, Table};

use crate::corpus::golden::{lines, whole};
use crate::law::{canonical, one_form, settles};
use crate::target::{Target, Verdict};

macro_rules! target {
    ($name:literal, $table:ident) => {
        Target::new($name, || of(Table::$table), |input| canonical(input, |bytes| again(Table::$table, bytes)))
    };
}

pub(super) const TARGETS: [Target; 17] = [
    target!("rows/head", Head),
    target!("rows/room", Room),
    target!("rows/member", Member),
    Target::new("rows/event", events, event).allowed(16 << 10, 96),
    // Places have two bytes at least; each becomes an entry of some hundred.
    Target::new("rows/record", records, record).allowed(16 << 10, 512),
    Target::new("rows/requests", || dedups(2), |input| canonical(input, |bytes| again(Table::Dedup, bytes))),
    Target::new("rows/request", || dedups(1), request),
    target!("rows/read-mark", ReadMark),
    target!("rows/person", Person),
    target!("rows/subject", Subject),
    target!("rows/node", Node),
    target!("rows/shard", Shard),
    Target::new("rows/slots", slots, |input| canonical(input, |bytes| again(Table::Slot, bytes))),
    target!("rows/moved", Moved),
    target!("rows/revoked", Revoked),
    target!("rows/epoch", Epoch),
    target!("rows/cluster", Cluster),
];

/// Rows of this table in the golden files.
fn of(table: Table) -> Vec<Vec<u8>> {
    keyed(table).into_iter().map(|(_, value)| value).collect()
}

fn keyed(table: Table) -> Vec<(Vec<u8>, Vec<u8>)> {
    let files = [
        include_str!("../../../../domain/tests/golden/rows.hex"),
        include_str!("../../../../domain/tests/golden/meta_rows.hex"),
    ];
    let rows = files.into_iter().flat_map(lines).filter_map(|(name, value)| {
        let (found, key) = name.split_once(' ')?;
        (found == format!("{table:?}")).then(|| (whole(key), value))
    });
    rows.collect()
}

fn again(table: Table, bytes: &[u8]) -> Result<Vec<u8>, CodecError> {
    row(table, &[], &Bytes::copy_from_slice(bytes))
}

/// The version, and the shard of each slot.
fn slots() -> Vec<Vec<u8>> {
    vec![[vec![1], [0, 3].repeat(SLOTS)].concat()]
}

/// The key before the value: the key's seq says which seqs the block has.
fn events() -> Vec<Vec<u8>> {
    keyed(Table::Event).into_iter().map(|(key, value)| [key, value].concat()).collect()
}

fn event(input: &[u8]) -> Verdict {
    canonical(input, |bytes| {
        let (key, value) = bytes.split_at_checked(EVENT_KEY_BYTES).ok_or(CodecError::Truncated("key"))?;
        let written = row(Table::Event, key, &Bytes::copy_from_slice(value))?;
        Ok::<_, CodecError>([key, &written].concat())
    })
}

fn records() -> Vec<Vec<u8>> {
    of(Table::Record)
}

/// A block may name rooms in any order; the writer has one.
fn record(input: &[u8]) -> Verdict {
    settles(input, |bytes| again(Table::Record, bytes))
}

fn request(input: &[u8]) -> Verdict {
    one_form(input, |bytes| answer(&Bytes::copy_from_slice(bytes)))
}

/// Blocks have version 2, the single answers of meta 1.
fn dedups(version: u8) -> Vec<Vec<u8>> {
    of(Table::Dedup).into_iter().filter(|row| row[0] == version).collect()
}
