//! Entries of the audit record, by index.

use crate::ids::ShardId;
use crate::record::{Header, RecordRow, entry_hash};
use crate::rows::{Rows, Table};
use crate::sealed::Commitment;
use crate::stage::sound;
use crate::tree::Hash;

/// What a leaf is made of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Leaf {
    /// The header.
    pub header: Header,
    /// The commitment to the content, made again from salt and content where they are kept.
    pub commitment: Commitment,
}

impl Leaf {
    /// Its hash in the tree.
    pub fn hash(&self) -> Hash {
        entry_hash(&self.header.encode(), &self.commitment)
    }
}

/// The entry at `index` in the record of `shard`.
pub fn leaf<R: Rows>(rows: &R, shard: ShardId, index: u64) -> Result<Option<Leaf>, R::Error> {
    let Some(row) = rows.get(Table::Record, &index.to_be_bytes())? else {
        return Ok(None);
    };
    Ok(match sound(RecordRow::decode(&row), Table::Record) {
        RecordRow::Whole { header, salt, content } => Some(Leaf { header, commitment: salt.commit(&content.bytes) }),
        RecordRow::Event { room, seq } => super::event(rows, room, seq)?
            .map(|row| Leaf { header: row.header(shard, room, seq), commitment: row.commitment() }),
    })
}
