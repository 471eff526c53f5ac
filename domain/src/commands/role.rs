//! A member gets another role.

use super::{Allowed, Done, Draft, add_entry};
use crate::ids::{PersonId, RoomId};
use crate::kind::Kind;
use crate::room::Role;
use crate::rows::Rows;
use crate::stage::Stage;

pub(super) fn apply<R: Rows>(stage: &mut Stage<'_, R>, allowed: &Allowed<'_>, id: RoomId, person: PersonId, role: Role) -> Done {
    let draft = Draft { person: Some(person), role: Some(role), ..Draft::default() };
    let done = add_entry(stage, allowed, Kind::Role, id, draft);
    let member = stage.member_mut(id, person);
    let was = std::mem::replace(&mut member.role, role);
    let room = stage.room_mut(id);
    room.owners += u64::from(role == Role::Owner);
    room.owners -= u64::from(was == Role::Owner);
    done
}
