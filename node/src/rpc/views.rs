//! Domain's views as the wire has them.

use bytes::Bytes;
use hansard_domain::read;
use hansard_proto::{cluster::v1 as wire, convert::bytes};

/// A room.
pub(super) fn room(view: read::RoomView) -> wire::RoomView {
    wire::RoomView {
        room: bytes(view.room),
        name: view.name,
        topic: view.topic,
        visibility: view.visibility.number().into(),
        head_seq: view.head,
        created_us: view.created_us,
        members: view.members,
        role: view.role.map_or(0, |role| role.number().into()),
        peer: view.peer.map_or_else(Bytes::new, bytes),
    }
}

/// A member.
pub(super) fn member(view: read::MemberView) -> wire::MemberView {
    wire::MemberView { person: bytes(view.person), role: view.role.number().into(), since_seq: view.since }
}

/// A count.
pub(super) fn unread(view: read::Unread) -> wire::UnreadView {
    wire::UnreadView { room: bytes(view.room), read_seq: view.read, head_seq: view.head, messages: view.messages }
}
