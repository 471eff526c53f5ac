//! The rooms that a client follows, as the driver sees them: cursors, and which of them the server serves now.

use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use hansard_proto::{
    rpc::Status,
    status,
    v1::{Cursor, Event, Followed, Gap, Unfollow, connect_request::Frame},
};
use tokio::sync::mpsc;

use crate::{
    ClientError, Item, Start, backoff,
    error::is_retryable,
    follow::Shared,
    tracker::{Tracker, Verdict},
};

/// How many cursors a hello may carry.
const HELLO_CURSORS: usize = 1_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// To be asked for in the next session, or at once if one stands.
    Idle,
    /// Asked for; what comes before `followed` belongs to an earlier follow.
    Asked,
    /// Served.
    Live,
    /// The reader is behind, and the server was told to stop; what comes now is dropped, it will come again.
    Pausing,
    /// The server has stopped.
    Paused,
}

struct Entry {
    id: u64,
    items: mpsc::Sender<Item>,
    shared: Arc<Shared>,
    /// `None` until the server says where "now" is.
    tracker: Option<Tracker>,
    phase: Phase,
    failures: u32,
}

impl Entry {
    fn has_room(&self) -> bool {
        self.items.capacity() >= self.items.max_capacity() / 2
    }

    fn ask(&mut self, room: &str) -> Frame {
        self.phase = Phase::Asked;
        self.shared.paused.store(false, Ordering::Release);
        Frame::Follow(hansard_proto::v1::Follow {
            room: room.to_owned(),
            after_seq: self.tracker.map_or(0, |tracker| tracker.last()),
            from_now: self.tracker.is_none(),
        })
    }

    /// Judges an item that covers `from..=to`. One that is taken moves the cursor; a hole before it is reported. A reader
    /// that is too far behind to take both makes the server's side stop.
    fn admit(&mut self, counts: &mut Counts, room: &str, from: u64, to: u64) -> Admission {
        let (Phase::Live, Some(tracker)) = (self.phase, self.tracker.as_mut()) else {
            return Admission::Drop;
        };
        let verdict = tracker.judge(from, to);
        if verdict == Verdict::Double {
            counts.doubles += 1;
            return Admission::Drop;
        }
        if self.items.capacity() < 2 {
            counts.pauses += 1;
            self.phase = Phase::Pausing;
            return Admission::Pause(Frame::Unfollow(Unfollow { room: room.to_owned() }));
        }
        tracker.advance(to);
        match verdict {
            Verdict::Next { from } => Admission::Take { from_seq: from },
            Verdict::Hole { from: from_seq, to: to_seq } => {
                counts.holes += 1;
                self.push(Item::Hole { room: room.to_owned(), from_seq, to_seq });
                Admission::Take { from_seq: from }
            }
            Verdict::Double => Admission::Drop,
        }
    }

    fn push(&self, item: Item) {
        // A reader that is gone ends the follow by itself.
        let _ = self.items.try_send(item);
    }
}

/// What to do with an item.
enum Admission {
    Take { from_seq: u64 },
    Drop,
    Pause(Frame),
}

/// What became of a follow that the server ended.
pub(crate) enum Ended {
    /// Nothing to do.
    Settled,
    /// Ask again at once.
    Ask(Frame),
    /// Ask again later.
    Later(Duration),
}

/// What was seen in all follows of a client's life.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) doubles: u64,
    pub(crate) holes: u64,
    pub(crate) pauses: u64,
}

/// All follows of a client.
#[derive(Default)]
pub(crate) struct Follows {
    by_room: HashMap<String, Entry>,
    made: u64,
    pub(crate) counts: Counts,
}

impl Follows {
    /// Adds a follow. It is asked for by [`Self::ask`] or the next hello.
    pub(crate) fn add(
        &mut self,
        room: &str,
        start: Start,
        buffer: usize,
        most: usize,
    ) -> Result<(u64, mpsc::Receiver<Item>, Arc<Shared>), ClientError> {
        if self.by_room.contains_key(room) {
            return Err(ClientError::Invalid(format!("this client follows room {room} already")));
        }
        if self.by_room.len() >= most {
            return Err(ClientError::Invalid(format!("a client follows at most {most} rooms")));
        }
        let (items, receiver) = mpsc::channel(buffer);
        let shared = Arc::new(Shared::default());
        let tracker = match start {
            Start::After(seq) => Some(Tracker::new(seq)),
            Start::Now => None,
        };
        self.made += 1;
        let entry = Entry { id: self.made, items, shared: shared.clone(), tracker, phase: Phase::Idle, failures: 0 };
        self.by_room.insert(room.to_owned(), entry);
        Ok((self.made, receiver, shared))
    }

