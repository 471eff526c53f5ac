//! One standing consensus stream: what goes out, and who waits for which answer.
//!
//! Two queues lead to it. What is short and of use for a moment only (votes, heartbeats) leaves first; appends keep their order, and
//! senders wait when many bytes of them wait. Requests that nobody awaits any more are never sent: on a slow link they would hold up
//! what was queued in their stead.

use std::collections::{HashMap, VecDeque};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use hansard_domain::ShardId;
use hansard_proto::cluster::v1 as wire;
use hansard_proto::cluster::v1::consensus_request::Call;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::Instant;

/// Bytes of appends that wait to be written. Beyond it senders wait: the link is slower than what its shards produce.
const QUEUED_BYTES: usize = 8 << 20;
/// What the shortest append counts for in that: at most a thousand wait.
const LEAST_BYTES: usize = 8 << 10;
/// Other requests that wait to be written: a few of each shard.
const URGENT: usize = 1_024;
/// Bytes a second of the slowest link on which followers are expected to keep up: 4 Mbit/s. What has left for it and has no answer
/// may still be on the way for so long.
const SLOWEST: u64 = 512 << 10;
/// The longest that is allowed for that.
const LONGEST_WAY: Duration = Duration::from_secs(8);
/// After so long there will be no answer to what nobody awaits any more: the other side has dropped it.
const FORGOTTEN: Duration = Duration::from_secs(30);

/// A standing stream.
pub(super) struct Link {
    room: Arc<Semaphore>,
    urgent_room: Arc<Semaphore>,
    next_id: AtomicU64,
    /// Absent once the stream has ended.
    open: Mutex<Option<Open>>,
}

/// A request that waits to be written.
struct Queued {
    request: wire::ConsensusRequest,
    answer: oneshot::Sender<wire::ConsensusResponse>,
    /// Told when it leaves.
    leaves: Option<oneshot::Sender<Instant>>,
    bytes: usize,
    /// Its part of what may wait.
    _room: OwnedSemaphorePermit,
}

/// A request that has left.
struct Sent {
    answer: oneshot::Sender<wire::ConsensusResponse>,
    left: Instant,
    bytes: usize,
}

#[derive(Default)]
struct Open {
    /// A sign of life is due.
    beat: bool,
    urgent: VecDeque<Queued>,
    /// Appends, and what must not overtake them.
    ordered: VecDeque<Queued>,
    waiting: HashMap<u64, Sent>,
    /// Bytes of those.
    on_the_way: usize,
    reader: Option<Waker>,
}

/// What the sender of a request waits for.
pub(super) struct Receipt {
    /// The time at which it is on the other side however slow the link is, told when it leaves. None: it is of no use later.
    pub(super) leaves: Option<oneshot::Receiver<Instant>>,
    pub(super) answer: oneshot::Receiver<wire::ConsensusResponse>,
}

impl Link {
    /// A link, and the requests that its stream sends; the stream writes all that wait at once.
    pub(super) fn new() -> (Arc<Link>, Outgoing) {
        let link = Arc::new(Link {
            room: Arc::new(Semaphore::new(QUEUED_BYTES)),
            urgent_room: Arc::new(Semaphore::new(URGENT)),
            next_id: AtomicU64::new(1),
            open: Mutex::new(Some(Open::default())),
        });
        (link.clone(), Outgoing(link))
    }

