//! What batches do, before they are committed together: the rows that they have read, and those that they will change.
//!
//! Entries stand in blocks that end with their batch: so replicas that commit other batches together write the same rows.

use bytes::Bytes;

use crate::cache::{Cache, Place};
use crate::changes::Changes;
use crate::command::Command;
use crate::dedup::DedupRow;
use crate::erased::{Erased, Unread};
use crate::event::EventRow;
use crate::head::Head;
use crate::ids::{PersonId, RequestId, RoomId, ShardId};
use crate::keys;
use crate::leaves::Leaves;
use crate::member::Member;
use crate::news::News;
use crate::read::events;
use crate::record::Header;
use crate::record_block::RecordBlock;
use crate::requests::{Newest, Owner, Requests};
use crate::room::Room;
use crate::room_blocks::RoomBlocks;
use crate::rows::{Change, Rows, Table};
use crate::sealed::{Commitment, Salt, Sealed, commit_all};
use crate::tree::Hash;
use crate::wire::CodecError;

/// A row that was lately used, or the knowledge that there is none.
pub(crate) struct Held<T> {
    value: Option<T>,
    /// The batches under way have changed it.
    dirty: bool,
}

/// A room, and the number of its blocks while batches under way add to them or change them.
pub(crate) struct HeldRoom {
    row: Held<Room>,
    blocks: Option<u32>,
}

/// What stays in memory from batch to batch.
pub(crate) struct Warm {
    pub(crate) head: Head,
    leaves: Leaves,
    rooms: Cache<RoomId, HeldRoom>,
    members: Cache<(RoomId, PersonId), Held<Member>>,
    newest: Newest,
    /// Empty between batches: their memory is used again.
    blocks: RoomBlocks,
    requests: Requests,
    record: RecordBlock,
    /// To the contents of those commands of the batch under way that make an entry.
    commitments: Vec<Commitment>,
    /// Where answers to requests are made.
    scratch: Vec<u8>,
}

impl Warm {
    /// Nothing but a shard's head is known; so many rooms and members will be remembered.
    pub(crate) fn new(head: Head, tail: Vec<Hash>, rooms: usize, members: usize) -> Self {
        let (rooms, newest, members) = (Cache::new(rooms), Cache::new(members), Cache::new(members));
        Self {
            head,
            leaves: Leaves::new(tail),
            rooms,
            members,
            newest,
            blocks: RoomBlocks::default(),
            requests: Requests::default(),
            record: RecordBlock::default(),
            commitments: Vec::new(),
            scratch: Vec::new(),
        }
    }
}

/// Batches under way.
pub(crate) struct Stage<'a> {
    pub(crate) shard: ShardId,
    pub(crate) rows: Erased<'a>,
    pub(crate) warm: &'a mut Warm,
    dirty_rooms: Vec<Place>,
    dirty_members: Vec<Place>,
    changes: Changes,
    /// The batch under way and the command in it.
    at: (u32, u32),
    /// Commitments of the batch up to this command's.
    committed: usize,
    news: News,
}

/// A row that was read, decoded. Damage that storage's checksums let through can't be repaired here, and going on would
/// make this replica differ from the others: it stops.
pub(crate) fn sound<T>(decoded: Result<T, CodecError>, table: Table) -> T {
    decoded.unwrap_or_else(|error| {
        panic!("a row of table {table:?} is damaged ({error}): wipe this node and let it join again")
    })
}

impl<'a> Stage<'a> {
    pub(crate) fn new(shard: ShardId, rows: Erased<'a>, warm: &'a mut Warm, commands: usize) -> Self {
        Self {
            shard,
            rows,
            warm,
            dirty_rooms: Vec::new(),
            dirty_members: Vec::new(),
            changes: Changes::with_capacity(commands),
            at: (0, 0),
            committed: 0,
            news: News::with_capacity(commands),
        }
    }

    /// Begins a batch, the last one having been ended: what can be hashed already is hashed, two at a time.
    pub(crate) fn begin_batch(&mut self, number: u32, commands: &[Command]) {
        let commitments = &mut self.warm.commitments;
        commitments.clear();
        let surely = commands.iter().filter(|command| is_recorded(command));
        commit_all(surely.map(|command| (&command.salt, &command.content.bytes[..])), commitments);
        (self.at, self.committed) = ((number, 0), 0);
    }

