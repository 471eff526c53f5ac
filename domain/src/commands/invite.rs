//! Somebody is made a member, at once.

use super::{Allowed, Done, Draft, add_entry, join};
use crate::ids::{PersonId, RoomId};
use crate::kind::Kind;
use crate::room::Role;
use crate::stage::Stage;

pub(super) fn apply(stage: &mut Stage<'_>, allowed: &Allowed<'_>, room: RoomId, person: PersonId, role: Role) -> Done {
    let draft = Draft { person: Some(person), role: Some(role), ..Draft::default() };
    let done = add_entry(stage, allowed, Kind::Invited, room, draft);
    join::admit(stage, room, person, role);
    done
}

#[cfg(test)]
mod tests {
    use crate::command::Action;
    use crate::entry::{Gap, GapReason};
    use crate::ids::PersonId;
    use crate::refusal::Refusal;
    use crate::room::Role;
    use crate::testkit::{ANN, BOB, CID, ROOM, World};

    fn invite(person: PersonId, role: Role) -> Action {
        Action::Invite { room: ROOM, person, role }
    }

    #[test]
    fn in_a_private_room_history_begins_with_the_invitation() {
        let mut world = World::with_bob(Role::Member);
        let page = world.page(BOB, 0).expect("a page");
        assert_eq!(page.gaps, [Gap { from: 1, to: 1, reason: GapReason::BeforeMembership }]);
        assert_eq!((page.entries.len(), page.from, page.to), (1, 1, 2));
        assert_eq!(world.act(ANN, invite(BOB, Role::Guest)), Err(Refusal::AlreadyMember));
    }

    #[test]
    fn who_may_invite_whom_as_what() {
        let mut world = World::with_bob(Role::Member);
        assert_eq!(world.act(BOB, invite(CID, Role::Owner)), Err(Refusal::NotAllowed));
        assert_eq!(world.act(BOB, invite(CID, Role::Guest)), Ok(3));
        let other = PersonId::from_bytes([9; 16]);
        assert_eq!(world.act(CID, invite(other, Role::Guest)), Err(Refusal::NotAllowed));
        assert_eq!(world.act(ANN, Action::Remove { room: ROOM, person: CID }), Ok(4));
        assert_eq!(world.act(BOB, invite(CID, Role::Member)), Err(Refusal::NotAllowed), "an owner removed");
        assert_eq!(world.act(ANN, invite(CID, Role::Member)), Ok(5));
        assert_eq!(world.act(ANN, invite(PersonId::SYSTEM, Role::Member)), Err(Refusal::InvalidAction));
    }
}
