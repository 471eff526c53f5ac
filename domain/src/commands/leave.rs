//! Somebody leaves; the entry that says so is the last that the person sees.

use super::{Allowed, Done, Draft, add_entry, list};
use crate::ids::{PersonId, RoomId};
use crate::kind::Kind;
use crate::room::Role;
use crate::rows::Rows;
use crate::stage::Stage;

pub(super) fn apply<R: Rows>(stage: &mut Stage<'_, R>, allowed: &Allowed<'_>, room: RoomId) -> Done {
    let done = add_entry(stage, allowed, Kind::Left, room, Draft::default());
    dismiss(stage, room, allowed.command.actor, false);
    done
}

/// Ends a person's membership at the room's newest entry.
pub(super) fn dismiss<R: Rows>(stage: &mut Stage<'_, R>, id: RoomId, person: PersonId, removed: bool) {
    let seq = stage.room(id).expect("the room is loaded").head;
    let member = stage.member_mut(id, person);
    let owner = member.role == Role::Owner;
    member.end(seq, removed);
    let room = stage.room_mut(id);
    room.members -= 1;
    room.owners -= u64::from(owner);
    list(stage, person, id, false);
}