    /// Begins the next command of a batch, the one at this place.
    pub(crate) fn begin(&mut self, at: u32, command: &Command) {
        self.at.1 = at;
        self.committed += usize::from(is_recorded(command));
    }

    /// The commitment to the content of the command under way.
    pub(crate) fn commitment(&self, command: &Command) -> Commitment {
        match is_recorded(command) {
            true => self.warm.commitments[self.committed - 1],
            false => command.salt.commit(&command.content.bytes),
        }
    }

    /// Loads a room, so that `room` finds it.
    pub(crate) fn load_room(&mut self, id: RoomId) -> Result<(), Unread> {
        if self.warm.rooms.find(&id).is_none() {
            let row = self.rows.get(Table::Room, id.as_bytes())?;
            let value = row.map(|row| sound(Room::decode(&row), Table::Room));
            self.warm.rooms.put(id, HeldRoom { row: Held { value, dirty: false }, blocks: None });
        }
        Ok(())
    }

    /// Loads a membership, so that `member` finds it.
    pub(crate) fn load_member(&mut self, room: RoomId, person: PersonId) -> Result<(), Unread> {
        if self.warm.members.find(&(room, person)).is_none() {
            let row = self.rows.get(Table::Member, &keys::member(room, person))?;
            let value = row.map(|row| sound(Member::decode(&row), Table::Member));
            self.warm.members.put((room, person), Held { value, dirty: false });
        }
        Ok(())
    }

    /// A room that was loaded.
    pub(crate) fn room(&self, id: RoomId) -> Option<&Room> {
        self.warm.rooms.peek(&id)?.row.value.as_ref()
    }

    /// A room that was loaded and is there, to be changed.
    pub(crate) fn room_mut(&mut self, id: RoomId) -> &mut Room {
        let place = self.warm.rooms.find(&id).expect("the room was loaded");
        let held = change(&mut self.warm.rooms.at_mut(place).row, place, &mut self.dirty_rooms);
        held.as_mut().expect("the room is there")
    }

    /// Puts a room where none is: it was loaded.
    pub(crate) fn put_room(&mut self, id: RoomId, room: Room) {
        let place = self.warm.rooms.find(&id).expect("the room was loaded");
        *change(&mut self.warm.rooms.at_mut(place).row, place, &mut self.dirty_rooms) = Some(room);
    }

    /// A membership that was loaded.
    pub(crate) fn member(&self, room: RoomId, person: PersonId) -> Option<&Member> {
        self.warm.members.peek(&(room, person))?.value.as_ref()
    }

    /// A membership that was loaded and is there, to be changed.
    pub(crate) fn member_mut(&mut self, room: RoomId, person: PersonId) -> &mut Member {
        let place = self.warm.members.find(&(room, person)).expect("the member was loaded");
        let held = change(self.warm.members.at_mut(place), place, &mut self.dirty_members);
        held.as_mut().expect("the member is there")
    }

    /// Puts a membership where none is: it was loaded.
    pub(crate) fn put_member(&mut self, room: RoomId, person: PersonId, member: Member) {
        let place = self.warm.members.find(&(room, person)).expect("the member was loaded");
        *change(self.warm.members.at_mut(place), place, &mut self.dirty_members) = Some(member);
    }

    /// A row of any other table, as these batches have left it.
    pub(crate) fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, Unread> {
        match self.changes.get(table, key) {
            Some(value) => Ok(value),
            None => self.rows.get(table, key),
        }
    }

    /// Changes such a row; the last value of a batch counts.
    pub(crate) fn put(&mut self, table: Table, key: &[u8], value: Option<Vec<u8>>) {
        self.changes.put(table, key, value);
    }

    /// The first answer to a request, if there was one.
    pub(crate) fn first_answer(&mut self, owner: &Owner, id: RequestId) -> Result<Option<DedupRow>, Unread> {
        let Warm { newest, requests, .. } = &mut *self.warm;
        requests.find(&self.rows, newest, owner, id)
    }

    /// Keeps the first answer to a request that has none yet.
    pub(crate) fn keep_answer(
        &mut self,
        owner: &Owner,
        id: RequestId,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), Unread> {
        let Warm { scratch, newest, requests, .. } = &mut *self.warm;
        scratch.clear();
        write(scratch);
        requests.keep(&self.rows, newest, owner, id, scratch)
    }

