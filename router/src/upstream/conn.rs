//! A live link to a node: what may be sent over it, and who waits for an answer.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream;
use hansard_domain::ShardId;
use hansard_proto::cluster::v1::{self as wire, LinkHello, LinkRequest, NodeCall, NodeReply};
use hansard_proto::hot::ProposeCall;
use prost::Message;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::asker::{Answer, Answers, Asker, Lost};
use super::batch::{Batches, Item};
use super::waiting::{Waiting, Waitings};
use crate::proposal::Committed;

/// Names a connection; a node that is linked anew has another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ConnId {
    /// The node.
    pub(crate) node: u64,
    /// Counts the links of this router.
    pub(crate) generation: u64,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Conn {
    pub(super) id: ConnId,
    outgoing: Arc<Outgoing>,
}

/// What the connection shares with its writer.
#[derive(Debug, Default)]
pub(super) struct Outgoing(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    waiting: Waitings,
    batches: Batches,
    /// The link is gone.
    closed: bool,
}

impl Conn {
    pub(super) fn new(id: ConnId, outgoing: Arc<Outgoing>) -> Self {
        Self { id, outgoing }
    }

    /// Sends a call and waits for its answer until `deadline`, or a little longer: see [`Conn::expire`]. Dropping the future forgets
    /// the call.
    pub(super) async fn call(&self, shard: ShardId, call: NodeCall, deadline: Instant) -> Answer {
        let (asker, answered) = oneshot::channel();
        let waiting = Waiting { shard, deadline, asker: Asker::Call(asker) };
        let id = self.put(waiting, |id| Item::Call(Box::new(NodeCall { id, ..call })))?;
        self.kick();
        let forget = Forget { conn: self, id };
        let answer = answered.await.unwrap_or(Err(Lost::Unknown));
        // Whoever answered has taken it out.
        std::mem::forget(forget);
        answer
    }

    /// Queues a proposal, whose answer comes to `asker`; it is on its way after the next [`Conn::kick`]. Returns the call's id.
    pub(super) fn propose(&self, call: ProposeCall<'_>, deadline: Instant, asker: Asker) -> Result<u64, Lost> {
        let waiting = Waiting { shard: call.shard, deadline, asker };
        self.put(waiting, |id| Item::Propose(ProposeCall { id, ..call }))
    }

    fn put<'a>(&self, waiting: Waiting, item: impl FnOnce(u64) -> Item<'a>) -> Result<u64, Lost> {
        let mut state = self.outgoing.lock();
        if state.closed {
            return Err(Lost::Down);
        }
        let id = state.waiting.add(waiting).ok_or(Lost::Full)?;
        if !state.batches.put(item(id)) {
            state.waiting.remove(id);
            return Err(Lost::Full);
        }
        Ok(id)
    }

    /// Has the writer take what was queued.
    pub(crate) fn kick(&self) {
        let writer = self.outgoing.lock().batches.writer.take();
        if let Some(writer) = writer {
            writer.wake();
        }
    }

    /// Queues something that has no answer, and has it taken; never waits.
    pub(super) fn send(&self, item: Item<'_>) -> Result<(), Lost> {
        {
            let mut state = self.outgoing.lock();
            if state.closed {
                return Err(Lost::Down);
            }
            if !state.batches.put(item) {
                return Err(Lost::Full);
            }
        }
        self.kick();
        Ok(())
    }

    /// Answers came: to proposals that were committed, and others.
    pub(super) fn answer(&self, committed: wire::Committed, others: Vec<NodeReply>) {
        let wire::Committed { calls, seqs, times_us } = committed;
        let mut answers = Answers::default();
        let mut state = self.outgoing.lock();
        for (id, (seq, time_us)) in calls.into_iter().zip(seqs.into_iter().zip(times_us)) {
            if let Some(waiting) = state.waiting.remove(id) {
                answers.committed(waiting.asker, Committed { seq, time_us });
            }
        }
        for NodeReply { id, outcome } in others {
            if let Some(outcome) = outcome
                && let Some(waiting) = state.waiting.remove(id)
            {
                answers.otherwise(waiting.asker, Ok(outcome));
            }
        }
        drop(state);
        answers.tell();
    }

    /// Tells those whose time is over. One look at all of them now and then is cheaper than a timer for each.
    pub(super) fn expire(&self, now: Instant) {
        self.lose(Lost::Late, |call| call.deadline <= now);
    }

    /// The shard has another leader: calls to this node may never be answered.
    pub(super) fn deposed(&self, shard: ShardId) {
        self.lose(Lost::Unknown, |call| call.shard == shard);
    }

    fn lose(&self, why: Lost, which: impl Fn(&Waiting) -> bool) {
        let lost = self.outgoing.lock().waiting.extract(which);
        let mut answers = Answers::default();
        lost.into_iter().for_each(|call| answers.otherwise(call.asker, Err(why)));
        answers.tell();
    }

    /// Nobody waits for the call any more.
    pub(crate) fn forget(&self, id: u64) {
        self.outgoing.lock().waiting.remove(id);
    }

    /// The link is gone.
    pub(super) fn close(&self) {
        let writer = {
            let mut state = self.outgoing.lock();
            state.closed = true;
            std::mem::take(&mut state.batches).writer
        };
        if let Some(writer) = writer {
            writer.wake();
        }
        self.lose(Lost::Unknown, |_| true);
    }

    /// Calls that wait for their answers.
    pub(super) fn in_flight(&self) -> usize {
        self.outgoing.lock().waiting.len()
    }
}

impl Drop for Conn {
    fn drop(&mut self) {
        self.close();
    }
}

impl Outgoing {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The outgoing half of a link: the hello, then everything that waits, as few batches as possible, until the link is closed.
#[derive(Debug)]
pub(super) struct Writer {
    hello: Option<LinkHello>,
    outgoing: Arc<Outgoing>,
}

impl Writer {
    pub(super) fn new(hello: LinkHello, outgoing: Arc<Outgoing>) -> Self {
        Self { hello: Some(hello), outgoing }
    }
}

impl Stream for Writer {
    type Item = Bytes;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let Some(hello) = self.hello.take() {
            let hello = LinkRequest { hello: Some(hello), ..LinkRequest::default() };
            return Poll::Ready(Some(hello.encode_to_vec().into()));
        }
        let mut state = self.outgoing.lock();
        if let Some(batch) = state.batches.take() {
            return Poll::Ready(Some(batch));
        }
        if state.closed {
            return Poll::Ready(None);
        }
        state.batches.writer = Some(cx.waker().clone());
        Poll::Pending
    }
}

struct Forget<'a> {
    conn: &'a Conn,
    id: u64,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.conn.forget(self.id);
    }
}
