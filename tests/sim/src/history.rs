//! What the clients did and saw, and when.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    time::Duration,
};

use hansard_client::v1::Event;

/// What became of a deed, as its client knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Committed with this seq.
    Acked(u64),
    /// Not done, and never will be: the reason.
    Refused(String),
    /// Given up.
    Unknown,
}

/// What is done in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    /// A message.
    Send,
    /// A new text for an own message.
    Edit(u64),
    /// A message is hidden.
    Redact(u64),
    /// Going in.
    Join,
    /// Going out.
    Leave,
    /// Letting a client in.
    Invite(usize),
    /// Putting a client out.
    Remove(usize),
}

/// A deed under way or done.
#[derive(Clone, Debug)]
pub(crate) struct Done {
    /// The client.
    pub(crate) client: usize,
    /// Its request id, 32 hexadecimal digits.
    pub(crate) request: String,
    /// The room.
    pub(crate) room: String,
    /// What.
    pub(crate) deed: Deed,
    /// What is said; no two messages say the same.
    pub(crate) text: String,
    /// The id is that of another deed, the one with this number.
    pub(crate) reuses: Option<usize>,
    /// When it was begun.
    pub(crate) begun: Duration,
    /// When its client learned the outcome, and which; `None`: it is still under way.
    pub(crate) ended: Option<(Duration, Outcome)>,
}

impl Done {
    /// The seq of a deed that was acked.
    pub(crate) fn acked(&self) -> Option<u64> {
        match self.ended {
            Some((_, Outcome::Acked(seq))) => Some(seq),
            _ => None,
        }
    }

    /// When its ack came, if it was acked before `at`.
    pub(crate) fn acked_before(&self, at: Duration) -> Option<u64> {
        self.acked().filter(|_| self.ended.as_ref().is_some_and(|(ended, _)| *ended < at))
    }
}

/// An event as a client saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    /// Its place in the room.
    pub(crate) seq: u64,
    /// The kind's name.
    pub(crate) kind: String,
    /// The text, or the reason.
    pub(crate) text: String,
}

impl From<Event> for Shown {
    fn from(event: Event) -> Self {
        let text = if event.text.is_empty() { event.reason } else { event.text };
        Self { seq: event.seq, kind: event.kind, text }
    }
}

/// What a follower was handed out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// An event.
    Event(Shown),
    /// Seqs that the person may not see.
    Gap(u64, u64),
    /// Seqs that should have come, and did not.
    Hole(u64, u64),
}

impl Seen {
    /// The seqs that it is about.
    pub(crate) fn span(&self) -> (u64, u64) {
        match self {
            Self::Event(shown) => (shown.seq, shown.seq),
            Self::Gap(from, to) | Self::Hole(from, to) => (*from, *to),
        }
    }
}

/// A page of history that was read.
#[derive(Clone, Debug)]
pub(crate) struct Paged {
    /// Who read it.
    pub(crate) client: usize,
    /// The room.
    pub(crate) room: String,
    /// When it was asked for.
    pub(crate) begun: Duration,
    /// The seqs that it covers, if any.
    pub(crate) span: Option<(u64, u64)>,
    /// The room's newest seq.
    pub(crate) head: u64,
    /// Events and gaps, ascending.
    pub(crate) items: Vec<Seen>,
}

/// All clients' histories. One thread, so clones share it.
#[derive(Clone, Default)]
pub(crate) struct History {
    inner: Rc<RefCell<Inner>>,
}

/// See [`History`].
#[derive(Default)]
pub(crate) struct Inner {
    /// People's ids by client.
    pub(crate) people: BTreeMap<usize, String>,
    /// Rooms by the number of their creator.
    pub(crate) rooms: BTreeMap<usize, String>,
    /// Clients that are in the rooms, as far as they are to be at the beginning.
    pub(crate) entered: usize,
    /// Deeds, in the order in which they were begun.
    pub(crate) done: Vec<Done>,
    /// Pages that were read.
    pub(crate) pages: Vec<Paged>,
    /// (client, room) -> what its follows handed out and when, one after the other: each goes on where the last one ended.
    pub(crate) seen: BTreeMap<(usize, String), Vec<(Duration, Seen)>>,
    /// Clients that have done all.
    pub(crate) clients_done: BTreeSet<usize>,
    /// Room -> its last seq, once nothing is under way any more: followers may stop there.
    pub(crate) heads: Option<BTreeMap<String, u64>>,
}

/// The simulation's time.
pub(crate) fn now() -> Duration {
    turmoil::sim_elapsed().unwrap_or_default()
}

impl History {
    /// Reads or changes it. Not across an await.
    pub(crate) fn with<T>(&self, f: impl FnOnce(&mut Inner) -> T) -> T {
        f(&mut self.inner.borrow_mut())
    }

    /// Notes the begin of a deed; returns its number.
    pub(crate) fn begin(&self, done: Done) -> usize {
        self.with(|inner| {
            inner.done.push(done);
            inner.done.len() - 1
        })
    }

    /// Notes a deed's outcome.
    pub(crate) fn end(&self, at: usize, outcome: Outcome) {
        self.with(|inner| inner.done[at].ended = Some((now(), outcome)));
    }

    /// The last seq that a client has seen in a room.
    pub(crate) fn cursor(&self, client: usize, room: &str) -> u64 {
        let last = |seen: &Vec<(Duration, Seen)>| seen.last().map(|(_, seen)| seen.span().1);
        self.with(|inner| inner.seen.get(&(client, room.to_owned())).and_then(last).unwrap_or(0))
    }
}
