//! The requests that a shard has answered. Whatever is above the highest id that a person has used in a scope is new, and nothing
//! is read for it; clients that draw ascending ids never cause a read.

use crate::cache::{Cache, Place};
use crate::changes::Changes;
use crate::command::Command;
use crate::dedup::DedupRow;
use crate::ids::RequestId;
use crate::keys;
use crate::request_block::RequestBlock;
use crate::room_blocks::KEPT;
use crate::rows::{Rows, Table};
use crate::stage::sound;

const LOWEST: RequestId = RequestId::from_bytes([0; 16]);
const HIGHEST: RequestId = RequestId::from_bytes([0xff; 16]);

/// A person and a scope: within it an id is one request.
pub(crate) type Owner = [u8; 32];

/// Owners who lately asked for something.
pub(crate) type Newest = Cache<Owner, Asked>;

/// What is known of an owner's requests without a look at the rows.
pub(crate) struct Asked {
    highest: Option<RequestId>,
    /// Where [`Requests`] has the blocks that the batches under way add or change.
    under_way: Option<u32>,
}

/// Whose request it is.
pub(crate) fn owner(command: &Command) -> Owner {
    keys::pair(command.actor.as_bytes(), &command.action.scope(command.actor))
}

/// What batches add to the memory of requests, before it is committed.
#[derive(Default)]
pub(crate) struct Requests {
    owners: Vec<UnderWay>,
    /// Those with requests in the batch under way.
    in_batch: Vec<u32>,
}

/// An owner's blocks.
struct UnderWay {
    owner: Owner,
    place: Place,
    /// Of the batch under way, above all ids before it.
    fresh: Option<RequestBlock>,
    /// Blocks that were added or changed, ascending.
    ended: Vec<RequestBlock>,
}

impl UnderWay {
    fn add(&mut self, block: RequestBlock) {
        match self.ended.last() {
            Some(last) if last.last() >= block.last() => {
                match self.ended.binary_search_by_key(&block.last(), RequestBlock::last) {
                    Ok(at) => self.ended[at] = block,
                    Err(at) => self.ended.insert(at, block),
                }
            }
            _ => self.ended.push(block),
        }
    }

    fn end_batch(&mut self) {
        if let Some(block) = self.fresh.take() {
            self.add(block);
        }
    }
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
        let place = asked(rows, newest, owner)?;
        let Asked { highest, under_way } = newest.at(place);
        if highest.is_none_or(|highest| id > highest) {
            return Ok(None);
        }
        let under_way = under_way.map(|at| &self.owners[at as usize]);
        if let Some(fresh) = under_way.and_then(|blocks| blocks.fresh.as_ref()).filter(|block| block.spans(id)) {
            return Ok(sound(fresh.get(id), Table::Dedup));
        }
        let block = nearest(rows, under_way, owner, id)?;
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
        let place = asked(rows, newest, owner)?;
        let asked = newest.at_mut(place);
        let at = *asked.under_way.get_or_insert_with(|| {
            self.owners.push(UnderWay { owner: *owner, place, fresh: None, ended: Vec::new() });
            self.owners.len() as u32 - 1
        });
        let under_way = &mut self.owners[at as usize];
        if asked.highest.is_none_or(|highest| id > highest) {
            asked.highest = Some(id);
            match &mut under_way.fresh {
                Some(fresh) => fresh.push(id, row),
                None => {
                    under_way.fresh = Some(RequestBlock::new(id, row));
                    self.in_batch.push(at);
                }
            }
            if under_way.fresh.as_ref().is_some_and(RequestBlock::is_full) {
                under_way.end_batch();
            }
            return Ok(());
        }
        let late = match under_way.fresh.as_mut().filter(|block| block.spans(id)) {
            Some(fresh) => sound(fresh.insert(id, row), Table::Dedup),
            None => match nearest(rows, Some(under_way), owner, id)?.filter(|block| block.spans(id)) {
                Some(mut block) => {
                    let lower = sound(block.insert(id, row), Table::Dedup);
                    under_way.add(block);
                    lower
                }
                None => Some(RequestBlock::new(id, row)),
            },
        };
        if let Some(block) = late {
            under_way.add(block);
        }
        Ok(())
    }

    /// Ends a batch, and with it its blocks.
    pub(crate) fn end_batch(&mut self) {
        for at in self.in_batch.drain(..) {
            self.owners[at as usize].end_batch();
        }
    }

    /// The rows to change; the last batch ends.
    pub(crate) fn finish(&mut self, newest: &mut Newest, changes: &mut Changes) {
        self.in_batch.clear();
        for UnderWay { owner, place, fresh, ended } in self.owners.drain(..) {
            newest.at_mut(place).under_way = None;
            for block in ended.iter().chain(&fresh) {
                changes.put_new(Table::Dedup, &keys::dedup(&owner, block.last()), |out| {
                    out.extend_from_slice(block.bytes());
                });
            }
        }
        self.owners.shrink_to(KEPT);
        self.in_batch.shrink_to(KEPT);
        newest.trim();
    }
}

/// Where it is remembered what an owner has asked for.
fn asked<R: Rows>(rows: &R, newest: &mut Newest, owner: &Owner) -> Result<Place, R::Error> {
    if let Some(place) = newest.find(owner) {
        return Ok(place);
    }
    let (from, to) = (keys::dedup(owner, LOWEST), keys::dedup(owner, HIGHEST));
    let mut highest = None;
    rows.scan(Table::Dedup, &from, &keys::after(&to), true, &mut |key, _| {
        highest = Some(keys::last_request(key));
        false
    })?;
    Ok(newest.put(*owner, Asked { highest, under_way: None }))
}

/// The only block, but for the fresh one, that may hold the id.
fn nearest<R: Rows>(
    rows: &R,
    under_way: Option<&UnderWay>,
    owner: &Owner,
    id: RequestId,
) -> Result<Option<RequestBlock>, R::Error> {
    let here = under_way.and_then(|blocks| blocks.ended.get(blocks.ended.partition_point(|block| block.last() < id)));
    let stored = block(rows, owner, id)?;
    Ok(match (here, stored) {
        (Some(here), Some(stored)) if stored.last() < here.last() => Some(stored),
        (Some(here), _) => Some(here.clone()),
        (None, stored) => stored,
    })
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