    fn open(&self) -> MutexGuard<'_, Option<Open>> {
        self.open.lock().expect("no holder panics")
    }

    /// Whether a request may overtake appends: all but appends with entries, and those without that stand on entries which wait.
    pub(super) fn is_urgent(&self, shard: ShardId, call: &Call) -> bool {
        let Call::Append(append) = call else { return true };
        let previous = |append: &wire::Append| append.previous.as_ref().map(|id| id.index);
        let stands_on = |queued: &Queued| match &queued.request.call {
            Some(Call::Append(before)) if queued.request.shard[..] == shard.as_bytes()[..] => {
                previous(before) < previous(append) && !queued.answer.is_closed()
            }
            _ => false,
        };
        append.entries.is_empty() && !self.open().as_ref().is_some_and(|open| open.ordered.iter().any(stands_on))
    }

    /// Queues a request. Appends of one caller leave in the order of its calls. `None` if the stream has ended.
    pub(super) async fn send(&self, shard: ShardId, call: Call, urgent: bool) -> Option<Receipt> {
        let bytes = bytes_of(&call);
        let room = if urgent { self.urgent_room.clone().acquire_owned().await } else { self.room(bytes).await };
        let room = room.ok()?;
        let (answer, awaited) = oneshot::channel();
        let (told, leaves) = (!urgent).then(oneshot::channel).unzip();
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let shard = Bytes::copy_from_slice(shard.as_bytes());
        let request = wire::ConsensusRequest { id, shard, call: Some(call) };
        let queued = Queued { request, answer, leaves: told, bytes, _room: room };
        let reader = {
            let mut open = self.open();
            let open = open.as_mut()?;
            if urgent {
                open.urgent.push_back(queued)
            } else {
                open.ordered.push_back(queued)
            }
            open.reader.take()
        };
        wake(reader);
        Some(Receipt { leaves, answer: awaited })
    }

    /// Room for an append, in the order of the calls.
    async fn room(&self, bytes: usize) -> Result<OwnedSemaphorePermit, AcquireError> {
        let bytes = u32::try_from(bytes.clamp(LEAST_BYTES, QUEUED_BYTES)).expect("it is far below the range");
        if let Ok(room) = self.room.clone().try_acquire_many_owned(bytes) {
            return Ok(room);
        }
        if let Some(open) = self.open().as_mut() {
            open.ordered.retain(|queued| !queued.answer.is_closed());
        }
        self.room.clone().acquire_many_owned(bytes).await
    }

    /// A sign of life, which gets no answer, leaves next.
    pub(super) fn beat(&self) {
        let reader = {
            let mut open = self.open();
            let Some(open) = open.as_mut() else { return };
            open.forget(Instant::now());
            open.beat = true;
            open.reader.take()
        };
        wake(reader);
    }

    /// Hands an answer to whoever awaits it.
    pub(super) fn answered(&self, answer: wire::ConsensusResponse) {
        let mut open = self.open();
        let Some(open) = open.as_mut() else { return };
        if let Some(sent) = open.waiting.remove(&answer.id) {
            open.on_the_way -= sent.bytes;
            // Whoever waited may have given up.
            let _ = sent.answer.send(answer);
        }
    }

    /// The stream has ended: nobody gets an answer any more.
    pub(super) fn abandon(&self) {
        let open = self.open().take();
        self.room.close();
        self.urgent_room.close();
        wake(open.and_then(|mut open| open.reader.take()));
    }
}

impl Open {
    /// What is written next.
    fn next(&mut self, now: Instant) -> Option<wire::ConsensusRequest> {
        if std::mem::take(&mut self.beat) {
            return Some(wire::ConsensusRequest::default());
        }
        while let Some(queued) = self.urgent.pop_front().or_else(|| self.ordered.pop_front()) {
            if !queued.answer.is_closed() {
                return Some(self.leave(queued, now));
            }
        }
        None
    }

    fn leave(&mut self, queued: Queued, now: Instant) -> wire::ConsensusRequest {
        let Queued { request, answer, leaves, bytes, .. } = queued;
        self.on_the_way += bytes;
        if let Some(leaves) = leaves {
            // Whoever waits may have given up this very moment.
            let _ = leaves.send(now + way(self.on_the_way));
        }
        self.waiting.insert(request.id, Sent { answer, left: now, bytes });
        request
    }

    /// Forgets what has had no answer for long and is awaited by nobody. Until then it counts: it may be on the way.
    fn forget(&mut self, now: Instant) {
        let on_the_way = &mut self.on_the_way;
        self.waiting.retain(|_, sent| {
            let forgotten = sent.answer.is_closed() && sent.left + FORGOTTEN <= now;
            *on_the_way -= if forgotten { sent.bytes } else { 0 };
            !forgotten
        });
    }
}

