//! A message gets a new text: an entry of its own; the old text stays where it is.

use super::{Allowed, Done, Draft, add_entry};
use crate::bug::{self, Bug};
use crate::erased::Unread;
use crate::event::ContentState;
use crate::ids::RoomId;
use crate::kind::Kind;
use crate::outcome::Outcome;
use crate::stage::Stage;

pub(super) fn apply(stage: &mut Stage<'_>, allowed: &Allowed<'_>, room: RoomId, target: u64) -> Result<Done, Unread> {
    if bug::is(Bug::EditWithoutEntry) {
        return Ok(Done::Already(Outcome::Committed { seq: target, time_us: 0, repeated: false }));
    }
    let draft = Draft { target: Some(target), ..Draft::default() };
    let done = add_entry(stage, allowed, Kind::Edit, room, draft);
    change(stage, room, target, ContentState::Edited)?;
    Ok(done)
}

/// Marks a message as changed by the room's newest entry.
pub(super) fn change(stage: &mut Stage<'_>, room: RoomId, target: u64, state: ContentState) -> Result<(), Unread> {
    let mut row = stage.event(room, target)?.expect("authorize has seen the target");
    row.changed_by = stage.room(room).expect("the room is loaded").head;
    row.state = state;
    stage.replace_event(room, target, &row)
}

#[cfg(test)]
mod tests {
    use crate::command::Action;
    use crate::content::Content;
    use crate::refusal::Refusal;
    use crate::room::Role;
    use crate::testkit::{ANN, BOB, ROOM, World};

    #[test]
    fn the_old_text_stays_and_points_to_the_new_one() {
        let mut world = World::with_bob(Role::Member);
        assert_eq!(world.say(BOB, "tpyo"), Ok(3));
        let edit = Action::EditMessage { room: ROOM, target: 3 };
        assert_eq!(world.run(BOB, edit, &Content::text("typo")), Ok(4));
        assert_eq!(world.text(ANN, 3).as_deref(), Some("tpyo"));
        assert_eq!(world.text(ANN, 4).as_deref(), Some("typo"));
        assert_eq!((world.entry(ANN, 3).changed_by, world.entry(ANN, 4).target), (4, Some(3)));
        world.reload();
    }

    #[test]
    fn only_authors_edit_and_only_messages() {
        let mut world = World::with_bob(Role::Member);
        assert_eq!(world.say(BOB, "mine"), Ok(3));
        let mut edit =
            |actor, target| world.run(actor, Action::EditMessage { room: ROOM, target }, &Content::text("x"));
        assert_eq!(edit(ANN, 3), Err(Refusal::NotAllowed));
        for target in [0, 1, 2, 99] {
            assert_eq!(edit(BOB, target), Err(Refusal::TargetUnknown), "{target}");
        }
        assert_eq!(edit(BOB, 3), Ok(4));
        assert_eq!(edit(BOB, 4), Err(Refusal::TargetUnknown), "an edit is no message");
    }
}
