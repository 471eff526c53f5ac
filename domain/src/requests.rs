//! The requests that a shard has answered. Whatever is above the highest id that a person has used in a scope is new, and nothing
//! is read for it; clients that draw ascending ids never cause a read.

use std::collections::BTreeMap;

use crate::cache::Cache;
use crate::command::Command;
use crate::dedup::DedupRow;
use crate::ids::RequestId;
use crate::keys;
use crate::request_block::RequestBlock;
use crate::rows::{Change, Rows, Table};
use crate::stage::sound;

const LOWEST: RequestId = RequestId::from_bytes([0; 16]);
const HIGHEST: RequestId = RequestId::from_bytes([0xff; 16]);

/// A person and a scope: within it an id is one request.
pub(crate) type Owner = [u8; 32];

/// Highest ids, lately used.
pub(crate) type Newest = Cache<Owner, RequestId>;

/// Whose request it is.
pub(crate) fn owner(command: &Command) -> Owner {
    keys::pair(command.actor.as_bytes(), &command.action.scope(command.actor))
}

/// What batches add to the memory of requests, before it is committed.
#[derive(Default)]
pub(crate) struct Requests {
    /// Of the batch under way, above all ids before it.
    fresh: BTreeMap<Owner, RequestBlock>,
    /// Blocks that were added or changed.
    blocks: BTreeMap<[u8; 48], RequestBlock>,
}

impl Requests {
    /// The first answer to a request, if there was one.
    pub(crate) fn find<R: Rows>(
        &self,
        rows: &R,
        newest: &mut Newest,
        owner: &Owner,
        id: RequestId,
    ) -> Result<Option<DedupRow>, R::Error> {
        if self.is_new(rows, newest, owner, id)? {
            return Ok(None);
        }
        if let Some(fresh) = self.fresh.get(owner).filter(|block| block.spans(id)) {
            return Ok(sound(fresh.get(id), Table::Dedup));
        }
        let block = self.block(rows, owner, id)?;
        Ok(block.and_then(|block| sound(block.get(id), Table::Dedup)))
    }

    /// Keeps the first answer to a request that has none yet.
    pub(crate) fn keep<R: Rows>(
        &mut self,
        rows: &R,
        newest: &mut Newest,
        owner: &Owner,
        id: RequestId,
        row: &[u8],
    ) -> Result<(), R::Error> {
        if self.is_new(rows, newest, owner, id)? {
            newest.put(*owner, id);
            let Some(fresh) = self.fresh.get_mut(owner) else {
                self.fresh.insert(*owner, RequestBlock::new(id, row));
                return Ok(());
            };
            fresh.push(id, row);
            if fresh.is_full() {
                let full = self.fresh.remove(owner).expect("it is there");
                self.add(owner, full);
            }
            return Ok(());
        }
        let late = match self.fresh.get_mut(owner).filter(|block| block.spans(id)) {
            Some(fresh) => sound(fresh.insert(id, row), Table::Dedup),
            None => match self.block(rows, owner, id)?.filter(|block| block.spans(id)) {
                Some(mut block) => {
                    let lower = sound(block.insert(id, row), Table::Dedup);
                    self.add(owner, block);
                    lower
                }
                None => Some(RequestBlock::new(id, row)),
            },
        };
        if let Some(block) = late {
            self.add(owner, block);
        }
        Ok(())
    }

    /// Ends a batch, and with it its blocks.
    pub(crate) fn end_batch(&mut self) {
        for (owner, block) in std::mem::take(&mut self.fresh) {
            self.add(&owner, block);
        }
    }

    /// The rows to change.
    pub(crate) fn finish(self, changes: &mut Vec<Change>) {
        let change = |(key, block): ([u8; 48], RequestBlock)| Change {
            table: Table::Dedup,
            key: key.to_vec(),
            value: Some(block.into_bytes()),
        };
        changes.extend(self.blocks.into_iter().map(change));
    }

    fn add(&mut self, owner: &Owner, block: RequestBlock) {
        self.blocks.insert(keys::dedup(owner, block.last()), block);
    }

    /// Whether the id is above all that its owner has used.
    fn is_new<R: Rows>(&self, rows: &R, newest: &mut Newest, owner: &Owner, id: RequestId) -> Result<bool, R::Error> {
        let known = match newest.get(owner) {
            Some(known) => Some(*known),
            None => {
                let found = self.highest(rows, owner)?;
                found.inspect(|found| newest.put(*owner, *found))
            }
        };
        Ok(known.is_none_or(|known| id > known))
    }

    fn highest<R: Rows>(&self, rows: &R, owner: &Owner) -> Result<Option<RequestId>, R::Error> {
        if let Some(fresh) = self.fresh.get(owner) {
            return Ok(Some(fresh.last()));
        }
        let (from, to) = (keys::dedup(owner, LOWEST), keys::dedup(owner, HIGHEST));
        let here = self.blocks.range(from..=to).next_back().map(|(_, block)| block.last());
        let mut stored = None;
        rows.scan(Table::Dedup, &from, &keys::after(&to), true, &mut |key, _| {
            stored = Some(keys::last_request(key));
            false
        })?;
        Ok(here.max(stored))
    }

    /// The only block, but for the fresh one, that may hold the id.
    fn block<R: Rows>(&self, rows: &R, owner: &Owner, id: RequestId) -> Result<Option<RequestBlock>, R::Error> {
        let (from, to) = (keys::dedup(owner, id), keys::dedup(owner, HIGHEST));
        let here = self.blocks.range(from..=to).next().map(|(_, block)| block);
        let stored = block(rows, owner, id)?;
        Ok(match (here, stored) {
            (Some(here), Some(stored)) if stored.last() < here.last() => Some(stored),
            (Some(here), _) => Some(here.clone()),
            (None, stored) => stored,
        })
    }
}

/// The first answer to a request, as far as these rows know.
pub(crate) fn find<R: Rows>(rows: &R, owner: &Owner, id: RequestId) -> Result<Option<DedupRow>, R::Error> {
    Ok(block(rows, owner, id)?.and_then(|block| sound(block.get(id), Table::Dedup)))
}

fn block<R: Rows>(rows: &R, owner: &Owner, id: RequestId) -> Result<Option<RequestBlock>, R::Error> {
    let (from, to) = (keys::dedup(owner, id), keys::after(&keys::dedup(owner, HIGHEST)));
    let mut found = None;
    rows.scan(Table::Dedup, &from, &to, false, &mut |_, value| {
        found = Some(sound(RequestBlock::decode(value), Table::Dedup));
        false
    })?;
    Ok(found)
}
