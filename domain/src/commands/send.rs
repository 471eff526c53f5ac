//! Something is said.

use super::{Allowed, Done, Draft, add_entry};
use crate::ids::RoomId;
use crate::kind::Kind;
use crate::rows::Rows;
use crate::stage::Stage;

pub(super) fn apply<R: Rows>(stage: &mut Stage<'_, R>, allowed: &Allowed<'_>, room: RoomId) -> Done {
    add_entry(stage, allowed, Kind::Message, room, Draft::default())
}
