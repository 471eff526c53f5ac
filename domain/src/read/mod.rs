//! Pure reads: what a person may see of a shard, as its rows say.

pub(crate) mod events;
pub mod facts;
pub mod feed;
pub mod history;
pub mod leaf;
pub(crate) mod mark;
pub mod members;
pub mod rooms;
pub mod unread;

pub(crate) use events::event;
pub use facts::{facts, first_answer, membership};
pub use feed::{feed, room_head};
pub use history::{HistoryRequest, Page, history};
pub use leaf::{Leaf, leaf};
pub use members::{MemberView, Members, members};
pub use rooms::{RoomFilter, RoomView, list_rooms, room_view};
pub use unread::{Unread, unread, unread_all};

use crate::ids::{PersonId, RoomId};
use crate::keys;
use crate::member::Member;
use crate::room::Room;
use crate::rows::{Rows, Table};
use crate::stage::sound;

/// A part of a list, ascending by id.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listing<T> {
    /// The items.
    pub items: Vec<T>,
    /// There may be more after the last one.
    pub more: bool,
}

pub(crate) fn room<R: Rows>(rows: &R, id: RoomId) -> Result<Option<Room>, R::Error> {
    Ok(rows.get(Table::Room, id.as_bytes())?.map(|row| sound(Room::decode(&row), Table::Room)))
}

pub(crate) fn member<R: Rows>(rows: &R, room: RoomId, person: PersonId) -> Result<Option<Member>, R::Error> {
    let row = rows.get(Table::Member, &keys::member(room, person))?;
    Ok(row.map(|row| sound(Member::decode(&row), Table::Member)))
}

/// Ids that follow `prefix` in a table's keys, above `after`: at most `limit`, and whether there are more.
pub(crate) fn ids_after<R: Rows>(
    rows: &R,
    table: Table,
    prefix: &[u8],
    after: Option<&[u8; 16]>,
    limit: usize,
) -> Result<Listing<[u8; 16]>, R::Error> {
    let from = match after {
        Some(after) => keys::after(&[prefix, after].concat()),
        None => prefix.to_vec(),
    };
    let mut listing = Listing { items: Vec::new(), more: false };
    rows.scan(table, &from, &keys::end_of(prefix), false, &mut |key, _| {
        if listing.items.len() == limit {
            listing.more = true;
            return false;
        }
        listing.items.push(*key.last_chunk().expect("keys of this table end with an id"));
        true
    })?;
    Ok(listing)
}
