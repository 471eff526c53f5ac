//! Somebody enters a public room, and sees all of its history.

use super::{Allowed, Done, Draft, add_entry, list};
use crate::ids::{PersonId, RoomId};
use crate::kind::Kind;
use crate::member::Member;
use crate::room::{Role, Visibility};
use crate::stage::Stage;

pub(super) fn apply(stage: &mut Stage<'_>, allowed: &Allowed<'_>, room: RoomId) -> Done {
    let actor = allowed.command.actor;
    let role = match stage.member(room, actor) {
        // A room has an owner: who enters an empty one governs it.
        _ if stage.room(room).is_some_and(|room| room.members == 0) => Role::Owner,
        // A guest who leaves and comes back is no more than a guest.
        Some(member) if member.role == Role::Guest => Role::Guest,
        _ => Role::Member,
    };
    let draft = Draft { role: Some(role), ..Draft::default() };
    let done = add_entry(stage, allowed, Kind::Joined, room, draft);
    admit(stage, room, actor, role);
    done
}

/// Makes a person a member by the room's newest entry.
pub(super) fn admit(stage: &mut Stage<'_>, id: RoomId, person: PersonId, role: Role) {
    let room = stage.room_mut(id);
    room.members += 1;
    room.owners += u64::from(role == Role::Owner);
    let since = room.head;
    let from = if room.visibility == Visibility::Public { 1 } else { since };
    match stage.member(id, person) {
        Some(_) => stage.member_mut(id, person).come_back(role, since, from),
        None => stage.put_member(id, person, Member::new(role, since, from)),
    }
    list(stage, person, id, true);
}

#[cfg(test)]
mod tests {
    use crate::command::Action;
    use crate::refusal::Refusal;
    use crate::room::{Role, Visibility};
    use crate::testkit::{ANN, BOB, ROOM, World};

    const JOIN: Action = Action::Join { room: ROOM };

    #[test]
    fn public_rooms_are_entered_with_all_their_history() {
        let mut world = World::with_room(Visibility::Public);
        assert_eq!(world.say(ANN, "before"), Ok(2));
        assert_eq!(world.page(BOB, 0), Err(Refusal::NotMember));
        assert_eq!(world.act(BOB, JOIN), Ok(3));
        assert_eq!(world.seqs(BOB), [1, 2, 3]);
        assert_eq!(world.act(BOB, JOIN), Err(Refusal::AlreadyMember));
    }

    #[test]
    fn private_rooms_are_not_even_known() {
        let mut world = World::with_room(Visibility::Private);
        assert_eq!(world.act(BOB, JOIN), Err(Refusal::RoomUnknown));
    }

    #[test]
    fn who_was_removed_waits_for_an_owner() {
        let mut world = World::with_room(Visibility::Public);
        assert_eq!(world.act(BOB, JOIN), Ok(2));
        assert_eq!(world.act(ANN, Action::Remove { room: ROOM, person: BOB }), Ok(3));
        assert_eq!(world.act(BOB, JOIN), Err(Refusal::Removed));
        assert_eq!(world.act(ANN, Action::Invite { room: ROOM, person: BOB, role: Role::Member }), Ok(4));
        assert_eq!(world.act(BOB, Action::Leave { room: ROOM }), Ok(5));
        assert_eq!(world.act(BOB, JOIN), Ok(6));
    }

    #[test]
    fn who_enters_an_empty_room_owns_it() {
        let mut world = World::with_room(Visibility::Public);
        assert_eq!(world.act(ANN, Action::Leave { room: ROOM }), Ok(2));
        assert_eq!(world.act(BOB, JOIN), Ok(3));
        assert_eq!(world.entry(BOB, 3).role, Some(Role::Owner));
    }

    #[test]
    fn guests_stay_guests() {
        let mut world = World::with_room(Visibility::Public);
        assert_eq!(world.act(ANN, Action::Invite { room: ROOM, person: BOB, role: Role::Guest }), Ok(2));
        assert_eq!(world.act(BOB, Action::Leave { room: ROOM }), Ok(3));
        assert_eq!(world.act(BOB, JOIN), Ok(4));
        assert_eq!(world.entry(ANN, 4).role, Some(Role::Guest));
    }
}
