//! What a shard is asked.

use bytes::Bytes;
use hansard_domain::{Action, PersonId, Refusal, RequestId, RoomId};

/// What somebody wants done in a shard of rooms.
#[derive(Clone, Debug)]
pub struct ProposeRequest {
    /// Who wants it.
    pub actor: PersonId,
    /// The client's id for it: the same id gives the same answer for ever.
    pub request: RequestId,
    /// What.
    pub action: Action,
    /// Text, name, topic, reason: the bytes of domain's `Content`, checked.
    pub content: Bytes,
}

/// Refusals of one person that somebody else counted, such as a router.
#[derive(Clone, Copy, Debug)]
pub struct RefusalReport {
    /// Who was refused.
    pub person: PersonId,
    /// The room, if it was about one.
    pub room: Option<RoomId>,
    /// Why.
    pub reason: Refusal,
    /// How many.
    pub count: u64,
    /// When the first was, microseconds UTC.
    pub first_us: i64,
    /// When the last was, microseconds UTC.
    pub last_us: i64,
}
