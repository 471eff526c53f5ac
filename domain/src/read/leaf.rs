//! Entries of the audit record, by index.

use bytes::Bytes;

use crate::event::Body;
use crate::ids::ShardId;
use crate::keys;
use crate::record::{Header, entry_hash};
use crate::record_block::{Recorded, decode_record};
use crate::rows::{Rows, Table};
use crate::sealed::Commitment;
use crate::stage::sound;
use crate::tree::Hash;

/// What a leaf is made of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Leaf {
    /// The header.
    pub header: Header,
    /// What is kept of the content.
    pub body: Body,
}

impl Leaf {
    /// The commitment to the content, made again from salt and content where they are kept.
    pub fn commitment(&self) -> Commitment {
        self.body.commitment()
    }

    /// Its hash in the tree.
    pub fn hash(&self) -> Hash {
        entry_hash(&self.header.encode(), &self.commitment())
    }
}

/// The entry at `index` in the record of `shard`.
pub fn leaf<R: Rows>(rows: &R, shard: ShardId, index: u64) -> Result<Option<Leaf>, R::Error> {
    Ok(match recorded(rows, index)? {
        None => None,
        Some(Recorded::Whole { header, salt, content }) => Some(Leaf { header, body: Body::Kept { salt, content } }),
        Some(Recorded::InRoom { room, seq }) => {
            super::event(rows, room, seq)?.map(|row| Leaf { header: row.header(shard, room, seq), body: row.body })
        }
    })
}

/// Where the entry at `index` is, if there is one.
fn recorded<R: Rows>(rows: &R, index: u64) -> Result<Option<Recorded>, R::Error> {
    let mut found = None;
    rows.scan(Table::Record, &index.to_be_bytes(), &keys::end_of(&[]), false, &mut |key, value| {
        let last = u64::from_be_bytes(key.try_into().expect("record keys are indexes"));
        let mut entries = sound(decode_record(&Bytes::copy_from_slice(value)), Table::Record);
        let back = usize::try_from(last - index).unwrap_or(usize::MAX);
        found = (back < entries.len()).then(|| entries.swap_remove(entries.len() - 1 - back));
        false
    })?;
    Ok(found)
}
