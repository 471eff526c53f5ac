//! Rooms as a person may see them.

use super::Listing;
use crate::content::Content;
use crate::event::Body;
use crate::ids::{PersonId, RoomId};
use crate::limits::MAX_PAGE;
use crate::member::Member;
use crate::refusal::Refusal;
use crate::room::{Role, Room, Visibility};
use crate::rows::{Rows, Table};

/// A room as a person may see it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RoomView {
    /// The room.
    pub room: RoomId,
    /// Its name; empty for a direct room.
    pub name: String,
    /// Its topic.
    pub topic: String,
    /// Who may find and enter it.
    pub visibility: Visibility,
    /// Its newest seq that the person may know of.
    pub head: u64,
    /// When it was created, microseconds UTC.
    pub created_us: i64,
    /// How many members it has.
    pub members: u64,
    /// The person's role; none if not a member.
    pub role: Option<Role>,
    /// Direct: the other person.
    pub peer: Option<PersonId>,
}

/// Which rooms to list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RoomFilter {
    /// Those that the person is a member of.
    Joined,
    /// The public ones.
    Public,
}

/// A room that the person is in, or a public one.
pub fn room_view<R: Rows>(rows: &R, person: PersonId, id: RoomId) -> Result<Result<RoomView, Refusal>, R::Error> {
    let Some(room) = super::room(rows, id)? else {
        return Ok(Err(Refusal::RoomUnknown));
    };
    let member = super::member(rows, id, person)?;
    if room.visibility != Visibility::Public && !member.as_ref().is_some_and(Member::is_current) {
        return Ok(Err(Refusal::RoomUnknown));
    }
    view(rows, person, id, &room, member.as_ref()).map(Ok)
}

/// Rooms of this shard above `after`, at most `limit`.
pub fn list_rooms<R: Rows>(
    rows: &R,
    person: PersonId,
    filter: RoomFilter,
    after: Option<RoomId>,
    limit: usize,
) -> Result<Listing<RoomView>, R::Error> {
    let (table, prefix): (_, &[u8]) = match filter {
        RoomFilter::Joined => (Table::PersonRoom, person.as_bytes()),
        RoomFilter::Public => (Table::PublicRoom, &[]),
    };
    let ids = super::ids_after(rows, table, prefix, after.as_ref().map(RoomId::as_bytes), limit.clamp(1, MAX_PAGE))?;
    let mut items = Vec::with_capacity(ids.items.len());
    for id in ids.items {
        if let Ok(view) = room_view(rows, person, RoomId::from_bytes(id))? {
            items.push(view);
        }
    }
    Ok(Listing { items, more: ids.more })
}

fn view<R: Rows>(
    rows: &R,
    person: PersonId,
    id: RoomId,
    room: &Room,
    member: Option<&Member>,
) -> Result<RoomView, R::Error> {
    // Who was removed learns nothing that came after; other strangers find a public room as it is.
    let head = match member {
        Some(member) if member.removed => member.visible_head(room.head),
        _ => room.head,
    };
    let created = said(rows, id, 1)?;
    let topic = match room.topic_seq {
        1 => created.topic.clone(),
        seq if seq <= head => said(rows, id, seq)?.topic,
        _ => None,
    };
    Ok(RoomView {
        room: id,
        name: created.name.unwrap_or_default(),
        topic: topic.unwrap_or_default(),
        visibility: room.visibility,
        head,
        created_us: room.created_us,
        members: room.members,
        role: member.filter(|m| m.is_current()).map(|m| m.role),
        peer: room.peer(person),
    })
}

/// The content of an entry; nothing if it is erased, sealed, or not what a proposer should have let through.
fn said<R: Rows>(rows: &R, room: RoomId, seq: u64) -> Result<Content, R::Error> {
    let row = super::event(rows, room, seq)?;
    Ok(match row.map(|row| row.body) {
        Some(Body::Kept { content, .. }) => Content::decode(&content.open()).unwrap_or_default(),
        _ => Content::default(),
    })
}
