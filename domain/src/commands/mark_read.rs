//! A read mark moves forward. Replicated state, but nothing that the record tells.

use super::{Allowed, Done};
use crate::dedup::Proof;
use crate::erased::Unread;
use crate::ids::RoomId;
use crate::keys;
use crate::outcome::Outcome;
use crate::read::mark;
use crate::rows::Table;
use crate::stage::{Stage, sound};

pub(super) fn apply(stage: &mut Stage<'_>, allowed: &Allowed<'_>, room: RoomId, seq: u64) -> Result<Done, Unread> {
    let key = keys::person_room(allowed.command.actor, room);
    let before = stage.get(Table::ReadMark, &key)?.map_or(0, |row| sound(mark::decode(&row), Table::ReadMark));
    let wanted = seq.min(stage.room(room).expect("authorize has seen the room").head);
    if wanted > before {
        stage.put(Table::ReadMark, &key, Some(mark::encode(wanted)));
    }
    // A mark has no entry, hence no time of its own in the record.
    let time_us = allowed.command.stamp_us.max(stage.warm.head.last_us);
    Ok(Done::New(Outcome::Committed { seq: wanted.max(before), time_us, repeated: false }, Proof::Nothing))
}

#[cfg(test)]
mod tests {
    use crate::command::Action;
    use crate::ids::PersonId;
    use crate::read::{unread, unread_all};
    use crate::refusal::Refusal;
    use crate::room::Role;
    use crate::testkit::{ANN, BOB, CID, ROOM, World};

    fn mark(seq: u64) -> Action {
        Action::MarkRead { room: ROOM, seq }
    }

    fn counts(world: &World, person: PersonId) -> Vec<(u64, u64, u64)> {
        let Ok(counts) = unread(&world.rows, person, &[ROOM]);
        let Ok(all) = unread_all(&world.rows, person, None, 10);
        assert_eq!(all.items, counts);
        counts.iter().map(|u| (u.read, u.head, u.messages)).collect()
    }

    #[test]
    fn marks_count_and_never_move_back() {
        let mut world = World::with_bob(Role::Member);
        for seq in 3..=6 {
            assert_eq!(world.say(ANN, "x"), Ok(seq));
        }
        assert_eq!(counts(&world, BOB), [(0, 6, 4)]);
        let size = world.shard.record_size();
        assert_eq!(world.act(BOB, mark(4)), Ok(4));
        assert_eq!(world.act(BOB, mark(3)), Ok(4));
        assert_eq!(counts(&world, BOB), [(4, 6, 2)]);
        assert_eq!(world.act(BOB, mark(99)), Ok(6));
        assert_eq!(counts(&world, BOB), [(6, 6, 0)]);
        assert_eq!(world.shard.record_size(), size, "no record entries");
        assert_eq!(world.act(CID, mark(1)), Err(Refusal::RoomUnknown));
    }

    #[test]
    fn what_came_before_the_membership_is_not_unread() {
        let mut world = World::with_bob(Role::Member);
        assert_eq!(world.say(ANN, "x"), Ok(3));
        assert_eq!(world.act(ANN, Action::Invite { room: ROOM, person: CID, role: Role::Guest }), Ok(4));
        assert_eq!(world.say(ANN, "y"), Ok(5));
        assert_eq!(counts(&world, CID), [(0, 5, 1)]);
    }
}
