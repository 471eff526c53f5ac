//! The one task that proposes for a shard: everything that waits becomes one entry, and a few entries are under way at a time.
//!
//! While entries of the node are synced and replicated, the next ones fill (see [`super::pacer`]).

use std::sync::Arc;
use std::time::Duration;

use hansard_domain::limits::{MAX_BATCH_BYTES, MAX_BATCH_COMMANDS};
use openraft::errors::{ClientWriteError, ForwardToLeader};
use openraft::impls::OneshotResponder;
use openraft::raft::ClientWriteResult;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};

use super::answer::Answer;
use super::batch::{Item, Seams};
use super::error::ProposeError;
use super::leadership::Leadership;
use super::pacer::{Pacer, UnderWay};
use super::replica::Replica;
use crate::raft::Proposal;
use crate::raft::types::{Group, Types};

/// Commands that may wait for an entry; beyond it callers are told to come back. Eight full entries.
pub(super) const QUEUED: usize = 8 * MAX_BATCH_COMMANDS;
/// Bytes of commands that may wait: as many full entries, where commands are long.
const QUEUED_BYTES: usize = 8 * MAX_BATCH_BYTES;
/// Entries under way. Three hide the round trip and the sync; more would make entries small.
const IN_FLIGHT: usize = 3;
/// Nothing was done. There may be room again a few entries later.
const OVERLOADED: ProposeError = ProposeError::Overloaded { retry_after: Duration::from_millis(100) };

/// A command and who waits for its outcome.
pub(super) struct Waiting<T: Item> {
    pub(super) item: T,
    pub(super) answer: Answer<T::Outcome>,
    /// From here until it is applied; disabled while nothing is traced.
    span: tracing::Span,
    /// Its part of the bytes that may wait.
    room: OwnedSemaphorePermit,
}

/// A handle to a shard's proposer.
pub(super) struct Proposals<T: Item> {
    queue: mpsc::Sender<Waiting<T>>,
    room: Arc<Semaphore>,
}

impl<T: Item> Clone for Proposals<T> {
    fn clone(&self) -> Self {
        Proposals { queue: self.queue.clone(), room: self.room.clone() }
    }
}

impl<T: Item> Proposals<T> {
    /// Starts the proposer of `replica`; it ends with its last handle.
    pub(super) fn start(replica: &Replica, seams: Seams, pacer: Arc<Pacer>) -> Proposals<T> {
        let (queue, waiting) = mpsc::channel(QUEUED);
        let proposer = Proposer {
            group: replica.inner.group.clone(),
            leadership: replica.leadership(),
            seams,
            pacer,
            patience: replica.inner.tuning.propose_timeout,
            in_flight: Arc::new(Semaphore::new(IN_FLIGHT)),
        };
        tokio::spawn(proposer.run(waiting));
        Proposals { queue, room: Arc::new(Semaphore::new(QUEUED_BYTES)) }
    }

    /// Proposes. The answer is the outcome, or why there is none.
    pub(super) fn put(&self, item: T, answer: Answer<T::Outcome>) {
        let bytes = u32::try_from(item.size()).expect("commands are far smaller");
        let Ok(room) = self.room.clone().try_acquire_many_owned(bytes) else { return answer.send(Err(OVERLOADED)) };
        let waiting = Waiting { item, answer, span: tracing::debug_span!("commit"), room };
        match self.queue.try_send(waiting) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(waiting)) => waiting.answer.send(Err(OVERLOADED)),
            Err(mpsc::error::TrySendError::Closed(waiting)) => {
                waiting.answer.send(Err(ProposeError::NotLeader { leader: None }));
            }
        }
    }

    /// Proposes and waits for the outcome, at most `within`.
    pub(super) async fn propose(&self, item: T, within: Duration) -> Result<T::Outcome, ProposeError> {
        let (answer, outcome) = oneshot::channel();
        // Whoever asked may have given up.
        self.put(item, Answer::new(|result| drop(answer.send(result))));
        match tokio::time::timeout(within, outcome).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(ProposeError::Unknown { reason: "the shard stopped" }),
            Err(_) => Err(ProposeError::Unknown { reason: "no commit in time" }),
        }
    }
}

struct Proposer {
    group: Group,
    leadership: watch::Receiver<Leadership>,
    seams: Seams,
    pacer: Arc<Pacer>,
    patience: Duration,
    in_flight: Arc<Semaphore>,
}

impl Proposer {
    async fn run<T: Item>(mut self, mut queue: mpsc::Receiver<Waiting<T>>) {
        // Taken from the queue, but too long for the entry before.
        let mut left_over = None;
        loop {
            let first = match left_over.take() {
                Some(waiting) => waiting,
                None => match queue.recv().await {
                    Some(waiting) => waiting,
                    None => return,
                },
            };
            match self.slot().await {
                Ok(slot) => {
                    self.pacer.turn().await;
                    let batch = gather(first, &mut queue, &mut left_over);
                    let under_way = self.pacer.depart(batch.len());
                    self.propose(batch, slot, under_way).await;
                }
                Err(error) => {
                    first.answer.send(Err(error.clone()));
                    while let Ok(waiting) = queue.try_recv() {
                        waiting.answer.send(Err(error.clone()));
                    }
                }
            }
        }
    }

