//! For `tests/fuzz`, not part of the library's interface: the readers of rows, which are private to the crate, each followed
//! by its writer. Bytes that a reader takes must be what the writer makes of them.

use std::collections::HashMap;

use bytes::Bytes;

use crate::dedup::DedupRow;
use crate::event_block::{EventBlock, decode_events};
use crate::head::Head;
use crate::keys;
use crate::member::Member;
use crate::meta;
use crate::read::mark;
use crate::record_block::{RecordBlock, Recorded, decode_record};
use crate::request_block::{RequestBlock, items};
use crate::room::Room;
use crate::rows::Table;
use crate::wire::CodecError;

/// Bytes of an event row's key.
pub const EVENT_KEY_BYTES: usize = 24;

/// Reads a row's value as its table's format, and writes it again. `key` matters in [`Table::Event`] only, where it has
/// [`EVENT_KEY_BYTES`]. Tables whose rows say nothing but by their key give the bytes back.
///
/// # Errors
/// The reader's.
pub fn row(table: Table, key: &[u8], bytes: &Bytes) -> Result<Vec<u8>, CodecError> {
    Ok(match table {
        Table::Head => {
            let row = Head::decode(bytes)?;
            written(|out| row.encode_to(out))
        }
        Table::Room => {
            let row = Room::decode(bytes)?;
            written(|out| row.encode_to(out))
        }
        Table::Member => {
            let row = Member::decode(bytes)?;
            written(|out| row.encode_to(out))
        }
        Table::Event => {
            let entries = decode_events(keys::last_seq(key), bytes)?;
            let mut block = EventBlock::new(entries.first().expect("a block has an entry").0);
            entries.iter().for_each(|(_, row)| block.push(row));
            assert_eq!(EventBlock::decode(keys::last_seq(key), bytes)?, block, "both readers read the same");
            block.into_bytes()
        }
        Table::Record => {
            let (mut block, mut places) = (RecordBlock::default(), HashMap::new());
            for entry in decode_record(bytes)? {
                match entry {
                    Recorded::InRoom { room, seq } => {
                        let place = *places.entry(room).or_insert_with(|| block.add_room(room));
                        block.push_in_room(place, seq);
                    }
                    Recorded::Whole { header, salt, content } => block.push_whole(&header, &salt, &content),
                }
            }
            written(|out| block.take(out))
        }
        Table::Dedup => {
            let answers = items(bytes)?.into_iter().map(|(id, row)| Ok((id, answer(&bytes.slice_ref(row))?)));
            let answers = answers.collect::<Result<Vec<_>, CodecError>>()?;
            let ((first, row), rest) = answers.split_first().expect("a block has an answer");
            let mut block = RequestBlock::new(*first, row);
            rest.iter().for_each(|(id, row)| block.push(*id, row));
            assert_eq!(RequestBlock::decode(bytes)?, block, "both readers read the same");
            block.bytes().to_vec()
        }
        Table::ReadMark => mark::encode(mark::decode(bytes)?),
        Table::PersonRoom | Table::Leaves | Table::PublicRoom => bytes.to_vec(),
        _ => meta::row(table, bytes)?,
    })
}

fn written(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out);
    out
}

/// Reads the answer to a request, as blocks hold them and meta's rows are, and writes it again.
///
/// # Errors
/// The reader's.
pub fn answer(bytes: &Bytes) -> Result<Vec<u8>, CodecError> {
    let row = DedupRow::decode(bytes)?;
    Ok(DedupRow::encode(row.action, &row.outcome, &row.proof, |out| out.extend_from_slice(&row.fields)))
}
