//! The leaves that batches add to the record's tree: hashed when their batch ends, two at a time, as two cost less than twice one.

use crate::changes::Changes;
use crate::hash::{pairs, sha256, sha256_both};
use crate::limits::LEAVES_PER_ROW;
use crate::record::Header;
use crate::rows::Table;
use crate::sealed::Commitment;
use crate::tree::{Frontier, Hash, LEAF};
use crate::wire::Write;

/// Leaves on their way into the tree and into rows.
#[derive(Default)]
pub(crate) struct Leaves {
    /// The hashes since the last full row of them.
    tail: Vec<Hash>,
    /// What those of the batch under way are hashes of, one behind the other, and where each ends.
    unhashed: Vec<u8>,
    ends: Vec<usize>,
    /// Empty between batches: its memory is used again.
    hashes: Vec<Hash>,
}

impl Leaves {
    /// Those since the last full row of them are known.
    pub(crate) fn new(tail: Vec<Hash>) -> Self {
        Self { tail, ..Self::default() }
    }

    /// Adds an entry of the batch under way.
    pub(crate) fn push(&mut self, header: &Header, commitment: &Commitment) {
        self.unhashed.put_u8(LEAF);
        header.encode_to(&mut self.unhashed);
        self.unhashed.put_array(&commitment.0);
        self.ends.push(self.unhashed.len());
    }

    /// Ends a batch: its entries become leaves of the tree, and full rows.
    pub(crate) fn end_batch(&mut self, tree: &mut Frontier, changes: &mut Changes) {
        let mut start = 0;
        let entries = self.ends.iter().map(|end| &self.unhashed[std::mem::replace(&mut start, *end)..*end]);
        for entries in pairs(entries) {
            match entries {
                (one, Some(other)) => self.hashes.extend(sha256_both([one, other])),
                (one, None) => self.hashes.push(sha256(one)),
            }
        }
        self.unhashed.clear();
        self.ends.clear();
        for (leaf, size) in self.hashes.iter().zip(tree.size() + 1..) {
            self.tail.push(*leaf);
            if size % LEAVES_PER_ROW == 0 {
                let row = size / LEAVES_PER_ROW - 1;
                changes.put_long(Table::Leaves, &row.to_be_bytes(), self.tail.concat());
                self.tail.clear();
            }
        }
        tree.extend(&mut self.hashes);
    }
}
