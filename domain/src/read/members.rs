//! Who is in a room.

use crate::authorize::outside;
use crate::ids::{PersonId, RoomId};
use crate::keys;
use crate::limits::MAX_PAGE;
use crate::member::Member;
use crate::refusal::Refusal;
use crate::room::Role;
use crate::rows::{Rows, Table};
use crate::stage::sound;

/// Rows that one call visits, those of former members included, who are passed over: a room may have had many.
const MAX_VISITED: usize = 2 * MAX_PAGE;

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

/// A part of a room's members, ascending by id.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Members {
    /// The members: fewer than were asked for, or none, where many have left, though more may follow.
    pub items: Vec<MemberView>,
    /// More may follow above this person, who need not be a member. None after the last.
    pub next: Option<PersonId>,
}

/// A room's members above `after`, at most `limit`, of a bounded number of rows; for its members only.
pub fn members<R: Rows>(
    rows: &R,
    person: PersonId,
    id: RoomId,
    after: Option<PersonId>,
    limit: usize,
) -> Result<Result<Members, Refusal>, R::Error> {
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
    let mut page = Members { items: Vec::new(), next: None };
    let (mut last, mut visited) = (None, 0);
    rows.scan(Table::Member, &from, &keys::end_of(id.as_bytes()), false, &mut |key, value| {
        if page.items.len() == limit || visited == MAX_VISITED {
            page.next = last;
            return false;
        }
        visited += 1;
        let person = PersonId::from_bytes(*key.last_chunk().expect("member keys end with the person"));
        last = Some(person);
        let found = sound(Member::decode(value), Table::Member);
        if found.is_current() {
            page.items.push(MemberView { person, role: found.role, since: found.since });
        }
        true
    })?;
    Ok(Ok(page))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::room::Visibility;
    use crate::rows::{Change, Key};
    use crate::testkit::{ANN, ROOM, World};

    fn numbered(number: u64) -> PersonId {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&number.to_be_bytes());
        PersonId::from_bytes(id)
    }

    /// Pages from the first to the last.
    fn pages(world: &World, limit: usize) -> Vec<Vec<PersonId>> {
        let (mut pages, mut after) = (Vec::new(), None);
        loop {
            let Ok(page) = members(&world.rows, ANN, ROOM, after, limit);
            let page = page.expect("she is a member");
            assert!(page.next.is_none_or(|next| after < Some(next)), "it goes on");
            pages.push(page.items.iter().map(|member| member.person).collect());
            after = page.next;
            if after.is_none() {
                return pages;
            }
        }
    }

    #[test]
    fn a_page_visits_few_rows_however_many_have_left() {
        let mut world = World::with_room(Visibility::Private);
        let former = |number: u64| {
            let mut member = Member::new(Role::Member, 1, 1);
            if number > 0 {
                member.end(1, true);
            }
            let mut value = Vec::new();
            member.encode_to(&mut value);
            let key = Key::new(&keys::member(ROOM, numbered(number)));
            Change { table: Table::Member, key, value: Some(value.into()) }
        };
        // The first one is still a member, and Ann is after them all.
        let changes: Vec<Change> = (0..3 * MAX_VISITED as u64).map(former).collect();
        world.rows.commit(&changes);
        let expected = [vec![numbered(0)], vec![], vec![], vec![ANN]];
        assert_eq!(pages(&world, 100), expected);
        assert_eq!(pages(&world, 1), expected, "a full page ends at its last member");
    }

    #[test]
    fn the_last_page_says_so() {
        let world = World::with_bob(Role::Member);
        assert_eq!(pages(&world, 1).len(), 2);
        assert_eq!(pages(&world, 2).len(), 1);
    }
}
