//! Somebody is removed, and gets nothing of the room after the entry that says so.

use super::{Allowed, Done, Draft, add_entry, leave};
use crate::ids::{PersonId, RoomId};
use crate::kind::Kind;
use crate::rows::Rows;
use crate::stage::Stage;

pub(super) fn apply<R: Rows>(stage: &mut Stage<'_, R>, allowed: &Allowed<'_>, room: RoomId, person: PersonId) -> Done {
    let draft = Draft { person: Some(person), ..Draft::default() };
    let done = add_entry(stage, allowed, Kind::Removed, room, draft);
    leave::dismiss(stage, room, person, true);
    done
}
