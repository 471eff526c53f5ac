//! What batches do, before they are committed together: the rows that they have read, and those that they will change.
//!
//! Entries stand in blocks that end with their batch: so replicas that commit other batches together write the same rows.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;

use crate::cache::Cache;
use crate::dedup::DedupRow;
use crate::entry::RoomEvent;
use crate::event::EventRow;
use crate::event_block::EventBlock;
use crate::head::Head;
use crate::ids::{PersonId, RequestId, RoomId, ShardId};
use crate::keys;
use crate::limits::LEAVES_PER_ROW;
use crate::member::Member;
use crate::read::events;
use crate::record::{Header, entry_hash};
use crate::record_block::{RecordBlock, Recorded};
use crate::requests::{Newest, Owner, Requests};
use crate::room::Room;
use crate::rows::{Change, Rows, Table};
use crate::sealed::Commitment;
use crate::tree::Hash;
use crate::wire::CodecError;

/// The longest key, padded with zeros: unambiguous, as all keys of a table are equally long.
type IndexKey = (Table, [u8; 48]);

/// A row that is in use.
pub(crate) struct Held<T> {
    value: Option<T>,
    dirty: bool,
}

/// What stays in memory from batch to batch.
pub(crate) struct Warm {
    pub(crate) head: Head,
    /// The leaf hashes since the last full row of them.
    pub(crate) tail: Vec<Hash>,
    pub(crate) rooms: Cache<RoomId, Room>,
    pub(crate) members: Cache<(RoomId, PersonId), Member>,
    pub(crate) newest: Newest,
}

/// Batches under way.
pub(crate) struct Stage<'a, R: Rows> {
    pub(crate) shard: ShardId,
    pub(crate) rows: &'a R,
    pub(crate) warm: &'a mut Warm,
    rooms: HashMap<RoomId, Held<Room>>,
    members: HashMap<(RoomId, PersonId), Held<Member>>,
    /// Entries that the batch under way adds.
    fresh: HashMap<RoomId, EventBlock>,
    /// Blocks that were added or changed, by room and last seq.
    blocks: BTreeMap<(RoomId, u64), EventBlock>,
    requests: Requests,
    record: RecordBlock,
    changes: Vec<Change>,
    index: HashMap<IndexKey, usize>,
    pub(crate) events: Vec<RoomEvent>,
}

/// A row that was read, decoded. Damage that storage's checksums let through can't be repaired here, and going on would
/// make this replica differ from the others: it stops.
pub(crate) fn sound<T>(decoded: Result<T, CodecError>, table: Table) -> T {
    decoded.unwrap_or_else(|error| {
        panic!("a row of table {table:?} is damaged ({error}): wipe this node and let it join again")
    })
}

impl<'a, R: Rows> Stage<'a, R> {
    pub(crate) fn new(shard: ShardId, rows: &'a R, warm: &'a mut Warm, commands: usize) -> Self {
        Self {
            shard,
            rows,
            warm,
            rooms: HashMap::new(),
            members: HashMap::new(),
            fresh: HashMap::new(),
            blocks: BTreeMap::new(),
            requests: Requests::default(),
            record: RecordBlock::default(),
            changes: Vec::with_capacity(64),
            index: HashMap::new(),
            events: Vec::with_capacity(commands),
        }
    }

    /// Loads a room, so that `room` finds it.
    pub(crate) fn load_room(&mut self, id: RoomId) -> Result<(), R::Error> {
        if self.rooms.contains_key(&id) {
            return Ok(());
        }
        let value = match self.warm.rooms.take(&id) {
            Some(room) => Some(room),
            None => self.rows.get(Table::Room, id.as_bytes())?.map(|row| sound(Room::decode(&row), Table::Room)),
        };
        self.rooms.insert(id, Held { value, dirty: false });
        Ok(())
    }

