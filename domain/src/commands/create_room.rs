//! A room comes to be, with its creator as its first owner; or two people get their room.

use super::{Allowed, Done, Draft, add_entry, list};
use crate::ids::{PersonId, RoomId};
use crate::kind::Kind;
use crate::member::Member;
use crate::outcome::Outcome;
use crate::room::{Role, Room, Visibility};
use crate::rows::Table;
use crate::stage::Stage;

pub(super) fn apply(
    stage: &mut Stage<'_>,
    allowed: &Allowed<'_>,
    id: RoomId,
    visibility: Visibility,
    peer: Option<PersonId>,
) -> Done {
    if let Some(room) = stage.room(id) {
        return Done::Already(Outcome::Committed { seq: 1, time_us: room.created_us, repeated: true });
    }
    let actor = allowed.command.actor;
    let role = if peer.is_some() { Role::Member } else { Role::Owner };
    let created_us = stage.warm.head.next_time(allowed.command.stamp_us);
    stage.put_room(
        id,
        Room {
            visibility,
            open: true,
            head: 0,
            created_us,
            members: 1 + u64::from(peer.is_some()),
            owners: u64::from(peer.is_none()),
            messages: 0,
            topic_seq: 1,
            pair: peer.map(|peer| [actor.min(peer), actor.max(peer)]),
        },
    );
    for person in [Some(actor), peer].into_iter().flatten() {
        stage.put_member(id, person, Member::new(role, 1, 1));
        list(stage, person, id, true);
    }
    if visibility == Visibility::Public {
        stage.put(Table::PublicRoom, id.as_bytes(), Some(vec![1]));
    }
    let draft = Draft { person: peer, role: Some(role), visibility: Some(visibility), ..Draft::default() };
    add_entry(stage, allowed, Kind::RoomCreated, id, draft)
}

#[cfg(test)]
mod tests {
    use crate::command::Action;
    use crate::content::Content;
    use crate::ids::{PersonId, RoomId};
    use crate::read::{RoomFilter, list_rooms, room_view};
    use crate::refusal::Refusal;
    use crate::room::{Role, Visibility};
    use crate::testkit::{ANN, BOB, CID, ROOM, World, named};

    fn direct(peer: PersonId) -> Action {
        Action::CreateRoom { room: ROOM, visibility: Visibility::Direct, peer: Some(peer) }
    }

    #[test]
    fn the_creator_owns_the_room() {
        let mut world = World::empty();
        let create = Action::CreateRoom { room: ROOM, visibility: Visibility::Private, peer: None };
        let content = Content { topic: Some("about".into()), ..named("ops") };
        assert_eq!(world.run(ANN, create, &content), Ok(1));
        let Ok(view) = room_view(&world.rows, ANN, ROOM);
        let view = view.expect("the creator sees it");
        assert_eq!(
            (view.name.as_str(), view.topic.as_str(), view.role, view.head),
            ("ops", "about", Some(Role::Owner), 1)
        );
        assert_eq!(world.run(BOB, create, &content), Err(Refusal::RoomExists));
    }

    #[test]
    fn only_public_rooms_are_listed_to_strangers() {
        for (visibility, seen) in [(Visibility::Public, 1), (Visibility::Private, 0)] {
            let world = World::with_room(visibility);
            let Ok(public) = list_rooms(&world.rows, BOB, RoomFilter::Public, None, 10);
            assert_eq!(public.items.len(), seen);
            let Ok(view) = room_view(&world.rows, BOB, ROOM);
            assert_eq!(view.is_ok(), seen == 1);
            let Ok(joined) = list_rooms(&world.rows, ANN, RoomFilter::Joined, None, 10);
            assert_eq!(joined.items.len(), 1);
            let Ok(rest) = list_rooms(&world.rows, ANN, RoomFilter::Joined, Some(ROOM), 10);
            assert_eq!(rest.items, []);
        }
    }

    #[test]
    fn a_direct_room_is_one_for_both_and_none_for_others() {
        let mut world = World::empty();
        assert_eq!(world.act(ANN, direct(BOB)), Ok(1));
        assert_eq!(world.act(BOB, direct(ANN)), Ok(1));
        assert_eq!(world.act(CID, direct(ANN)), Err(Refusal::RoomExists));
        assert_eq!(world.seqs(BOB), [1]);
        assert_eq!(world.say(BOB, "hi"), Ok(2));
        assert_eq!(world.say(CID, "hi"), Err(Refusal::RoomUnknown));
        assert_eq!(world.page(CID, 0), Err(Refusal::RoomUnknown));
        let Ok(view) = room_view(&world.rows, ANN, ROOM);
        assert_eq!(view.expect("one of the two").peer, Some(BOB));
        for action in [
            Action::Leave { room: ROOM },
            Action::Invite { room: ROOM, person: CID, role: Role::Member },
            Action::Remove { room: ROOM, person: BOB },
            Action::SetRole { room: ROOM, person: BOB, role: Role::Owner },
            Action::SetTopic { room: ROOM },
        ] {
            assert_eq!(world.act(ANN, action), Err(Refusal::DirectRoom), "{action:?}");
        }
    }

    #[test]
    fn fields_must_fit_together() {
        let mut world = World::empty();
        assert_eq!(world.act(ANN, direct(ANN)), Err(Refusal::InvalidAction));
        assert_eq!(world.act(ANN, direct(PersonId::SYSTEM)), Err(Refusal::InvalidAction));
        let room = RoomId::from_bytes([9; 16]);
        let odd = Action::CreateRoom { room, visibility: Visibility::Public, peer: Some(BOB) };
        assert_eq!(world.act(ANN, odd), Err(Refusal::InvalidAction));
    }
}
