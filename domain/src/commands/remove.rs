//! Somebody is removed, and gets nothing of the room after the entry that says so.

use super::{Allowed, Done, Draft, add_entry, leave};
use crate::ids::{PersonId, RoomId};
use crate::kind::Kind;
use crate::stage::Stage;

pub(super) fn apply(stage: &mut Stage<'_>, allowed: &Allowed<'_>, room: RoomId, person: PersonId) -> Done {
    let draft = Draft { person: Some(person), ..Draft::default() };
    let done = add_entry(stage, allowed, Kind::Removed, room, draft);
    leave::dismiss(stage, room, person, true);
    done
}

#[cfg(test)]
mod tests {
    use crate::command::Action;
    use crate::entry::GapReason;
    use crate::read::{members, unread};
    use crate::refusal::Refusal;
    use crate::room::Role;
    use crate::testkit::{ANN, BOB, ROOM, World};

    const REMOVE: Action = Action::Remove { room: ROOM, person: BOB };

    #[test]
    fn nothing_above_the_removal_is_seen_on_any_path() {
        let mut world = World::with_bob(Role::Member);
        assert_eq!(world.act(ANN, REMOVE), Ok(3));
        assert_eq!(world.say(ANN, "after"), Ok(4));
        assert_eq!(world.seqs(BOB), [2, 3]);
        assert!(world.page(BOB, 3).expect("an empty page").entries.is_empty());
        assert_eq!(world.say(BOB, "still here"), Err(Refusal::RoomUnknown));
        let Ok(listing) = members(&world.rows, BOB, ROOM, None, 10);
        assert_eq!(listing, Err(Refusal::RoomUnknown));
        assert_eq!(unread(&world.rows, BOB, &[ROOM]), Ok(vec![]));
    }

    #[test]
    fn who_comes_back_does_not_see_what_was_missed() {
        let mut world = World::with_bob(Role::Member);
        assert_eq!(world.act(ANN, REMOVE), Ok(3));
        assert_eq!(world.say(ANN, "between"), Ok(4));
        assert_eq!(world.act(ANN, Action::Invite { room: ROOM, person: BOB, role: Role::Guest }), Ok(5));
        let page = world.page(BOB, 1).expect("a page");
        assert_eq!(page.entries.iter().map(|e| e.seq).collect::<Vec<_>>(), [2, 3, 5]);
        assert_eq!((page.gaps[0].from, page.gaps[0].to, page.gaps[0].reason), (4, 4, GapReason::BeforeMembership));
        assert!(!page.ended);
    }

    #[test]
    fn only_owners_remove_and_only_members_and_not_themselves() {
        let mut world = World::with_bob(Role::Member);
        assert_eq!(world.act(BOB, Action::Remove { room: ROOM, person: ANN }), Err(Refusal::NotAllowed));
        assert_eq!(world.act(ANN, Action::Remove { room: ROOM, person: ANN }), Err(Refusal::InvalidAction));
        assert_eq!(world.act(ANN, REMOVE), Ok(3));
        assert_eq!(world.act(ANN, REMOVE), Err(Refusal::PersonNotMember));
    }
}
