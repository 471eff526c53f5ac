//! The room gets another topic.

use super::{Allowed, Done, Draft, add_entry};
use crate::ids::RoomId;
use crate::kind::Kind;
use crate::rows::Rows;
use crate::stage::Stage;

pub(super) fn apply<R: Rows>(stage: &mut Stage<'_, R>, allowed: &Allowed<'_>, id: RoomId) -> Done {
    let done = add_entry(stage, allowed, Kind::Topic, id, Draft::default());
    let room = stage.room_mut(id);
    room.topic_seq = room.head;
    done
}