/// The requests of a link, for its stream. Its end is the link's.
pub(super) struct Outgoing(Arc<Link>);

impl Stream for Outgoing {
    type Item = wire::ConsensusRequest;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<wire::ConsensusRequest>> {
        let mut open = self.0.open();
        let Some(open) = open.as_mut() else { return Poll::Ready(None) };
        let next = open.next(Instant::now());
        if next.is_none() {
            open.reader = Some(context.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(next)
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

/// Bytes of a request, but for the few that wrap them.
fn bytes_of(call: &Call) -> usize {
    match call {
        Call::Append(append) => append.entries.iter().map(Bytes::len).sum(),
        _ => 0,
    }
}

/// How long so many bytes may be on the way.
fn way(bytes: usize) -> Duration {
    Duration::from_millis(bytes as u64 * 1_000 / SLOWEST).min(LONGEST_WAY)
}

fn wake(reader: Option<Waker>) {
    if let Some(reader) = reader {
        reader.wake();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt, StreamExt};

    use super::*;

    const SHARD: ShardId = ShardId::from_bytes([7; 16]);
    const OTHER: ShardId = ShardId::from_bytes([8; 16]);
    const APPEND: usize = 512 << 10;

    /// An append of so many bytes of entries after that index.
    fn append(previous: u64, bytes: usize) -> Call {
        let entries = if bytes == 0 { Vec::new() } else { vec![Bytes::from(vec![0; bytes])] };
        let previous = Some(wire::LogId { index: previous, ..wire::LogId::default() });
        Call::Append(wire::Append { previous, entries, ..wire::Append::default() })
    }

    async fn send(link: &Link, shard: ShardId, call: Call) -> Receipt {
        let urgent = link.is_urgent(shard, &call);
        link.send(shard, call, urgent).await.expect("the stream stands")
    }

    /// Ids of what is written at once.
    fn written(outgoing: &mut Outgoing) -> Vec<u64> {
        std::iter::from_fn(|| outgoing.next().now_or_never().flatten()).map(|request| request.id).collect()
    }

    fn answer(link: &Link, id: u64) {
        link.answered(wire::ConsensusResponse { id, answer: None });
    }

    #[tokio::test(start_paused = true)]
    async fn senders_wait_when_many_bytes_wait_and_votes_and_beats_do_not() {
        let (link, mut outgoing) = Link::new();
        let mut receipts = Vec::new();
        for index in 0..(QUEUED_BYTES / APPEND) as u64 {
            receipts.push(send(&link, SHARD, append(index, APPEND)).await);
        }
        let sender = link.clone();
        let more = tokio::spawn(async move { send(&sender, OTHER, append(0, 1)).await });
        tokio::time::sleep(Duration::from_secs(9)).await;
        assert!(!more.is_finished(), "8 MiB wait");
        let vote = send(&link, OTHER, Call::Vote(wire::RequestVote::default())).await;
        link.beat();
        link.beat();
        let first: Vec<u64> = (0..3).filter_map(|_| outgoing.next().now_or_never().flatten()).map(|r| r.id).collect();
        assert_eq!(first, [0, 17, 1], "a sign of life, the vote, and then appends in order");
        let more = more.await.expect("there is room");
        assert_eq!(written(&mut outgoing), (2..=16).chain([18]).collect::<Vec<_>>());
        answer(&link, 17);
        answer(&link, 18);
        assert_eq!((vote.answer.await.map(|a| a.id), more.answer.await.map(|a| a.id)), (Ok(17), Ok(18)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_thousand_appends_wait_however_short_they_are() {
        let (link, mut outgoing) = Link::new();
        let mut receipts = Vec::new();
        for index in 0..(QUEUED_BYTES / LEAST_BYTES) as u64 {
            receipts.push(send(&link, SHARD, append(index, 1)).await);
        }
        assert!(link.send(SHARD, append(2_000, 1), false).now_or_never().is_none());
        assert_eq!(written(&mut outgoing).len(), receipts.len());
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_awaits_is_not_sent_and_gives_its_room_to_what_is_queued_instead() {
        let (link, mut outgoing) = Link::new();
        let mut receipts = Vec::new();
        for index in 0..(QUEUED_BYTES / APPEND) as u64 {
            receipts.push(send(&link, SHARD, append(index, APPEND)).await);
        }
        let kept = receipts.pop().expect("there are some");
        drop(receipts);
        // The stream takes nothing meanwhile.
        let again = send(&link, SHARD, append(0, APPEND)).now_or_never().expect("the dead have made room");
        let given_up = send(&link, SHARD, append(1, APPEND)).await;
        drop(given_up);
        assert_eq!(written(&mut outgoing), [16, 17]);
        answer(&link, 16);
        answer(&link, 17);
        assert!(kept.answer.await.is_ok() && again.answer.await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn appends_without_entries_overtake_all_but_the_entries_that_they_stand_on() {
        let (link, mut outgoing) = Link::new();
        let _entries = [send(&link, SHARD, append(10, 1)).await, send(&link, OTHER, append(50, 1)).await];
        let _heartbeats = [send(&link, SHARD, append(10, 0)).await, send(&link, OTHER, append(10, 0)).await];
        let _news = send(&link, SHARD, append(11, 0)).await;
        assert_eq!(written(&mut outgoing), [3, 4, 1, 2, 5]);
        let _news = send(&link, SHARD, append(12, 0)).await;
        let _entries = send(&link, OTHER, append(51, 1)).await;
        assert_eq!(written(&mut outgoing), [6, 7], "what has left is not overtaken");
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_of_an_append_begins_when_it_leaves_and_counts_what_is_on_the_way() {
        let (link, mut outgoing) = Link::new();
        let mut first = send(&link, SHARD, append(0, APPEND)).await;
        let second = send(&link, SHARD, append(1, APPEND)).await;
        tokio::time::sleep(Duration::from_secs(9)).await;
        let mut leaves = first.leaves.take().expect("it is an append");
        assert!(leaves.try_recv().is_err(), "it waits");
        assert_eq!(written(&mut outgoing), [1, 2]);
        let now = Instant::now();
        assert_eq!(leaves.await, Ok(now + Duration::from_secs(1)));
        assert_eq!(second.leaves.expect("it is an append").await, Ok(now + Duration::from_secs(2)));
        // Of the first the answer comes; the second is awaited by nobody, but may be on the way.
        answer(&link, 1);
        drop(second.answer);
        let third = send(&link, SHARD, append(2, APPEND)).await;
        assert_eq!(written(&mut outgoing), [3]);
        assert_eq!(third.leaves.expect("it is an append").await, Ok(now + Duration::from_secs(2)));
        answer(&link, 3);
        tokio::time::sleep(FORGOTTEN).await;
        link.beat();
        let fourth = send(&link, SHARD, append(3, APPEND)).await;
        assert_eq!(written(&mut outgoing), [0, 4]);
        assert_eq!(fourth.leaves.expect("it is an append").await, Ok(Instant::now() + Duration::from_secs(1)));
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_of_the_stream_ends_all_waits() {
        let (link, mut outgoing) = Link::new();
        let left = send(&link, SHARD, append(0, QUEUED_BYTES)).await;
        assert_eq!(written(&mut outgoing), [1]);
        let queued = send(&link, SHARD, append(1, QUEUED_BYTES)).await;
        let sender = link.clone();
        let waits = tokio::spawn(async move { sender.send(SHARD, append(2, 1), false).await.is_none() });
        tokio::task::yield_now().await;
        drop(outgoing);
        assert!(left.answer.await.is_err() && queued.answer.await.is_err());
        assert!(waits.await.expect("it does not panic"));
        assert!(link.send(SHARD, Call::Vote(wire::RequestVote::default()), true).await.is_none());
    }
}
