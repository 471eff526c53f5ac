//! Somebody is made a member, at once.

use super::{Allowed, Done, Draft, add_entry, join};
use crate::ids::{PersonId, RoomId};
use crate::kind::Kind;
use crate::room::Role;
use crate::rows::Rows;
use crate::stage::Stage;

pub(super) fn apply<R: Rows>(stage: &mut Stage<'_, R>, allowed: &Allowed<'_>, room: RoomId, person: PersonId, role: Role) -> Done {
    let draft = Draft { person: Some(person), role: Some(role), ..Draft::default() };
    let done = add_entry(stage, allowed, Kind::Invited, room, draft);
    join::admit(stage, room, person, role);
    done
}