    /// The frame that asks for a follow that nobody serves.
    pub(crate) fn ask(&mut self, room: &str) -> Option<Frame> {
        let entry = self.by_room.get_mut(room)?;
        (entry.phase == Phase::Idle).then(|| entry.ask(room))
    }

    /// The session is gone, and with it what was asked for.
    pub(crate) fn offline(&mut self) {
        for entry in self.by_room.values_mut() {
            let behind = matches!(entry.phase, Phase::Pausing | Phase::Paused);
            entry.phase = if behind { Phase::Paused } else { Phase::Idle };
            entry.shared.paused.store(behind, Ordering::Release);
            if behind && entry.has_room() {
                entry.phase = Phase::Idle;
            }
        }
    }

    /// The cursors for a hello; they count as asked for.
    pub(crate) fn cursors(&mut self) -> Vec<Cursor> {
        let mut cursors = Vec::new();
        for (room, entry) in &mut self.by_room {
            let (Phase::Idle, Some(tracker)) = (entry.phase, entry.tracker) else {
                continue;
            };
            if cursors.len() == HELLO_CURSORS {
                break;
            }
            entry.phase = Phase::Asked;
            entry.shared.paused.store(false, Ordering::Release);
            cursors.push(Cursor { room: room.clone(), after_seq: tracker.last() });
        }
        cursors
    }

    /// The frames for all follows that the hello had no place for.
    pub(crate) fn ask_rest(&mut self) -> Vec<Frame> {
        let idle = self.by_room.iter_mut().filter(|(_, entry)| entry.phase == Phase::Idle);
        idle.map(|(room, entry)| entry.ask(room)).collect()
    }

    /// The server serves a follow.
    pub(crate) fn followed(&mut self, followed: &Followed) {
        let Some(entry) = self.by_room.get_mut(&followed.room) else {
            return;
        };
        if entry.phase != Phase::Asked {
            return;
        }
        entry.phase = Phase::Live;
        entry.failures = 0;
        let tracker = *entry.tracker.get_or_insert_with(|| Tracker::new(followed.after_seq));
        if entry.items.capacity() >= 2 {
            entry.push(Item::Followed { after_seq: tracker.last(), head_seq: followed.head_seq });
        }
    }

    /// Something happened. Returns a frame if the follow must pause.
    pub(crate) fn event(&mut self, event: Event) -> Option<Frame> {
        let entry = self.by_room.get_mut(&event.room)?;
        match entry.admit(&mut self.counts, &event.room, event.seq, event.seq) {
            Admission::Take { .. } => entry.push(Item::Event(event)),
            Admission::Drop => {}
            Admission::Pause(frame) => return Some(frame),
        }
        None
    }

    /// Seqs are not shown. Returns a frame if the follow must pause.
    pub(crate) fn gap(&mut self, gap: Gap) -> Option<Frame> {
        let entry = self.by_room.get_mut(&gap.room)?;
        match entry.admit(&mut self.counts, &gap.room, gap.from_seq, gap.to_seq) {
            Admission::Take { from_seq } => entry.push(Item::Gap(Gap { from_seq, ..gap })),
            Admission::Drop => {}
            Admission::Pause(frame) => return Some(frame),
        }
        None
    }

    /// The server ended a follow, or refused it.
    pub(crate) fn unfollowed(&mut self, room: &str, why: Option<&Status>) -> Ended {
        let Some(entry) = self.by_room.get_mut(room) else {
            return Ended::Settled;
        };
        match (why, entry.phase) {
            (Some(why), _) if is_retryable(why) => {
                entry.phase = Phase::Idle;
                entry.failures += 1;
                let least = status::retry_after(why).unwrap_or_default();
                Ended::Later(backoff::retry_delay(entry.failures, least))
            }
            // What came since the reader fell behind was dropped, up to what ended the follow: asked for again, it comes and ends again.
            (_, Phase::Pausing) => {
                entry.phase = Phase::Paused;
                // Said before the look at the buffer, so that either this side or the reader resumes.
                entry.shared.paused.store(true, Ordering::SeqCst);
                if entry.has_room() { Ended::Ask(entry.ask(room)) } else { Ended::Settled }
            }
            (Some(why), _) => {
                entry.shared.end(ClientError::from_status(why, None));
                self.by_room.remove(room);
                Ended::Settled
            }
            (None, Phase::Live) => Ended::Ask(entry.ask(room)),
            (None, _) => Ended::Settled,
        }
    }

