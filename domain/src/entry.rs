//! Entries of a room as its members see them.

use bytes::Bytes;

use crate::ids::{PersonId, RoomId};
use crate::kind::Kind;
use crate::room::{Role, Visibility};

/// One entry of a room. `(room, seq)` is its identity.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Its place in the room, from 1, without holes.
    pub seq: u64,
    /// Its time in the record, microseconds UTC.
    pub time_us: i64,
    /// What happened.
    pub kind: Kind,
    /// Who did it.
    pub actor: PersonId,
    /// Whom it is about: invited, removed, role; the other person of a direct room.
    pub person: Option<PersonId>,
    /// The seq that it is about: edit, redaction.
    pub target: Option<u64>,
    /// The role from now on: room_created, joined, invited, role.
    pub role: Option<Role>,
    /// Who may find and enter the room: room_created.
    pub visibility: Option<Visibility>,
    /// The content's canonical bytes in the clear; empty when redacted or erased.
    pub content: Bytes,
    /// The newest edit or redaction of it; 0 if there is none (and always 0 when it is new).
    pub changed_by: u64,
}

/// An effect of apply: what a serving replica tells the followers of a room.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RoomEvent {
    /// The room.
    pub room: RoomId,
    /// What happened.
    pub entry: Entry,
}

/// Seqs that are not shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Gap {
    /// The first.
    pub from: u64,
    /// The last.
    pub to: u64,
    /// Why.
    pub reason: GapReason,
}

/// Why seqs are not shown; the numbers are those of `hansard.v1.GapReason`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum GapReason {
    /// Policy withholds them.
    Withheld = 1,
    /// The person was not a member then.
    BeforeMembership = 2,
    /// Their retention has ended.
    Retention = 3,
    /// They were erased on legal grounds.
    Erased = 4,
}
