//! A read mark moves forward. Replicated state, but nothing that the record tells.

use super::{Allowed, Done};
use crate::dedup::Proof;
use crate::ids::RoomId;
use crate::keys;
use crate::outcome::Outcome;
use crate::read::mark;
use crate::rows::{Rows, Table};
use crate::stage::{Stage, sound};

pub(super) fn apply<R: Rows>(stage: &mut Stage<'_, R>, allowed: &Allowed<'_>, room: RoomId, seq: u64) -> Result<Done, R::Error> {
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