    /// The reader has caught up. Returns the frame that resumes the follow.
    pub(crate) fn caught_up(&mut self, room: &str, id: u64, online: bool) -> Option<Frame> {
        let entry = self.by_room.get_mut(room)?;
        if entry.id != id || entry.phase != Phase::Paused {
            return None;
        }
        entry.shared.paused.store(false, Ordering::Release);
        entry.phase = Phase::Idle;
        online.then(|| entry.ask(room))
    }

    /// The reader is gone. Returns the frame that tells the server.
    pub(crate) fn remove(&mut self, room: &str, id: u64) -> Option<Frame> {
        if self.by_room.get(room)?.id != id {
            return None;
        }
        let entry = self.by_room.remove(room)?;
        let served = matches!(entry.phase, Phase::Asked | Phase::Live);
        served.then(|| Frame::Unfollow(Unfollow { room: room.to_owned() }))
    }

    /// The client ends, and all follows with it.
    pub(crate) fn end(&mut self, cause: &ClientError) {
        for (_, entry) in self.by_room.drain() {
            entry.shared.end(cause.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    const ROOM: &str = "00000000000000000000000000000001";
    const BUFFER: usize = 4;

    fn event(seq: u64) -> Event {
        Event { room: ROOM.into(), seq, ..Event::default() }
    }

    fn followed(after_seq: u64) -> Followed {
        Followed { room: ROOM.into(), after_seq, head_seq: 6 }
    }

    fn read(items: &mut mpsc::Receiver<Item>) -> Vec<u64> {
        let items = std::iter::from_fn(|| items.try_recv().ok());
        items.filter_map(|item| if let Item::Event(event) = item { Some(event.seq) } else { None }).collect()
    }

    fn asked_after(frame: &Frame) -> u64 {
        let Frame::Follow(follow) = frame else { panic!("{frame:?}") };
        follow.after_seq
    }

    #[test]
    fn what_ends_a_follow_while_it_pauses_hides_nothing_from_a_slow_reader() {
        let removed = status::new(Code::PermissionDenied, "MEMBERSHIP_ENDED", "removed");
        let mut follows = Follows::default();
        let (id, mut items, shared) = follows.add(ROOM, Start::After(0), BUFFER, 1).expect("it is new");
        assert!(follows.ask(ROOM).is_some());
        follows.followed(&followed(0));
        // The buffer holds this, the first two and, always, room for a hole.
        let pauses: Vec<_> = (1..=6).map(|seq| follows.event(event(seq)).is_some()).collect();
        assert_eq!(pauses, [false, false, true, false, false, false]);
        // The removal was the sixth; the server had ended the follow before it read that it should stop.
        assert!(matches!(follows.unfollowed(ROOM, Some(&removed)), Ended::Settled));
        assert!(shared.paused.load(Ordering::SeqCst), "the reader is to ask for the rest");
        assert!(matches!(follows.unfollowed(ROOM, None), Ended::Settled));
        assert_eq!(read(&mut items), [1, 2]);
        let again = follows.caught_up(ROOM, id, true).expect("it is asked for again");
        assert_eq!(asked_after(&again), 2);
        follows.followed(&followed(2));
        assert!((3..=4).all(|seq| follows.event(event(seq)).is_none()));
        assert_eq!(read(&mut items), [3, 4]);
        assert!((5..=6).all(|seq| follows.event(event(seq)).is_none()));
        assert!(matches!(follows.unfollowed(ROOM, Some(&removed)), Ended::Settled));
        assert_eq!(read(&mut items), [5, 6]);
        assert!(matches!(items.try_recv(), Err(mpsc::error::TryRecvError::Disconnected)), "it has ended");
        assert_eq!((follows.counts.holes, follows.counts.pauses), (0, 1));
    }

    #[test]
    fn a_reader_that_caught_up_before_the_end_came_asks_at_once() {
        let removed = status::new(Code::PermissionDenied, "MEMBERSHIP_ENDED", "removed");
        let mut follows = Follows::default();
        let (_, mut items, _) = follows.add(ROOM, Start::After(0), BUFFER, 1).expect("it is new");
        assert!(follows.ask(ROOM).is_some());
        follows.followed(&followed(0));
        assert!((1..=3).any(|seq| follows.event(event(seq)).is_some()));
        assert_eq!(read(&mut items), [1, 2]);
        let Ended::Ask(again) = follows.unfollowed(ROOM, Some(&removed)) else { panic!("it is asked for again") };
        assert_eq!(asked_after(&again), 2);
        // The answer to the unfollow, which the server reads before it is asked again.
        assert!(matches!(follows.unfollowed(ROOM, None), Ended::Settled));
        follows.followed(&followed(2));
        assert!(follows.event(event(3)).is_none());
        assert_eq!(read(&mut items), [3]);
    }
}