    /// The entry at a seq.
    pub(crate) fn event(&self, room: RoomId, seq: u64) -> Result<Option<EventRow>, Unread> {
        let number = self.warm.rooms.peek(&room).and_then(|room| room.blocks);
        match number.and_then(|number| self.warm.blocks.near(number, seq)) {
            Some(row) => Ok(Some(row)),
            None => events::event(&self.rows, room, seq),
        }
    }

    /// Puts another row in the place of an entry that is there, in a room that was loaded.
    pub(crate) fn replace_event(&mut self, room: RoomId, seq: u64, row: &EventRow) -> Result<(), Unread> {
        let number = self.blocks_of(room);
        self.warm.blocks.replace(&self.rows, number, seq, row)
    }

    fn blocks_of(&mut self, room: RoomId) -> u32 {
        let Warm { rooms, blocks, .. } = &mut *self.warm;
        let place = rooms.find(&room).expect("the room was loaded");
        *rooms.at_mut(place).blocks.get_or_insert_with(|| blocks.begin(room, place))
    }

    /// Adds the next entry of a room that was loaded; it is the record's next entry too.
    pub(crate) fn add_event(&mut self, room: RoomId, seq: u64, row: &EventRow, commitment: &Commitment) {
        let number = self.blocks_of(room);
        let Warm { blocks, record, .. } = &mut *self.warm;
        let listed = blocks.push(number, seq, row, |room| record.add_room(room));
        record.push_in_room(listed, seq);
        self.push_leaf(&row.header(self.shard, room, seq), commitment);
        self.news.push(self.at, seq, row.time_us, row.role);
    }

    /// Adds the next entry to the record: one that is in no room.
    pub(crate) fn record(&mut self, header: &Header, commitment: &Commitment, salt: &Salt, content: &Sealed) {
        self.warm.record.push_whole(header, salt, content);
        self.push_leaf(header, commitment);
    }

    fn push_leaf(&mut self, header: &Header, commitment: &Commitment) {
        let Warm { head, leaves, .. } = &mut *self.warm;
        head.last_us = header.time_us;
        head.size += 1;
        leaves.push(header, commitment);
    }

    /// Ends a batch, and with it the blocks of its entries, but for what `finish` will do.
    pub(crate) fn end_batch(&mut self) {
        self.warm.blocks.end_batch();
        self.warm.requests.end_batch();
        self.end_record();
    }

    fn end_record(&mut self) {
        let Warm { head, leaves, record, .. } = &mut *self.warm;
        leaves.end_batch(&mut head.frontier, &mut self.changes);
        assert_eq!(head.frontier.size(), head.size, "each entry is a leaf");
        if !record.is_empty() {
            let last = head.size - 1;
            self.changes.put_new(Table::Record, &last.to_be_bytes(), |out| record.take(out));
        }
    }

    /// Ends the last batch. All changes, one for each row.
    pub(crate) fn finish(mut self) -> (Vec<Change>, News) {
        self.end_record();
        let Self { warm, mut changes, .. } = self;
        warm.blocks.finish(&mut changes, |place| warm.rooms.at_mut(place).blocks = None);
        warm.requests.finish(&mut warm.newest, &mut changes);
        for place in self.dirty_rooms {
            let (id, HeldRoom { row, .. }) = warm.rooms.entry_mut(place);
            row.dirty = false;
            if let Some(room) = &row.value {
                changes.put_new(Table::Room, id.as_bytes(), |out| room.encode_to(out));
            }
        }
        for place in self.dirty_members {
            let ((room, person), held) = warm.members.entry_mut(place);
            held.dirty = false;
            if let Some(member) = &held.value {
                changes.put_new(Table::Member, &keys::member(*room, *person), |out| member.encode_to(out));
            }
        }
        warm.rooms.trim();
        warm.members.trim();
        changes.put_new(Table::Head, keys::SINGLE, |out| warm.head.encode_to(out));
        (changes.finish(), self.news)
    }
}

/// Whether a command makes an entry of the record whether or not it is refused.
fn is_recorded(command: &Command) -> bool {
    command.action.kind().is_some()
}

/// Notes that a row will be changed.
fn change<'a, T>(held: &'a mut Held<T>, place: Place, dirty: &mut Vec<Place>) -> &'a mut Option<T> {
    if !std::mem::replace(&mut held.dirty, true) {
        dirty.push(place);
    }
    &mut held.value
}
