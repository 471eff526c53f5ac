//! What the clients did and saw.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

/// What became of a send, as its client knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Committed with this seq.
    Acked(u64),
    /// Not done, and never will be.
    Refused(String),
    /// Given up.
    Unknown,
}

/// A send.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    /// Its request id, 32 hexadecimal digits.
    pub(crate) request: String,
    /// The room.
    pub(crate) room: String,
    /// What was said; no two sends say the same.
    pub(crate) text: String,
    /// `None`: still under way.
    pub(crate) outcome: Option<Outcome>,
}

/// What a follower was handed out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// An event: its seq, and its text if it is a message.
    Event(u64, String),
    /// Seqs that were not shown: none are expected.
    Missing(u64, u64),
}

/// All clients' histories. One thread, so clones share it.
#[derive(Clone, Default)]
pub(crate) struct History {
    inner: Rc<RefCell<Inner>>,
}

/// See [`History`].
#[derive(Default)]
pub(crate) struct Inner {
    /// Rooms by the number of their creator.
    pub(crate) rooms: BTreeMap<usize, String>,
    /// Sends, in the order of their calls.
    pub(crate) sent: Vec<Sent>,
    /// (client, room) -> what its follows handed out, one after the other: each goes on where the last one ended.
    pub(crate) seen: BTreeMap<(usize, String), Vec<Seen>>,
    /// Clients that are done with sending.
    pub(crate) senders_done: usize,
    /// Room -> its last seq, once nothing is under way any more: followers may stop there.
    pub(crate) heads: Option<BTreeMap<String, u64>>,
}

impl History {
    /// Reads or changes it. Not across an await.
    pub(crate) fn with<T>(&self, f: impl FnOnce(&mut Inner) -> T) -> T {
        f(&mut self.inner.borrow_mut())
    }

    /// Notes the begin of a send; returns its number.
    pub(crate) fn begin(&self, request: String, room: String, text: String) -> usize {
        self.with(|inner| {
            inner.sent.push(Sent { request, room, text, outcome: None });
            inner.sent.len() - 1
        })
    }

    /// Notes a send's outcome.
    pub(crate) fn end(&self, at: usize, outcome: Outcome) {
        self.with(|inner| inner.sent[at].outcome = Some(outcome));
    }

    /// The last seq that a client has seen in a room.
    pub(crate) fn cursor(&self, client: usize, room: &str) -> u64 {
        self.with(|inner| match inner.seen.get(&(client, room.to_owned())).and_then(|seen| seen.last()) {
            Some(Seen::Event(seq, _) | Seen::Missing(_, seq)) => *seq,
            None => 0,
        })
    }
}