    /// Loads a membership, so that `member` finds it.
    pub(crate) fn load_member(&mut self, room: RoomId, person: PersonId) -> Result<(), R::Error> {
        let id = (room, person);
        if self.members.contains_key(&id) {
            return Ok(());
        }
        let value = match self.warm.members.take(&id) {
            Some(member) => Some(member),
            None => {
                let row = self.rows.get(Table::Member, &keys::member(room, person))?;
                row.map(|row| sound(Member::decode(&row), Table::Member))
            }
        };
        self.members.insert(id, Held { value, dirty: false });
        Ok(())
    }

    /// A room that was loaded.
    pub(crate) fn room(&self, id: RoomId) -> Option<&Room> {
        self.rooms.get(&id)?.value.as_ref()
    }

    /// A room that was loaded and is there, to be changed.
    pub(crate) fn room_mut(&mut self, id: RoomId) -> &mut Room {
        let held = self.rooms.get_mut(&id).expect("the room was loaded");
        held.dirty = true;
        held.value.as_mut().expect("the room is there")
    }

    pub(crate) fn put_room(&mut self, id: RoomId, room: Room) {
        self.rooms.insert(id, Held { value: Some(room), dirty: true });
    }

    /// A membership that was loaded.
    pub(crate) fn member(&self, room: RoomId, person: PersonId) -> Option<&Member> {
        self.members.get(&(room, person))?.value.as_ref()
    }

    /// A membership that was loaded and is there, to be changed.
    pub(crate) fn member_mut(&mut self, room: RoomId, person: PersonId) -> &mut Member {
        let held = self.members.get_mut(&(room, person)).expect("the member was loaded");
        held.dirty = true;
        held.value.as_mut().expect("the member is there")
    }

    pub(crate) fn put_member(&mut self, room: RoomId, person: PersonId, member: Member) {
        self.members.insert((room, person), Held { value: Some(member), dirty: true });
    }

    /// A row of any other table, as these batches have left it.
    pub(crate) fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, R::Error> {
        match self.index.get(&index_key(table, key)) {
            Some(at) => Ok(self.changes[*at].value.as_ref().map(|value| Bytes::copy_from_slice(value))),
            None => self.rows.get(table, key),
        }
    }

    /// The first answer to a request, if there was one.
    pub(crate) fn first_answer(&mut self, owner: &Owner, id: RequestId) -> Result<Option<DedupRow>, R::Error> {
        self.requests.find(self.rows, &mut self.warm.newest, owner, id)
    }

    /// Keeps the first answer to a request that has none yet.
    pub(crate) fn keep_answer(&mut self, owner: &Owner, id: RequestId, row: &[u8]) -> Result<(), R::Error> {
        self.requests.keep(self.rows, &mut self.warm.newest, owner, id, row)
    }

    /// The entry at a seq.
    pub(crate) fn event(&self, room: RoomId, seq: u64) -> Result<Option<EventRow>, R::Error> {
        let near = self.fresh.get(&room).filter(|block| block.holds(seq)).or_else(|| self.block(room, seq));
        match near {
            Some(block) => Ok(Some(sound(block.get(seq), Table::Event))),
            None => events::event(self.rows, room, seq),
        }
    }

    /// Adds a room's next entry.
    pub(crate) fn add_event(&mut self, room: RoomId, seq: u64, row: &EventRow) {
        let block = self.fresh.entry(room).or_insert_with(|| EventBlock::new(seq));
        block.push(row);
        if block.is_full() {
            let full = self.fresh.remove(&room).expect("it is there");
            self.blocks.insert((room, full.last()), full);
        }
    }

    /// Puts another row in the place of an entry that is there.
    pub(crate) fn replace_event(&mut self, room: RoomId, seq: u64, row: &EventRow) -> Result<(), R::Error> {
        if let Some(block) = self.fresh.get_mut(&room).filter(|block| block.holds(seq)) {
            sound(block.replace(seq, row), Table::Event);
            return Ok(());
        }
        let mut block = match self.block(room, seq) {
            Some(block) => block.clone(),
            None => events::block(self.rows, room, seq)?.expect("the entry is there"),
        };
        sound(block.replace(seq, row), Table::Event);
        self.blocks.insert((room, block.last()), block);
        Ok(())
    }

