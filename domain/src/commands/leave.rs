//! Somebody leaves; the entry that says so is the last that the person sees.

use super::{Allowed, Done, Draft, add_entry, list};
use crate::ids::{PersonId, RoomId};
use crate::kind::Kind;
use crate::room::Role;
use crate::stage::Stage;

pub(super) fn apply(stage: &mut Stage<'_>, allowed: &Allowed<'_>, room: RoomId) -> Done {
    let done = add_entry(stage, allowed, Kind::Left, room, Draft::default());
    dismiss(stage, room, allowed.command.actor, false);
    done
}

/// Ends a person's membership at the room's newest entry.
pub(super) fn dismiss(stage: &mut Stage<'_>, id: RoomId, person: PersonId, removed: bool) {
    let seq = stage.room(id).expect("the room is loaded").head;
    let member = stage.member_mut(id, person);
    let owner = member.role == Role::Owner;
    member.end(seq, removed);
    let room = stage.room_mut(id);
    room.members -= 1;
    room.owners -= u64::from(owner);
    list(stage, person, id, false);
}

#[cfg(test)]
mod tests {
    use crate::command::Action;
    use crate::refusal::Refusal;
    use crate::room::Role;
    use crate::testkit::{ANN, BOB, ROOM, World};

    const LEAVE: Action = Action::Leave { room: ROOM };

    #[test]
    fn the_leaving_is_the_last_that_is_seen() {
        let mut world = World::with_bob(Role::Member);
        assert_eq!(world.act(BOB, LEAVE), Ok(3));
        assert_eq!(world.say(ANN, "after"), Ok(4));
        let page = world.page(BOB, 0).expect("what was seen stays seen");
        assert_eq!((page.entries.len(), page.head, page.to, page.ended), (2, 3, 3, true));
        assert_eq!(world.act(BOB, LEAVE), Err(Refusal::RoomUnknown));
    }

    #[test]
    fn the_last_owner_stays_unless_alone() {
        let mut world = World::with_bob(Role::Member);
        assert_eq!(world.act(ANN, LEAVE), Err(Refusal::LastOwner));
        assert_eq!(world.act(ANN, Action::SetRole { room: ROOM, person: BOB, role: Role::Owner }), Ok(3));
        assert_eq!(world.act(ANN, LEAVE), Ok(4));
        assert_eq!(world.act(BOB, LEAVE), Ok(5));
    }
}
