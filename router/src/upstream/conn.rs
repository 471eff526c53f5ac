//! A live link to a node: what may be sent over it, and who waits for an answer.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use hansard_domain::ShardId;
use hansard_proto::cluster::v1::NodeCall;
use hansard_proto::cluster::v1::node_reply::Outcome;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::batch::Item;
use crate::limits::LINK_CALLS;

/// Names a connection; a node that is linked anew has another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ConnId {
    /// The node.
    pub(crate) node: u64,
    /// Counts the links of this router.
    pub(crate) generation: u64,
}

/// Why a call over a link has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lost {
    /// It was never sent: too much waits already.
    Full,
    /// It was never sent: the link is gone.
    Down,
    /// The link broke, or the shard has another leader now: whether it was carried out is unknown.
    Unknown,
    /// Its time is over: whether it was carried out is unknown.
    Late,
}

#[derive(Debug)]
struct Waiting {
    shard: ShardId,
    deadline: Instant,
    answer: oneshot::Sender<Result<Outcome, Lost>>,
}

#[derive(Debug)]
pub(super) struct Conn {
    pub(super) id: ConnId,
    items: mpsc::Sender<Item>,
    /// By the call's id; `None` once the link is gone.
    waiting: Mutex<Option<BTreeMap<u64, Waiting>>>,
    next: AtomicU64,
}

impl Conn {
    pub(super) fn new(id: ConnId, items: mpsc::Sender<Item>) -> Self {
        Self { id, items, waiting: Mutex::new(Some(BTreeMap::new())), next: AtomicU64::new(1) }
    }

    /// Sends a call and waits for its answer until `deadline`, or a little longer: see [`Conn::expire`]. Dropping the future forgets
    /// the call.
    pub(super) async fn call(&self, shard: ShardId, mut call: NodeCall, deadline: Instant) -> Result<Outcome, Lost> {
        call.id = self.next.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        let forget = {
            let mut waiting = self.lock();
            let waiting = waiting.as_mut().ok_or(Lost::Down)?;
            if waiting.len() >= LINK_CALLS {
                return Err(Lost::Full);
            }
            waiting.insert(call.id, Waiting { shard, deadline, answer });
            Forget { conn: self, id: call.id }
        };
        self.send(Item::Call(Box::new(call)))?;
        let answer = answered.await.unwrap_or(Err(Lost::Unknown));
        // Whoever answered has taken it out.
        std::mem::forget(forget);
        answer
    }

    /// Tells those whose time is over. One look at all of them now and then is cheaper than a timer for each.
    pub(super) fn expire(&self, now: Instant) {
        self.lose(Lost::Late, |call| call.deadline <= now);
    }

    /// Queues something; never waits.
    pub(super) fn send(&self, item: Item) -> Result<(), Lost> {
        self.items.try_send(item).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Lost::Full,
            mpsc::error::TrySendError::Closed(_) => Lost::Down,
        })
    }

    /// An answer came.
    pub(super) fn answer(&self, id: u64, outcome: Outcome) {
        let waiting = self.lock().as_mut().and_then(|waiting| waiting.remove(&id));
        if let Some(waiting) = waiting {
            // Whoever asked may have gone.
            let _ = waiting.answer.send(Ok(outcome));
        }
    }

    /// The shard has another leader: calls to this node may never be answered.
    pub(super) fn deposed(&self, shard: ShardId) {
        self.lose(Lost::Unknown, |call| call.shard == shard);
    }

    fn lose(&self, why: Lost, which: impl Fn(&Waiting) -> bool) {
        let lost: Vec<Waiting> = match self.lock().as_mut() {
            Some(waiting) => waiting.extract_if(.., |_, call| which(call)).map(|(_, call)| call).collect(),
            None => return,
        };
        for call in lost {
            // Whoever asked may have gone.
            let _ = call.answer.send(Err(why));
        }
    }

    /// The link is gone.
    pub(super) fn close(&self) {
        for (_, call) in self.lock().take().into_iter().flatten() {
            let _ = call.answer.send(Err(Lost::Unknown));
        }
    }

    /// Calls that wait for their answers.
    pub(super) fn in_flight(&self) -> usize {
        self.lock().as_ref().map_or(0, BTreeMap::len)
    }

    fn lock(&self) -> MutexGuard<'_, Option<BTreeMap<u64, Waiting>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Forget<'a> {
    conn: &'a Conn,
    id: u64,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        if let Some(waiting) = self.conn.lock().as_mut() {
            waiting.remove(&self.id);
        }
    }
}
