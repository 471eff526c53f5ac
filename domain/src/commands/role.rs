//! A member gets another role.

use super::{Allowed, Done, Draft, add_entry};
use crate::ids::{PersonId, RoomId};
use crate::kind::Kind;
use crate::room::Role;
use crate::stage::Stage;

pub(super) fn apply(stage: &mut Stage<'_>, allowed: &Allowed<'_>, id: RoomId, person: PersonId, role: Role) -> Done {
    let draft = Draft { person: Some(person), role: Some(role), ..Draft::default() };
    let done = add_entry(stage, allowed, Kind::Role, id, draft);
    let member = stage.member_mut(id, person);
    let was = std::mem::replace(&mut member.role, role);
    let room = stage.room_mut(id);
    room.owners += u64::from(role == Role::Owner);
    room.owners -= u64::from(was == Role::Owner);
    done
}

#[cfg(test)]
mod tests {
    use crate::command::Action;
    use crate::ids::PersonId;
    use crate::refusal::Refusal;
    use crate::room::Role;
    use crate::testkit::{ANN, BOB, CID, ROOM, World};

    fn set(person: PersonId, role: Role) -> Action {
        Action::SetRole { room: ROOM, person, role }
    }

    #[test]
    fn a_room_keeps_an_owner() {
        let mut world = World::with_bob(Role::Member);
        assert_eq!(world.act(ANN, set(ANN, Role::Member)), Err(Refusal::LastOwner));
        assert_eq!(world.act(ANN, set(BOB, Role::Owner)), Ok(3));
        assert_eq!(world.act(ANN, set(ANN, Role::Member)), Ok(4));
        assert_eq!(world.act(BOB, set(BOB, Role::Guest)), Err(Refusal::LastOwner));
        assert_eq!(world.act(BOB, set(BOB, Role::Owner)), Ok(5), "a change that changes nothing");
    }

    #[test]
    fn only_owners_set_roles_of_members() {
        let mut world = World::with_bob(Role::Member);
        assert_eq!(world.act(BOB, set(BOB, Role::Owner)), Err(Refusal::NotAllowed));
        assert_eq!(world.act(ANN, set(CID, Role::Owner)), Err(Refusal::PersonNotMember));
    }
}
