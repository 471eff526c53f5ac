//! A room comes to be, with its creator as its first owner; or two people get their room.

use super::{Allowed, Done, Draft, add_entry, list};
use crate::ids::{PersonId, RoomId};
use crate::kind::Kind;
use crate::member::Member;
use crate::outcome::Outcome;
use crate::room::{Role, Room, Visibility};
use crate::rows::{Rows, Table};
use crate::stage::Stage;

pub(super) fn apply<R: Rows>(
    stage: &mut Stage<'_, R>,
    allowed: &Allowed<'_>,
    id: RoomId,
    visibility: Visibility,
    peer: Option<PersonId>,
) -> Done {
    if let Some(room) = stage.room(id) {
        return Done::Already(Outcome::Committed { seq: 1, time_us: room.created_us, repeated: true });
    }
    let actor = allowed.command.actor;
    let role = if peer.is_some() { Role::Member } else { Role::Owner };
    let created_us = stage.warm.head.next_time(allowed.command.stamp_us);
    stage.put_room(
        id,
        Room {
            visibility,
            open: true,
            head: 0,
            created_us,
            members: 1 + u64::from(peer.is_some()),
            owners: u64::from(peer.is_none()),
            messages: 0,
            topic_seq: 1,
            pair: peer.map(|peer| [actor.min(peer), actor.max(peer)]),
        },
    );
    for person in [Some(actor), peer].into_iter().flatten() {
        stage.put_member(id, person, Member::new(role, 1, 1));
        list(stage, person, id, true);
    }
    if visibility == Visibility::Public {
        stage.put(Table::PublicRoom, id.as_bytes(), Some(vec![1]));
    }
    let draft = Draft { person: peer, role: Some(role), visibility: Some(visibility), ..Draft::default() };
    add_entry(stage, allowed, Kind::RoomCreated, id, draft)
}
