//! Formats come back as they were written, and no bytes make their readers panic.

use bytes::Bytes;
use proptest::prelude::*;

use super::any_commands;
use crate::batch::Batch;
use crate::fuzzing::row;
use crate::meta::{MetaBatch, MetaCommand, MetaOutcome};
use crate::outcome::Outcome;
use crate::record::Header;
use crate::rows::{MemRows, Table};
use crate::shard::Shard;
use crate::testkit::SHARD;

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
            prop_assert_eq!(row(table, key, value), Ok(value.to_vec()), "{:?}", table);
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
            let _ = row(table, &[9; 24], &bytes);
        }
        let _ = (Batch::decode(&bytes), Header::decode(&bytes), Outcome::decode(&bytes));
        let _ = (MetaBatch::decode(&bytes), MetaCommand::decode(&bytes), MetaOutcome::decode(&bytes));
    }
}
