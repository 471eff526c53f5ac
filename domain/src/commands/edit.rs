//! A message gets a new text: an entry of its own; the old text stays where it is.

use super::{Allowed, Done, Draft, add_entry};
use crate::event::ContentState;
use crate::ids::RoomId;
use crate::keys;
use crate::kind::Kind;
use crate::rows::{Rows, Table};
use crate::stage::Stage;

pub(super) fn apply<R: Rows>(stage: &mut Stage<'_, R>, allowed: &Allowed<'_>, room: RoomId, target: u64) -> Result<Done, R::Error> {
    let draft = Draft { target: Some(target), ..Draft::default() };
    let done = add_entry(stage, allowed, Kind::Edit, room, draft);
    change(stage, room, target, ContentState::Edited)?;
    Ok(done)
}

/// Marks a message as changed by the room's newest entry.
pub(super) fn change<R: Rows>(stage: &mut Stage<'_, R>, room: RoomId, target: u64, state: ContentState) -> Result<(), R::Error> {
    let mut row = stage.event(room, target)?.expect("authorize has seen the target");
    row.changed_by = stage.room(room).expect("the room is loaded").head;
    row.state = state;
    stage.put(Table::Event, &keys::event(room, target), Some(row.encode()));
    Ok(())
}