    fn block(&self, room: RoomId, seq: u64) -> Option<&EventBlock> {
        let next = self.blocks.range((room, seq)..=(room, u64::MAX)).next();
        next.map(|(_, block)| block).filter(|block| block.holds(seq))
    }

    /// Changes a row; the last value of a batch counts.
    pub(crate) fn put(&mut self, table: Table, key: &[u8], value: Option<Vec<u8>>) {
        let at = *self.index.entry(index_key(table, key)).or_insert(self.changes.len());
        match self.changes.get_mut(at) {
            Some(change) => change.value = value,
            None => self.changes.push(Change { table, key: key.to_vec(), value }),
        }
    }

    /// Writes a row whose key is new, and which these batches will not read.
    fn put_new(&mut self, table: Table, key: &[u8], value: Vec<u8>) {
        self.changes.push(Change { table, key: key.to_vec(), value: Some(value) });
    }

    /// Adds the next entry to the record.
    pub(crate) fn record(&mut self, header: &Header, commitment: &Commitment, entry: &Recorded) {
        self.warm.head.last_us = header.time_us;
        self.record.push(entry);
        self.push_leaf(entry_hash(&header.encode(), commitment));
    }

    fn push_leaf(&mut self, leaf: Hash) {
        let warm = &mut *self.warm;
        warm.head.frontier.push(leaf);
        warm.tail.push(leaf);
        if warm.tail.len() as u64 == LEAVES_PER_ROW {
            let row = warm.head.frontier.size() / LEAVES_PER_ROW - 1;
            let value = warm.tail.concat();
            warm.tail.clear();
            self.put_new(Table::Leaves, &row.to_be_bytes(), value);
        }
    }

    /// Ends a batch, and with it the blocks of its entries.
    pub(crate) fn end_batch(&mut self) {
        for (room, block) in self.fresh.drain() {
            self.blocks.insert((room, block.last()), block);
        }
        self.requests.end_batch();
        if let Some(row) = self.record.take() {
            let last = self.warm.head.frontier.size() - 1;
            self.put_new(Table::Record, &last.to_be_bytes(), row);
        }
    }

    /// All changes, one for each row; what was in use becomes warm.
    pub(crate) fn finish(mut self) -> (Vec<Change>, Vec<RoomEvent>) {
        for ((room, last), block) in std::mem::take(&mut self.blocks) {
            self.put_new(Table::Event, &keys::event(room, last), block.into_bytes());
        }
        std::mem::take(&mut self.requests).finish(&mut self.changes);
        let mut rooms: Vec<_> = self.rooms.drain().collect();
        rooms.sort_unstable_by_key(|(id, _)| *id);
        for (id, held) in rooms {
            let Some(room) = held.value else { continue };
            if held.dirty {
                self.changes.push(Change {
                    table: Table::Room,
                    key: id.as_bytes().to_vec(),
                    value: Some(room.encode()),
                });
            }
            self.warm.rooms.put(id, room);
        }
        let mut members: Vec<_> = self.members.drain().collect();
        members.sort_unstable_by_key(|(id, _)| *id);
        for (id, held) in members {
            let Some(member) = held.value else { continue };
            if held.dirty {
                let key = keys::member(id.0, id.1).to_vec();
                self.changes.push(Change { table: Table::Member, key, value: Some(member.encode()) });
            }
            self.warm.members.put(id, member);
        }
        let head = self.warm.head.encode();
        self.changes.push(Change { table: Table::Head, key: keys::SINGLE.to_vec(), value: Some(head) });
        (self.changes, self.events)
    }
}

fn index_key(table: Table, key: &[u8]) -> IndexKey {
    let mut padded = [0; 48];
    padded[..key.len()].copy_from_slice(key);
    (table, padded)
}
