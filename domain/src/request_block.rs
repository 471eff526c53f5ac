//! First answers to a person's requests in one scope, in one row: ids that ascend, as clients draw them, cost one row for all that
//! a batch holds of them.
//!
//! Key: person, scope, last id. Value, version 2 (1 was a single answer): version u8, number of answers u16, and of each, ascending,
//! the request's id, the length u16 and the bytes of its [`DedupRow`]. Blocks of a person and scope do not overlap: the first
//! whose last id is not below an id is the only one that may hold it.

use bytes::Bytes;

use crate::dedup::DedupRow;
use crate::ids::RequestId;
use crate::small::Small;
use crate::wire::{CodecError, Reader};

const VERSION: u8 = 2;
const WHAT: &str = "block of requests";
/// Version and number.
const HEAD: usize = 3;
/// A block that reached so many bytes takes no more: an id that comes late writes its block again.
const FULL_BYTES: usize = 4 * 1_024;

/// Requests in the order of their ids.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct RequestBlock {
    first: RequestId,
    last: RequestId,
    count: u16,
    bytes: Small,
}

impl RequestBlock {
    /// A block of one request.
    pub(crate) fn new(id: RequestId, row: &[u8]) -> Self {
        let mut bytes = Small::default();
        bytes.extend(&[VERSION, 0, 0]);
        let mut block = Self { first: id, last: id, count: 0, bytes };
        block.add(id, row);
        block
    }

    /// A stored block.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let items = items(bytes)?;
        let ids = items.first().zip(items.last()).map(|((first, _), (last, _))| (*first, *last));
        let (first, last) = ids.ok_or(CodecError::Malformed(WHAT))?;
        let mut stored = Small::default();
        stored.extend(bytes);
        Ok(Self { first, last, count: items.len() as u16, bytes: stored })
    }

    /// The highest id.
    pub(crate) fn last(&self) -> RequestId {
        self.last
    }

    /// Whether the id is between the lowest and the highest.
    pub(crate) fn spans(&self, id: RequestId) -> bool {
        (self.first..=self.last).contains(&id)
    }

    /// Whether it should take no more.
    pub(crate) fn is_full(&self) -> bool {
        self.bytes.len() >= FULL_BYTES
    }

    /// Adds the request with the next higher id.
    pub(crate) fn push(&mut self, id: RequestId, row: &[u8]) {
        assert!(id > self.last, "ids of a block ascend");
        self.last = id;
        self.add(id, row);
    }

    /// Adds a request between the others. What is too large then is halved: the lower half is given back.
    pub(crate) fn insert(&mut self, id: RequestId, row: &[u8]) -> Result<Option<Self>, CodecError> {
        let full = self.is_full();
        let bytes = std::mem::take(&mut self.bytes);
        let mut all = items(&bytes)?;
        let at = all.partition_point(|(known, _)| *known < id);
        assert!(all.get(at).is_some_and(|(next, _)| *next > id), "the id is new, and not the last");
        all.insert(at, (id, row));
        let lower = if full { all.len() / 2 } else { 0 };
        let upper = all.split_off(lower);
        *self = Self::of(&upper).expect("it holds the last");
        Ok(Self::of(&all))
    }

    /// The answer to a request.
    pub(crate) fn get(&self, id: RequestId) -> Result<Option<DedupRow>, CodecError> {
        let items = items(&self.bytes)?;
        let found = items.binary_search_by_key(&id, |(known, _)| *known).ok();
        found.map(|at| DedupRow::decode(&Bytes::copy_from_slice(items[at].1))).transpose()
    }

    /// The row's value.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn of(items: &[(RequestId, &[u8])]) -> Option<Self> {
        let ((first, row), rest) = items.split_first()?;
        let mut block = Self::new(*first, row);
        rest.iter().for_each(|(id, row)| block.push(*id, row));
        Some(block)
    }

    fn add(&mut self, id: RequestId, row: &[u8]) {
        let len = u16::try_from(row.len()).expect("answers are short");
        self.bytes.extend(id.as_bytes());
        self.bytes.extend(&len.to_be_bytes());
        self.bytes.extend(row);
        self.count = self.count.checked_add(1).expect("it is full long before");
        self.bytes[1..HEAD].copy_from_slice(&self.count.to_be_bytes());
    }
}

