//! The blocks of entries that batches under way add to rooms or change.

use crate::cache::Place;
use crate::changes::Changes;
use crate::event::EventRow;
use crate::event_block::EventBlock;
use crate::ids::RoomId;
use crate::keys;
use crate::read::events;
use crate::rows::{Rows, Table};
use crate::stage::sound;

/// See the module.
#[derive(Default)]
pub(crate) struct RoomBlocks {
    rooms: Vec<UnderWay>,
    /// Those with entries in the batch under way.
    in_batch: Vec<u32>,
    /// Memory of blocks that are done with.
    spare: Vec<Vec<u8>>,
}

/// Buffers that are kept for later, of at most a full block each: those of the rooms of a large batch.
const SPARE: usize = 32;
/// Of a buffer that is kept: a full block's, but for the entry that crosses its bound.
const SPARE_BYTES: usize = 64 * 1_024;
/// Rooms and owners that memory is kept for from one commit to the next.
pub(crate) const KEPT: usize = 1_024;

/// A room's blocks.
struct UnderWay {
    room: RoomId,
    /// Where the room is remembered.
    place: Place,
    /// Its place in the list of the record's block, if it is there yet.
    listed: Option<u64>,
    /// Entries that the batch under way adds.
    fresh: Option<EventBlock>,
    /// Blocks that were added or changed, ascending.
    ended: Vec<EventBlock>,
}

impl UnderWay {
    fn add(&mut self, block: EventBlock) {
        match self.ended.last() {
            Some(last) if last.last() >= block.last() => {
                match self.ended.binary_search_by_key(&block.last(), EventBlock::last) {
                    Ok(at) => self.ended[at] = block,
                    Err(at) => self.ended.insert(at, block),
                }
            }
            _ => self.ended.push(block),
        }
    }

    fn end_batch(&mut self) {
        self.listed = None;
        if let Some(block) = self.fresh.take() {
            self.add(block);
        }
    }

    fn near(&self, seq: u64) -> Option<&EventBlock> {
        let ended = self.ended.get(self.ended.partition_point(|block| block.last() < seq));
        self.fresh.iter().chain(ended).find(|block| block.holds(seq))
    }
}

impl RoomBlocks {
    /// Begins with a room. From now on it is known by this number.
    pub(crate) fn begin(&mut self, room: RoomId, place: Place) -> u32 {
        self.rooms.push(UnderWay { room, place, listed: None, fresh: None, ended: Vec::new() });
        self.rooms.len() as u32 - 1
    }

    /// Adds a room's next entry. Says where the room stands in the list of the record's block; `list` gives it a place there.
    pub(crate) fn push(&mut self, number: u32, seq: u64, row: &EventRow, list: impl FnOnce(RoomId) -> u64) -> u64 {
        let room = &mut self.rooms[number as usize];
        let listed = *room.listed.get_or_insert_with(|| {
            self.in_batch.push(number);
            list(room.room)
        });
        let spare = &mut self.spare;
        let fresh = room.fresh.get_or_insert_with(|| EventBlock::new_in(spare.pop().unwrap_or_default(), seq));
        fresh.push(row);
        if fresh.is_full()
            && let Some(full) = room.fresh.take()
        {
            room.add(full);
        }
        listed
    }

    /// A room's entry, if a batch under way has added or changed its block.
    pub(crate) fn near(&self, number: u32, seq: u64) -> Option<EventRow> {
        self.rooms[number as usize].near(seq).map(|block| sound(block.get(seq), Table::Event))
    }

    /// Puts another row in the place of an entry that is there.
    pub(crate) fn replace<R: Rows>(&mut self, rows: &R, number: u32, seq: u64, row: &EventRow) -> Result<(), R::Error> {
        let room = &mut self.rooms[number as usize];
        if let Some(block) = room.fresh.as_mut().filter(|block| block.holds(seq)) {
            sound(block.replace(seq, row), Table::Event);
            return Ok(());
        }
        let mut block = match room.near(seq) {
            Some(block) => block.clone(),
            None => events::block(rows, room.room, seq)?.expect("the entry is there"),
        };
        sound(block.replace(seq, row), Table::Event);
        room.add(block);
        Ok(())
    }

    /// Ends a batch, and with it the blocks of its entries.
    pub(crate) fn end_batch(&mut self) {
        for number in self.in_batch.drain(..) {
            self.rooms[number as usize].end_batch();
        }
    }

    /// The rows to change; the last batch ends. `done` is told where each of the rooms is remembered.
    pub(crate) fn finish(&mut self, changes: &mut Changes, mut done: impl FnMut(Place)) {
        self.in_batch.clear();
        for UnderWay { room, place, fresh, ended, .. } in self.rooms.drain(..) {
            done(place);
            for block in ended.into_iter().chain(fresh) {
                let last = block.last();
                let bytes = block.into_bytes();
                changes.put_new(Table::Event, &keys::event(room, last), |out| out.extend_from_slice(&bytes));
                if self.spare.len() < SPARE && bytes.capacity() <= SPARE_BYTES {
                    self.spare.push(bytes);
                }
            }
        }
        self.rooms.shrink_to(KEPT);
        self.in_batch.shrink_to(KEPT);
    }
}
