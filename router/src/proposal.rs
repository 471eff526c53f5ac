//! A change that a person wants in a room.

use bytes::Bytes;
use hansard_domain::{Action, RequestId, RoomId};
use hansard_proto::cluster::v1::Propose;
use hansard_proto::convert;

/// A validated proposal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Proposal {
    /// The identity of the intent.
    pub(crate) request: RequestId,
    /// The room.
    pub(crate) room: RoomId,
    /// What to do in it.
    pub(crate) action: Action,
    /// `domain`'s content format.
    pub(crate) content: Bytes,
}

/// What was committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Committed {
    /// The entry's seq in the room, or the read mark.
    pub(crate) seq: u64,
    /// The entry's time, microseconds UTC.
    pub(crate) time_us: i64,
}

impl Proposal {
    /// The seq that the action is about, or 0.
    pub(crate) fn target_seq(&self) -> u64 {
        match self.action {
            Action::MarkRead { seq, .. } => seq,
            action => action.target().unwrap_or_default(),
        }
    }

    /// As nodes are told.
    pub(crate) fn into_wire(self) -> Propose {
        convert::propose(self.request, &self.action, self.content).expect("actions in rooms have a wire form")
    }
}
