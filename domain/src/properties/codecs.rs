//! Formats come back as they were written, and no bytes make their readers panic.

use bytes::Bytes;
use proptest::prelude::*;

use super::any_commands;
use crate::batch::Batch;
use crate::event_block::{EventBlock, decode_events};
use crate::head::Head;
use crate::keys;
use crate::member::Member;
use crate::meta::{MetaBatch, MetaCommand, MetaOutcome};
use crate::outcome::Outcome;
use crate::read::mark;
use crate::record::Header;
use crate::record_block::{RecordBlock, decode_record};
use crate::request_block::RequestBlock;
use crate::room::Room;
use crate::rows::{MemRows, Table};
use crate::shard::Shard;
use crate::testkit::SHARD;

/// Reads a row as its table's format; writes it again.
fn again(table: Table, key: &[u8], bytes: &Bytes) -> Option<Vec<u8>> {
    match table {
        Table::Head => Head::decode(bytes).ok().map(|v| v.encode()),
        Table::Room => Room::decode(bytes).ok().map(|v| v.encode()),
        Table::Member => Member::decode(bytes).ok().map(|v| v.encode()),
        Table::Event => decode_events(keys::last_seq(key), bytes).ok().and_then(|entries| {
            let mut block = EventBlock::new(entries.first()?.0);
            entries.iter().for_each(|(_, row)| block.push(row));
            Some(block.into_bytes())
        }),
        Table::Record => decode_record(bytes).ok().and_then(|entries| {
            let mut block = RecordBlock::default();
            entries.iter().for_each(|entry| block.push(entry));
            block.take()
        }),
        Table::Dedup => RequestBlock::decode(bytes).ok().map(RequestBlock::into_bytes),
        Table::ReadMark => mark::decode(bytes).ok().map(mark::encode),
        _ => Some(bytes.to_vec()),
    }
}

const TABLES: [Table; 7] =
    [Table::Head, Table::Room, Table::Member, Table::Event, Table::Record, Table::Dedup, Table::ReadMark];

proptest! {
    #[test]
    fn batches_and_rows_come_back(commands in any_commands()) {
        let batch = Batch { commands };
        let bytes = batch.encode();
        prop_assert!(bytes.len() <= batch.commands.iter().map(|c| c.encoded_len()).sum::<usize>() + 8);
        prop_assert_eq!(Batch::decode(&bytes), Ok(batch.clone()));
        let mut rows = MemRows::default();
        let Ok(mut shard) = Shard::load(SHARD, &rows);
        let Ok(applied) = shard.apply(&rows, &[&batch]);
        rows.commit(&applied.changes);
        for (table, key, value) in rows.iter() {
            prop_assert_eq!(again(table, key, value), Some(value.to_vec()), "{:?}", table);
        }
    }

    #[test]
    fn damaged_batches_are_refused_or_read(commands in any_commands(), at: prop::sample::Index, byte: u8, cut: prop::sample::Index) {
        let mut bytes = Batch { commands }.encode().to_vec();
        let (at, cut) = (at.index(bytes.len()), cut.index(bytes.len()));
        bytes[at] = byte;
        if let Ok(batch) = Batch::decode(&bytes.clone().into()) {
            prop_assert_eq!(&batch.encode()[..], &bytes[..], "one encoding for each batch");
        }
        bytes.truncate(cut);
        prop_assert!(Batch::decode(&bytes.into()).is_err(), "a cut batch is none");
    }

    #[test]
    fn arbitrary_bytes_never_panic(mut bytes: Vec<u8>, versioned: bool) {
        if versioned && let Some(first) = bytes.first_mut() {
            *first = 1 + *first % 2;
        }
        let bytes = Bytes::from(bytes);
        for table in TABLES {
            let _ = again(table, &[9; 24], &bytes);
        }
        let _ = (Batch::decode(&bytes), Header::decode(&bytes), Outcome::decode(&bytes));
        let _ = (MetaBatch::decode(&bytes), MetaCommand::decode(&bytes), MetaOutcome::decode(&bytes));
    }
}