    /// Room for one more entry; or why there is none: this replica does not serve, or no entry is done with in time.
    async fn slot(&mut self) -> Result<OwnedSemaphorePermit, ProposeError> {
        let now = *self.leadership.borrow_and_update();
        if !now.serving {
            return Err(ProposeError::NotLeader { leader: now.leader });
        }
        if let Ok(slot) = self.in_flight.clone().try_acquire_owned() {
            return Ok(slot);
        }
        tokio::select! {
            slot = self.in_flight.clone().acquire_owned() => slot.map_err(|_| OVERLOADED),
            lost = self.leadership.wait_for(|now| !now.serving) => {
                Err(ProposeError::NotLeader { leader: lost.ok().and_then(|now| now.leader) })
            }
            () = tokio::time::sleep(self.patience) => Err(OVERLOADED),
        }
    }

    async fn propose<T: Item>(&self, batch: Vec<Waiting<T>>, slot: OwnedSemaphorePermit, under_way: UnderWay) {
        let mut items = Vec::with_capacity(batch.len());
        let mut answers = Vec::with_capacity(batch.len());
        let mut spans = Vec::new();
        for waiting in batch {
            if !waiting.span.is_disabled() {
                spans.push(waiting.span);
            }
            items.push(waiting.item);
            answers.push(waiting.answer);
            drop(waiting.room);
        }
        let entry = Proposal { spans, ..T::entry(items, &self.seams) };
        let (responder, result) = OneshotResponder::<Types, _>::new_pair();
        if self.group.write(entry).responder(responder).await.is_err() {
            answer_all::<T>(answers, &ProposeError::NotLeader { leader: None });
            return;
        }
        let patience = self.patience;
        let finish = async move {
            finish::<T>(result, answers, patience).await;
            drop((slot, under_way));
        };
        tokio::spawn(finish);
    }
}

/// What goes into one entry: all that waits, within the bounds of an entry.
fn gather<T: Item>(
    first: Waiting<T>,
    queue: &mut mpsc::Receiver<Waiting<T>>,
    left_over: &mut Option<Waiting<T>>,
) -> Vec<Waiting<T>> {
    let mut bytes = 0;
    let mut batch = Vec::new();
    let mut next = Some(first);
    while let Some(waiting) = next {
        bytes += waiting.item.size();
        if bytes > MAX_BATCH_BYTES && !batch.is_empty() {
            *left_over = Some(waiting);
            break;
        }
        batch.push(waiting);
        next = if batch.len() < T::MAX_COMMANDS { queue.try_recv().ok() } else { None };
    }
    batch
}

/// Answers a batch when its entry is applied, or unknown when it takes too long. Returns only when the entry is done with.
async fn finish<T: Item>(
    result: impl Future<Output = Result<ClientWriteResult<Types>, impl Sized>>,
    answers: Vec<Answer<T::Outcome>>,
    patience: Duration,
) {
    let mut result = std::pin::pin!(result);
    let Ok(result) = tokio::time::timeout(patience, &mut result).await else {
        answer_all::<T>(answers, &ProposeError::Unknown { reason: "no commit in time" });
        // Its place stays taken, so that a leader without a quorum does not pile up entries.
        let _ = result.await;
        return;
    };
    match result {
        Ok(Ok(response)) => {
            let outcomes = T::outcomes(response.data);
            assert_eq!(outcomes.len(), answers.len(), "each command has one outcome");
            for (answer, outcome) in answers.into_iter().zip(outcomes) {
                answer.send(Ok(outcome));
            }
        }
        Ok(Err(error)) => answer_all::<T>(answers, &propose_error(&error)),
        Err(_) => answer_all::<T>(answers, &ProposeError::Unknown { reason: "the shard stopped" }),
    }
}

fn propose_error(error: &ClientWriteError<Types>) -> ProposeError {
    match error {
        ClientWriteError::ForwardToLeader(ForwardToLeader { leader_id, .. }) => {
            ProposeError::NotLeader { leader: *leader_id }
        }
        ClientWriteError::LogEntryDiscarded(_) => ProposeError::Unknown { reason: "the leader changed" },
        ClientWriteError::ChangeMembershipError(_) | ClientWriteError::PreconditionFailed(_) => {
            ProposeError::Unknown { reason: "the group refused an entry" }
        }
    }
}

fn answer_all<T: Item>(answers: Vec<Answer<T::Outcome>>, error: &ProposeError) {
    for answer in answers {
        answer.send(Err(error.clone()));
    }
}