/// The requests of a stored block, at least one, and the bytes of their answers.
pub(crate) fn items(bytes: &[u8]) -> Result<Vec<(RequestId, &[u8])>, CodecError> {
    let mut r = Reader::new(bytes, WHAT);
    r.version(VERSION)?;
    let count = r.u16()?;
    let mut items: Vec<(RequestId, &[u8])> = Vec::with_capacity(usize::from(count).min(bytes.len() / 18));
    for _ in 0..count {
        let id = RequestId::from_bytes(r.array()?);
        let len = usize::from(r.u16()?);
        let row = r.take(len)?;
        if items.last().is_some_and(|(last, _)| *last >= id) {
            return Err(r.malformed());
        }
        items.push((id, row));
    }
    r.end()?;
    if items.is_empty() { Err(CodecError::Malformed(WHAT)) } else { Ok(items) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dedup::Proof;
    use crate::outcome::Outcome;

    fn id(number: u8) -> RequestId {
        RequestId::from_bytes([number; 16])
    }

    fn answer(seq: u64) -> Vec<u8> {
        DedupRow::encode(1, &Outcome::Committed { seq, time_us: 1, repeated: false }, &Proof::Event, |_| {})
    }

    fn seq(block: &RequestBlock, number: u8) -> Option<u64> {
        block.get(id(number)).unwrap().map(|row| match row.outcome {
            Outcome::Committed { seq, .. } => seq,
            Outcome::Refused(_) => 0,
        })
    }

    #[test]
    fn requests_are_found_and_come_late() {
        let mut block = RequestBlock::new(id(2), &answer(2));
        block.push(id(6), &answer(6));
        assert_eq!(block.insert(id(4), &answer(4)), Ok(None));
        assert_eq!([2, 3, 4, 6, 7].map(|number| seq(&block, number)), [Some(2), None, Some(4), Some(6), None]);
        assert!(block.spans(id(2)) && block.spans(id(5)) && !block.spans(id(1)) && !block.spans(id(7)));
        assert_eq!(RequestBlock::decode(block.bytes()), Ok(block));
    }

    #[test]
    fn a_full_block_is_halved_when_it_takes_one_more() {
        let number = |n: u32| {
            let mut bytes = [0; 16];
            bytes[..4].copy_from_slice(&n.to_be_bytes());
            RequestId::from_bytes(bytes)
        };
        let mut block = RequestBlock::new(number(0), &answer(0));
        let mut last = 0;
        while !block.is_full() {
            last += 2;
            block.push(number(last), &answer(u64::from(last)));
        }
        let lower = block.insert(number(1), &answer(1)).unwrap().expect("the lower half");
        assert!(lower.last() < block.first && !lower.is_full() && !block.is_full());
        assert_eq!(block.last(), number(last));
        assert_eq!(u32::from(lower.count + block.count), last / 2 + 2);
        assert!(lower.get(number(1)).unwrap().is_some());
    }

    #[test]
    fn damage_is_an_error() {
        let mut block = RequestBlock::new(id(2), &answer(2));
        block.push(id(6), &answer(6));
        let bytes = block.bytes().to_vec();
        assert!(RequestBlock::decode(&bytes[..bytes.len() - 1]).is_err());
        assert!(RequestBlock::decode(&[VERSION, 0, 0]).is_err());
        let mut swapped = bytes.clone();
        swapped[HEAD] = 9;
        assert!(RequestBlock::decode(&swapped).is_err(), "ids ascend");
        for at in 0..HEAD {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert!(RequestBlock::decode(&damaged).is_err(), "{at}");
        }
    }
}
