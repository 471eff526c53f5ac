//! What a session wants done.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use hansard_domain::bug::{self, Bug};
use hansard_domain::{PersonId, RequestId, RoomId};
use hansard_proto::convert::duration;
use hansard_proto::rpc::Status;
use hansard_proto::v1::connect_response::Frame;
use hansard_proto::v1::{Call, Event, Reconnect};
use tokio::time::Instant;

use crate::bucket::Bucket;
use crate::hub::{Read, SharedEvent};
use crate::principal::Principal;
use crate::proposal::{Committed, Proposal};

/// Something to do for a session.
#[derive(Debug)]
pub(crate) enum Effect {
    /// Find out who holds this token; answer with `on_admitted`.
    Admit(Secret),
    /// Commit this; answer with `on_committed`.
    Propose(Proposal),
    /// Make this call; answer with `on_reply`.
    Call(Call),
    /// Read a page of history; answer with `on_page`.
    Page(PageRequest),
    /// Follow the room's hub.
    Attach(RoomId),
    /// Follow it no more.
    Detach(RoomId),
    /// These people wrote in the room.
    Saw(RoomId, Vec<PersonId>),
    /// Tell a room that the person is typing.
    Typing(RoomId),
    /// Tell others of the person's availability.
    Presence {
        /// As `hansard.v1.Availability`.
        availability: i32,
        /// When an answer can be had, seconds since 1970; 0 if not said.
        answer_at_s: i64,
    },
    /// Account for a refusal by this router.
    Refused(Status),
    /// Send a frame.
    Send(Box<Frame>),
    /// Say that this was committed.
    Ack(Tag, Committed),
    /// Send a room's entry.
    Event(Arc<SharedEvent>),
    /// Close the connection.
    End(End),
}

/// A token on its way to be checked; it shows itself to nobody.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(pub(crate) String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// How a session ends.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct End {
    /// Why; `None` when the client went.
    pub(crate) status: Option<Status>,
    /// How long the client should wait before it comes back.
    pub(crate) after: Option<Duration>,
    /// The session had been opened, so that the client knows what a `reconnect` frame is.
    pub(crate) welcomed: bool,
}

impl End {
    /// Whether the client should come back, here or elsewhere, with what it has.
    pub(crate) fn invites_back(&self) -> bool {
        self.after.is_some()
    }

    /// The last frame, if there is something to say.
    pub(crate) fn farewell(&self) -> Option<Frame> {
        let status = self.status.clone()?;
        let after = Some(duration(self.after.unwrap_or_default()));
        Some(Frame::Reconnect(Reconnect { address: String::new(), after, status: Some(status) }))
    }
}

/// Which page of history is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PageRequest {
    /// The room.
    pub(crate) room: RoomId,
    /// Comes back with the answer.
    pub(crate) generation: u64,
    /// Entries after this seq.
    pub(crate) after: u64,
    /// An empty page at the head instead.
    pub(crate) from_now: bool,
}

/// A page of history.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Page {
    /// Events and gaps, ascending and contiguous.
    pub(crate) items: Vec<Item>,
    /// The newest seq that the person may know of.
    pub(crate) head: u64,
    /// The person's view ends with this page.
    pub(crate) ended: bool,
}

/// One item of a page.
#[allow(clippy::large_enum_variant, reason = "gaps are rare: boxing would cost every event")]
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Item {
    /// An entry.
    Event(Event),
    /// Seqs that the person does not get.
    Gap {
        /// The first.
        from: u64,
        /// The last.
        to: u64,
        /// As `hansard.v1.GapReason`.
        reason: i32,
    },
}

/// An admitted person.
#[derive(Debug, Clone)]
pub(crate) struct Admission {
    /// Who.
    pub(crate) principal: Principal,
    /// When the token expires.
    pub(crate) expires: Instant,
    /// How fast the person may go on this router, over all sessions.
    pub(crate) rate: Arc<Mutex<Bucket>>,
    /// The session's id, for logs and support.
    pub(crate) session: String,
    /// Other routers.
    pub(crate) alternates: Vec<String>,
}

/// Which request an answer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tag {
    /// The request.
    pub(crate) request: RequestId,
    /// Its room.
    pub(crate) room: RoomId,
}

/// Where a session reads live entries.
pub(crate) trait Rings {
    /// At most `max` entries of a room after `cursor`.
    fn read(&self, room: RoomId, cursor: u64, max: usize) -> Read;
}

/// Whether an entry ends the membership of `person`.
pub(crate) fn ends(entry: &SharedEvent, person: PersonId) -> bool {
    entry.ends == Some(person) && !bug::is(Bug::RemovedStillServed)
}
