//! Cursors of a hello whose follows have not started yet. Each costs what a follow costs; those that cannot be paid at once
//! start as the buckets fill, so that nobody is turned away for coming back with many rooms.

use std::collections::VecDeque;
use std::time::Duration;

use hansard_domain::RoomId;
use hansard_proto::v1::connect_request::Frame;
use tokio::time::Instant;

use crate::fields;

/// Least time between two tries to pay, so that many small steps do not cost more than what they start.
const STEP: Duration = Duration::from_millis(10);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Owed {
    cursors: VecDeque<(RoomId, u64)>,
    due: Option<Instant>,
}

impl Owed {
    /// One more, after those that wait already.
    pub(super) fn push(&mut self, room: RoomId, after_seq: u64) {
        self.cursors.push_back((room, after_seq));
    }

    /// The next that can be paid. `pay` says how long to wait if it cannot.
    pub(super) fn next(
        &mut self,
        now: Instant,
        mut pay: impl FnMut() -> Result<(), Duration>,
    ) -> Option<(RoomId, u64)> {
        if self.cursors.is_empty() || self.due.is_some_and(|due| now < due) {
            return None;
        }
        self.due = pay().err().map(|wait| now + wait.max(STEP));
        if self.due.is_none() { self.cursors.pop_front() } else { None }
    }

    /// When the next can be paid.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due.filter(|_| !self.cursors.is_empty())
    }

    /// What the client says of a room now holds, and not what it said in the hello.
    pub(super) fn heed(&mut self, frame: &Frame) {
        let room = match frame {
            _ if self.cursors.is_empty() => return,
            Frame::Follow(follow) => &follow.room,
            Frame::Unfollow(unfollow) => &unfollow.room,
            _ => return,
        };
        if let Ok(room) = fields::room(room) {
            self.cursors.retain(|(owed, _)| *owed != room);
        }
    }
}
