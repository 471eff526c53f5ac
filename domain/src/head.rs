//! The head of a shard: what apply carries from one batch to the next.

use crate::bug::{self, Bug};
use crate::tree::Frontier;
use crate::wire::{CodecError, Reader, Write};

const VERSION: u8 = 1;

/// A shard's head.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Head {
    /// The newest entry's time, microseconds UTC.
    pub(crate) last_us: i64,
    /// The newest policy version that permitted anything here.
    pub(crate) policy: u64,
    /// The next entry's index.
    pub(crate) size: u64,
    /// The record's tree, without what the batch under way has added.
    pub(crate) frontier: Frontier,
}

impl Head {
    /// The time of the next entry: never before the leader's stamp, always after the entry before.
    pub(crate) fn next_time(&self, stamp_us: i64) -> i64 {
        if self.size == 0 || bug::is(Bug::TimeRunsBack) {
            stamp_us
        } else {
            stamp_us.max(self.last_us.saturating_add(1))
        }
    }

    pub(crate) fn encode_to(&self, out: &mut Vec<u8>) {
        out.put_u8(VERSION);
        out.put_i64(self.last_us);
        out.put_varint(self.policy);
        out.put_u64(self.size);
        for node in self.frontier.nodes() {
            out.put_array(node);
        }
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut r = Reader::new(bytes, "head row");
        r.version(VERSION)?;
        let (last_us, policy, size) = (r.i64()?, r.varint()?, r.u64()?);
        let mut nodes = Vec::with_capacity(size.count_ones() as usize);
        for _ in 0..size.count_ones() {
            nodes.push(r.array()?);
        }
        r.end()?;
        Ok(Self { last_us, policy, size, frontier: Frontier::from_parts(size, nodes) })
    }
}
