//! What others leave for a connection: answers of nodes, rooms with news, soft state, and orders from the router itself.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hansard_domain::{PersonId, RoomId};
use hansard_proto::rpc::Status;
use tokio::sync::Notify;

use crate::limits::INBOX_SIGNALS;
use crate::upstream::Answered;

/// Something that is not kept: it is dropped when the client is slow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Soft {
    /// Somebody types.
    Typing {
        /// Where.
        room: RoomId,
        /// Who.
        person: PersonId,
    },
    /// Somebody's availability.
    Presence {
        /// Who.
        person: PersonId,
        /// As `hansard.v1.Availability`.
        availability: i32,
        /// When an answer can be had, seconds since 1970; 0 if not said.
        answer_at_s: i64,
    },
    /// The person's own read mark.
    ReadMark {
        /// Where.
        room: RoomId,
        /// All up to here is read.
        seq: u64,
    },
}

impl Soft {
    /// Whether whoever hears of the one need not hear of the other, which came before.
    fn replaces(&self, before: &Self) -> bool {
        match (self, before) {
            (Self::Typing { .. }, before) => self == before,
            (Self::Presence { person, .. }, Self::Presence { person: before, .. }) => person == before,
            (Self::ReadMark { room, .. }, Self::ReadMark { room: before, .. }) => room == before,
            _ => false,
        }
    }

    /// What must go for others goes in this order: typing, which is over soon; presence, which changes again; read marks, which
    /// nobody tells again.
    fn rank(&self) -> u8 {
        match self {
            Self::Typing { .. } => 0,
            Self::Presence { .. } => 1,
            Self::ReadMark { .. } => 2,
        }
    }
}

/// An order to leave.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Order {
    /// Why.
    pub(crate) status: Status,
    /// How long the client should wait before it comes back; `None`: it should not come back with this token.
    pub(crate) after: Option<std::time::Duration>,
}

/// What was left since the last look.
#[derive(Debug, Default)]
pub(crate) struct Left {
    /// What became of proposals, by their numbers.
    pub(crate) answers: Vec<(u32, Answered)>,
    /// Rooms with news; each at most once between two reads of it.
    pub(crate) news: Vec<RoomId>,
    /// Soft state, oldest first.
    pub(crate) soft: VecDeque<Soft>,
    /// The order to leave, if any.
    pub(crate) order: Option<Order>,
}

/// One connection's inbox. Bounded by what the session has under way, by its follows and by [`INBOX_SIGNALS`].
#[derive(Debug)]
pub(crate) struct Inbox {
    /// The session's number on this router.
    pub(crate) session: u64,
    left: Mutex<Left>,
    notify: Notify,
}

impl Inbox {
    /// An empty one.
    pub(crate) fn new(session: u64) -> Self {
        Self { session, left: Mutex::default(), notify: Notify::new() }
    }

    /// Leaves an answer. True: it is the first one since the last look, and the session must be woken when all of them are there.
    pub(crate) fn answered(&self, number: u32, answer: Answered) -> bool {
        let mut left = self.lock();
        left.answers.push((number, answer));
        left.answers.len() == 1
    }

    /// Has the session look.
    pub(crate) fn wake(&self) {
        self.notify.notify_one();
    }

    /// A room has news. The hub calls this once until the session has read the room.
    pub(crate) fn news(&self, room: RoomId) {
        self.lock().news.push(room);
        self.notify.notify_one();
    }

    /// Leaves soft state, the newest of each kind; the oldest of what matters least goes when there is too much.
    pub(crate) fn soft(&self, soft: Soft) {
        let mut left = self.lock();
        if let Some(before) = left.soft.iter_mut().find(|before| soft.replaces(before)) {
            *before = soft;
        } else {
            left.soft.push_back(soft);
            if left.soft.len() > INBOX_SIGNALS {
                let least = (0..left.soft.len()).min_by_key(|at| left.soft[*at].rank());
                least.and_then(|at| left.soft.remove(at));
            }
        }
        drop(left);
        self.notify.notify_one();
    }

    /// Orders the session to leave; the first order stands.
    pub(crate) fn order(&self, order: Order) {
        self.lock().order.get_or_insert(order);
        self.notify.notify_one();
    }

    /// Takes what was left.
    pub(crate) fn take(&self) -> Left {
        std::mem::take(&mut *self.lock())
    }

    /// Takes what was left but for soft state, for which the client has no room: that waits here, where it is bounded and
    /// newer replaces older. Typing does not wait, since nobody types any more by then.
    pub(crate) fn take_but_soft(&self) -> Left {
        let mut left = self.lock();
        let mut soft = std::mem::take(&mut left.soft);
        soft.retain(|soft| !matches!(soft, Soft::Typing { .. }));
        std::mem::replace(&mut *left, Left { soft, ..Left::default() })
    }

    /// Returns once something was left since the last call. Cancel safe.
    pub(crate) async fn changed(&self) {
        self.notify.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, Left> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: RoomId = RoomId::from_bytes([7; 16]);

    fn presence(person: u8, answer_at_s: i64) -> Soft {
        Soft::Presence { person: PersonId::from_bytes([person; 16]), availability: 1, answer_at_s }
    }

    #[test]
    fn soft_state_waits_for_a_slow_client_the_newest_of_each_kind_and_typing_does_not() {
        let inbox = Inbox::new(1);
        for n in 1..=1_000 {
            inbox.soft(presence(1, n));
            inbox.soft(presence(2, n));
            inbox.soft(Soft::Typing { room: ROOM, person: PersonId::from_bytes([1; 16]) });
            inbox.soft(Soft::ReadMark { room: ROOM, seq: n as u64 });
            inbox.news(ROOM);
            let left = inbox.take_but_soft();
            assert!(left.soft.is_empty() && left.news == [ROOM], "only soft state waits");
        }
        let last = [presence(1, 1_000), presence(2, 1_000), Soft::ReadMark { room: ROOM, seq: 1_000 }];
        assert_eq!(inbox.take().soft, last);
        assert!(inbox.take().soft.is_empty());
    }

    #[test]
    fn soft_state_is_bounded() {
        let inbox = Inbox::new(1);
        for person in 0..=u8::MAX {
            inbox.soft(presence(person, 0));
        }
        let soft = inbox.take().soft;
        assert_eq!((soft.len(), soft.back()), (INBOX_SIGNALS, Some(&presence(u8::MAX, 0))));
    }

    #[test]
    fn typing_and_presence_displace_no_read_marks() {
        let inbox = Inbox::new(1);
        let mark = |room: u8| Soft::ReadMark { room: RoomId::from_bytes([room; 16]), seq: 1 };
        let bound = u8::try_from(INBOX_SIGNALS).unwrap();
        (0..bound - 1).for_each(|room| inbox.soft(mark(room)));
        (0..=u8::MAX).for_each(|person| inbox.soft(presence(person, 0)));
        inbox.soft(Soft::Typing { room: ROOM, person: PersonId::from_bytes([1; 16]) });
        let marks = (0..bound - 1).map(mark);
        assert_eq!(inbox.take().soft, marks.chain([presence(u8::MAX, 0)]).collect::<Vec<_>>());
        (0..=bound).for_each(|room| inbox.soft(mark(room)));
        assert_eq!(inbox.take().soft, (1..=bound).map(mark).collect::<Vec<_>>(), "of read marks the oldest goes");
    }
}
