//! Something is said.

use super::{Allowed, Done, Draft, add_entry};
use crate::ids::RoomId;
use crate::kind::Kind;
use crate::stage::Stage;

pub(super) fn apply(stage: &mut Stage<'_>, allowed: &Allowed<'_>, room: RoomId) -> Done {
    add_entry(stage, allowed, Kind::Message, room, Draft::default())
}

#[cfg(test)]
mod tests {
    use crate::command::Action;
    use crate::content::Content;
    use crate::outcome::Outcome;
    use crate::refusal::Refusal;
    use crate::room::{Role, Visibility};
    use crate::testkit::{ANN, BOB, CID, ROOM, World, command};

    #[test]
    fn members_and_guests_speak_strangers_do_not() {
        let mut world = World::with_bob(Role::Guest);
        assert_eq!(world.say(BOB, "hello"), Ok(3));
        assert_eq!(world.text(ANN, 3).as_deref(), Some("hello"));
        assert_eq!(world.say(CID, "hello"), Err(Refusal::RoomUnknown));
        let mut world = World::with_room(Visibility::Public);
        assert_eq!(world.say(CID, "hello"), Err(Refusal::NotMember));
    }

    #[test]
    fn the_same_request_has_the_same_answer_and_no_second_effect() {
        let mut world = World::with_room(Visibility::Private);
        let send = command(77, ANN, Action::SendMessage { room: ROOM }, &Content::text("once"));
        let first = world.apply(vec![send.clone()])[0];
        let Outcome::Committed { seq: 2, time_us, repeated: false } = first else { panic!("{first:?}") };
        let size = world.shard.record_size();
        for _ in 0..2 {
            // Another proposer stamps and salts anew; the request is the same.
            let mut again = command(78, ANN, send.action, &Content::text("once"));
            again.request = send.request;
            assert_eq!(
                world.apply(vec![again.clone(), again]),
                [Outcome::Committed { seq: 2, time_us, repeated: true }; 2]
            );
            world.reload();
        }
        assert_eq!((world.shard.record_size(), world.seqs(ANN)), (size, vec![1, 2]));
    }

    #[test]
    fn the_same_request_with_other_content_is_refused() {
        let mut world = World::with_room(Visibility::Private);
        let send = command(77, ANN, Action::SendMessage { room: ROOM }, &Content::text("this"));
        let other = command(77, ANN, Action::SendMessage { room: ROOM }, &Content::text("that"));
        let topic = command(77, ANN, Action::SetTopic { room: ROOM }, &Content::text("this"));
        let outcomes = world.apply(vec![send.clone(), other, topic, send]);
        assert_eq!(outcomes[1..3], [Outcome::Refused(Refusal::RequestReused); 2]);
        assert!(matches!(outcomes[3], Outcome::Committed { seq: 2, repeated: true, .. }));
    }

    #[test]
    fn requests_of_other_people_and_rooms_are_other_requests() {
        let mut world = World::with_bob(Role::Member);
        let send = |actor| command(77, actor, Action::SendMessage { room: ROOM }, &Content::text("same"));
        let seqs: Vec<_> = world.apply(vec![send(ANN), send(BOB)]);
        assert!(matches!(
            seqs[..],
            [Outcome::Committed { seq: 3, .. }, Outcome::Committed { seq: 4, repeated: false, .. }]
        ));
    }

    #[test]
    fn time_never_runs_backwards() {
        let mut world = World::with_room(Visibility::Private);
        let times: Vec<_> = [500, 400, 400, 600]
            .map(|n| command(n, ANN, Action::SendMessage { room: ROOM }, &Content::text("x")))
            .into_iter()
            .enumerate()
            .map(|(at, mut command)| {
                command.request = crate::ids::RequestId::from_bytes([at as u8 + 100; 16]);
                match world.apply(vec![command])[0] {
                    Outcome::Committed { time_us, .. } => time_us,
                    Outcome::Refused(refusal) => panic!("{refusal}"),
                }
            })
            .collect();
        assert_eq!(times.windows(2).map(|t| t[1] - t[0]).collect::<Vec<_>>(), [1, 1, 998]);
    }

    #[test]
    fn an_older_policy_is_refused_for_now_not_for_good() {
        let mut world = World::with_room(Visibility::Private);
        let mut newer = command(77, ANN, Action::SendMessage { room: ROOM }, &Content::text("x"));
        newer.policy = 2;
        let mut older = command(78, ANN, newer.action, &Content::text("y"));
        let outcomes = world.apply(vec![newer, older.clone()]);
        assert_eq!(outcomes[1], Outcome::Refused(Refusal::PolicyChanged));
        older.policy = 2;
        assert!(matches!(world.apply(vec![older])[0], Outcome::Committed { seq: 3, .. }));
    }
}
