//! A message is hidden, and its edits with it; the texts stay in the record.

use super::{Allowed, Done, Draft, add_entry, edit};
use crate::event::ContentState;
use crate::ids::RoomId;
use crate::kind::Kind;
use crate::rows::Rows;
use crate::stage::Stage;

pub(super) fn apply<R: Rows>(stage: &mut Stage<'_, R>, allowed: &Allowed<'_>, room: RoomId, target: u64) -> Result<Done, R::Error> {
    let draft = Draft { target: Some(target), ..Draft::default() };
    let done = add_entry(stage, allowed, Kind::Redaction, room, draft);
    edit::change(stage, room, target, ContentState::Redacted)?;
    Ok(done)
}
