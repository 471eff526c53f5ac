//! Who is in a room.

use super::Listing;
use crate::authorize::outside;
use crate::ids::{PersonId, RoomId};
use crate::keys;
use crate::limits::MAX_PAGE;
use crate::member::Member;
use crate::refusal::Refusal;
use crate::room::Role;
use crate::rows::{Rows, Table};
use crate::stage::sound;

/// A member.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MemberView {
    /// Who.
    pub person: PersonId,
    /// The role.
    pub role: Role,
    /// The entry that made the person a member.
    pub since: u64,
}

/// A room's members above `after`, at most `limit`; for its members only.
pub fn members<R: Rows>(
    rows: &R,
    person: PersonId,
    id: RoomId,
    after: Option<PersonId>,
    limit: usize,
) -> Result<Result<Listing<MemberView>, Refusal>, R::Error> {
    let Some(room) = super::room(rows, id)? else {
        return Ok(Err(Refusal::RoomUnknown));
    };
    let member = super::member(rows, id, person)?;
    if !member.as_ref().is_some_and(Member::is_current) {
        return Ok(Err(outside(&room, member.as_ref())));
    }
    let from = match after {
        Some(after) => keys::after(&keys::member(id, after)),
        None => id.as_bytes().to_vec(),
    };
    let limit = limit.clamp(1, MAX_PAGE);
    let mut listing = Listing { items: Vec::new(), more: false };
    rows.scan(Table::Member, &from, &keys::end_of(id.as_bytes()), false, &mut |key, value| {
        let found = sound(Member::decode(value), Table::Member);
        if !found.is_current() {
            return true;
        }
        if listing.items.len() == limit {
            listing.more = true;
            return false;
        }
        let person = PersonId::from_bytes(*key.last_chunk().expect("member keys end with the person"));
        listing.items.push(MemberView { person, role: found.role, since: found.since });
        true
    })?;
    Ok(Ok(listing))
}
