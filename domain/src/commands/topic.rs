//! The room gets another topic.

use super::{Allowed, Done, Draft, add_entry};
use crate::ids::RoomId;
use crate::kind::Kind;
use crate::stage::Stage;

pub(super) fn apply(stage: &mut Stage<'_>, allowed: &Allowed<'_>, id: RoomId) -> Done {
    let done = add_entry(stage, allowed, Kind::Topic, id, Draft::default());
    let room = stage.room_mut(id);
    room.topic_seq = room.head;
    done
}

#[cfg(test)]
mod tests {
    use crate::command::Action;
    use crate::content::Content;
    use crate::ids::PersonId;
    use crate::read::room_view;
    use crate::refusal::Refusal;
    use crate::room::{Role, Visibility};
    use crate::testkit::{ANN, BOB, ROOM, World};

    fn set(world: &mut World, actor: PersonId, topic: &str) -> Result<u64, Refusal> {
        let content = Content { topic: Some(topic.to_owned()), ..Content::default() };
        world.run(actor, Action::SetTopic { room: ROOM }, &content)
    }

    fn topic(world: &World, person: PersonId) -> String {
        let Ok(view) = room_view(&world.rows, person, ROOM);
        view.expect("a view").topic
    }

    #[test]
    fn owners_set_the_topic() {
        let mut world = World::with_bob(Role::Member);
        assert_eq!(set(&mut world, BOB, "mine"), Err(Refusal::NotAllowed));
        assert_eq!(set(&mut world, ANN, "ours"), Ok(3));
        assert_eq!(topic(&world, BOB), "ours");
    }

    #[test]
    fn who_was_removed_does_not_learn_a_newer_one() {
        let mut world = World::with_room(Visibility::Public);
        assert_eq!(world.act(BOB, Action::Join { room: ROOM }), Ok(2));
        assert_eq!(world.act(ANN, Action::Remove { room: ROOM, person: BOB }), Ok(3));
        assert_eq!(set(&mut world, ANN, "news"), Ok(4));
        assert_eq!(topic(&world, BOB), "");
        let Ok(Ok(view)) = room_view(&world.rows, BOB, ROOM) else { panic!("public") };
        assert_eq!(view.head, 3);
    }
}
